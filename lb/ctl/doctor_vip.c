/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who answers for a vip where clients look for it by ARP or neighbour discovery: in a network
 * that a front interface is on. A vip outside of such a network is routed here by somebody else.
 * The rules are those of arp_process() in net/ipv4/arp.c and ndisc_recv_ns() in net/ipv6/ndisc.c;
 * they differ: IPv6 answers for the addresses of the very interface only. */
#include "lb/ctl/doctor.h"

#include <stdlib.h>

#define HOST_PREFIX 128

static bool has_address(const struct doctor *doctor, const struct addr *vip, unsigned int ifindex)
{
	for (size_t i = 0; i < doctor->view.address_count; i++) {
		const struct net_address *address = &doctor->view.addresses[i];

		if (addr_equal(&address->addr, vip) && (!ifindex || address->ifindex == ifindex))
			return true;
	}
	return false;
}

static bool is_on_link(const struct doctor *doctor, const struct addr *vip, unsigned int ifindex)
{
	for (size_t i = 0; i < doctor->view.address_count; i++) {
		const struct net_address *address = &doctor->view.addresses[i];

		if (address->ifindex == ifindex && address->network.len < HOST_PREFIX &&
		    IS_IPV6(vip) == IS_IPV6(&address->addr) &&
		    prefix_contains(&address->network, vip))
			return true;
	}
	return false;
}

/* 1 and 2: only for addresses of the interface itself. */
static bool arp_is_strict(const struct net_link *link)
{
	int ignore = sysctl_read_effective(false, link->name, "arp_ignore");

	return ignore == 1 || ignore == 2;
}

/* A proxy speaks only for what it would send on by another interface. */
static bool arp_is_answered(const struct doctor *doctor, const struct addr *vip,
			    const struct net_link *link)
{
	struct net_route route;

	if (net_route_get(doctor->net, vip, &route))
		return false;
	if (route.local)
		return !arp_is_strict(link) || has_address(doctor, vip, link->ifindex);
	return route.ifindex != link->ifindex &&
	       sysctl_read(false, link->name, "forwarding") == 1 &&
	       (sysctl_read_effective(false, link->name, "proxy_arp") > 0 ||
		doctor_has_proxy(doctor->sock, link->ifindex, vip));
}

static bool nd_is_answered(const struct doctor *doctor, const struct addr *vip,
			   const struct net_link *link)
{
	if (has_address(doctor, vip, link->ifindex))
		return true;
	return sysctl_read(true, link->name, "forwarding") > 0 &&
	       sysctl_read_effective(true, link->name, "proxy_ndp") > 0 &&
	       doctor_has_proxy(doctor->sock, link->ifindex, vip);
}

/* A deprecated address is answered for, but never chosen as a source. */
static char *vip_command(const char *vip, bool ipv6, const struct net_link *link)
{
	char name[SHELL_WORD_MAX];

	if (ipv6)
		return text_new("ip addr add %s/128 dev %s nodad preferred_lft 0", vip,
				shell_word(link->name, name));
	return text_new("ip addr add %s/32 dev %s", vip,
			arp_is_strict(link) ? shell_word(link->name, name) : "lo");
}

static void vip_check(const struct doctor *doctor, const struct addr *vip,
		      const struct doctor_front *front, struct findings *findings)
{
	const struct net_link *link = net_view_link(&doctor->view, front->l3);
	bool ipv6 = IS_IPV6(vip);
	char text[ADDR_TEXT_MAX];
	const char *why;

	if (!link || !is_on_link(doctor, vip, link->ifindex) ||
	    (ipv6 ? nd_is_answered : arp_is_answered)(doctor, vip, link))
		return;
	addr_format(vip, text);
	if (!has_address(doctor, vip, 0))
		why = "it is no address of this host";
	else if (ipv6)
		why = "it stands on another interface of this host, and IPv6 answers only for "
		      "those of the same";
	else
		why = "it stands on another interface of this host, and arp_ignore forbids to "
		      "answer for it";
	findings_add(findings, "vip_unanswered", text,
		     text_new("it is in a network of %s, where clients ask for it by %s, and "
			      "nobody answers: %s", link->name,
			      ipv6 ? "neighbour discovery" : "ARP", why),
		     vip_command(text, ipv6, link));
}

void check_vips_answered(const struct doctor *doctor, struct findings *findings)
{
	for (size_t s = 0; s < doctor->service_count; s++)
		for (size_t v = 0; v < doctor->services[s].vip_count; v++)
			for (size_t f = 0; f < doctor->front_count; f++)
				vip_check(doctor, &doctor->services[s].vips[v],
					  &doctor->fronts[f], findings);
}
