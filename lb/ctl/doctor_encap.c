/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What encapsulation and VLANs ask of this host: outer sources that are its own, a stack that takes
 * what it has to fragment, and a card that leaves tags where XDP can read them. */
#include "lb/ctl/doctor.h"

#include <linux/ethtool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/watch/ethtool.h"

#define LOOSE 2

static const char *prefix_text(const struct prefix *prefix, char *text, size_t size)
{
	char addr[ADDR_TEXT_MAX];
	bool ipv4 = addr_is_ipv4(&prefix->addr);

	snprintf(text, size, "%s/%u", addr_format(&prefix->addr, addr),
		 ipv4 ? prefix->len - 96 : prefix->len);
	return text;
}

/* Who invents its sources has no errors told to it, and looks forged to every rp_filter. */
static void source_check(const struct doctor *doctor, const struct doctor_backend *backend,
			 struct findings *findings)
{
	const struct prefix *source = &backend->encap_source;
	struct net_route route = { 0 };
	char text[ADDR_TEXT_MAX + 4];

	if (!source->len || (!net_route_get(doctor->net, &source->addr, &route) && route.local))
		return;
	prefix_text(source, text, sizeof(text));
	findings_add(findings, "encap_source", backend->name,
		     text_new("its packets come from %s, which is not this host's: a strict "
			      "rp_filter on the way drops them, and errors about them do not come "
			      "back here", text),
		     text_new("ip %sroute add local %s dev lo", IS_IPV6(&source->addr) ? "-6 " : "",
			      text));
}

/* "sysctl -w" and a word more for each that is asked for. */
static char *command_add(char *command, bool wanted, char *word)
{
	char *longer = wanted ? text_new("%s %s", command, word) : NULL;

	free(word);
	if (!longer)
		return command;
	free(command);
	return longer;
}

/* The stack fragments the outer packets of IPv4 datagrams that are too big and may be cut. They
 * come to it by the front, from an address of this host. */
static void fragments_check(const struct doctor_backend *backend, const struct net_link *front,
			    struct findings *findings)
{
	bool accepts = sysctl_read_effective(false, front->name, "accept_local") > 0;
	bool forwards = sysctl_read(false, front->name, "forwarding") != 0;
	bool strict = sysctl_read_effective(false, front->name, "rp_filter") == 1;
	const char *because = !forwards ? "it does not forward"
			      : !accepts ? "they come from an address of this host"
					 : "strict rp_filter takes their source for forged";
	char *command;

	if (accepts && forwards && !strict)
		return;
	command = command_add(text_new("sysctl -w"), !forwards, text_new("net.ipv4.ip_forward=1"));
	command = command_add(command, !accepts,
			      sysctl_word(false, front->name, "accept_local", 1));
	command = command_add(command, strict,
			      sysctl_word(false, front->name, "rp_filter", LOOSE));
	findings_add(findings, "encap_fragment", front->name,
		     text_new("IPv4 packets for %s that are too big once encapsulated and may be "
			      "fragmented are left to the kernel, which drops them: %s",
			      backend->name, because), command);
}

void check_encap(const struct doctor *doctor, struct findings *findings)
{
	for (size_t i = 0; i < doctor->backend_count; i++) {
		const struct doctor_backend *backend = &doctor->backends[i];

		if (!backend->encap)
			continue;
		source_check(doctor, backend, findings);
		for (size_t f = 0; f < doctor->front_count && !IS_IPV6(&backend->address); f++) {
			const struct net_link *front =
				net_view_link(&doctor->view, doctor->fronts[f].l3);

			if (front)
				fragments_check(backend, front, findings);
		}
	}
}

static bool carries_vlans(const struct doctor *doctor, unsigned int ifindex)
{
	for (size_t i = 0; i < doctor->view.link_count; i++)
		if (doctor->view.links[i].kind == NET_VLAN &&
		    doctor->view.links[i].parent == ifindex)
			return true;
	return false;
}

/* A veth takes no tag off: that is its other end's doing. */
void check_vlan_offload(const struct doctor *doctor, struct findings *findings)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char word[SHELL_WORD_MAX];

	for (size_t i = 0; i < doctor->front_count && fd >= 0; i++) {
		const struct net_link *link =
			net_view_link(&doctor->view, doctor->fronts[i].ifindex);
		uint32_t flags;

		if (!link || link->kind == NET_VETH || doctor->fronts[i].generic ||
		    !carries_vlans(doctor, link->ifindex) ||
		    ethtool_flags(fd, link->name, &flags) || !(flags & ETH_FLAG_RXVLAN))
			continue;
		findings_add(findings, "rxvlan", link->name,
			     text_new("it carries VLANs, and the card takes their tags off before "
				      "XDP sees the frame: every frame looks untagged"),
			     text_new("ethtool -K %s rxvlan off", shell_word(link->name, word)));
	}
	if (fd >= 0)
		close(fd);
}
