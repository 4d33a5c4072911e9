/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a DSR container on this host needs: the vip on itself, and a host whose IPv4 stack
 * forwards packets that have the vip as their source. To fib_validate_source() in
 * net/ipv4/fib_frontend.c they look forged where the vip is this host's own too, or where the way
 * to the vip is another than the one they come by. IPv6 has no such check. */
#include "lb/ctl/doctor.h"

#include <stdlib.h>

#define STRICT 1
#define LOOSE 2

static bool container_has(const struct doctor_container *container, const struct addr *vip)
{
	for (size_t i = 0; i < container->view.address_count; i++)
		if (addr_equal(&container->view.addresses[i].addr, vip))
			return true;
	return false;
}

static void missing_tell(const struct doctor_backend *backend, const struct addr *vip,
			 struct findings *findings)
{
	const char *netns = backend->container->end.netns;
	char prefix[SHELL_WORD_MAX], text[ADDR_TEXT_MAX];

	addr_format(vip, text);
	findings_add(findings, "dsr_vip", backend->name,
		     text_new("dsr leaves %s as the packets' destination, and the container does "
			      "not have that address: it drops them", text),
		     text_new("%sip addr add %s/%d dev lo", shell_enter(netns, prefix), text,
			      IS_IPV6(vip) ? 128 : 32));
}

static void local_tell(const struct doctor_backend *backend, const struct net_link *via,
		       const char *vip, bool filtered, struct findings *findings)
{
	char *accept = sysctl_word(false, via->name, "accept_local", 1);
	char *loose = sysctl_word(false, via->name, "rp_filter", LOOSE);

	findings_add(findings, "dsr_source", backend->name,
		     text_new("%s is an address of this host too: when the container's replies "
			      "come from it by %s, the kernel takes them for forged and drops them",
			      vip, via->name),
		     text_new("sysctl -w %s%s%s", accept, filtered ? " " : "",
			      filtered ? loose : ""));
	free(accept);
	free(loose);
}

/* "Loose" still wants some route; without one, only no filter at all lets them pass. The greater
 * of "all" and the interface counts. */
static char *filter_command(const struct net_link *via, bool routed)
{
	char *own = sysctl_word(false, via->name, "rp_filter", routed ? LOOSE : 0);
	bool all = !routed && sysctl_read(false, "all", "rp_filter") > 0;
	char *command = text_new("sysctl -w %s%s", all ? "net.ipv4.conf.all.rp_filter=0 " : "",
				 own);

	free(own);
	return command;
}

static bool accepts_local(const struct net_link *via)
{
	return sysctl_read_effective(false, via->name, "accept_local") > 0;
}

static void source_check(const struct doctor *doctor, const struct doctor_backend *backend,
			 const struct addr *vip, struct findings *findings)
{
	const struct net_link *via = net_view_link(&doctor->view, backend->via);
	int filter = sysctl_read_effective(false, via->name, "rp_filter");
	struct net_route route = { 0 };
	bool routed = !net_route_get(doctor->net, vip, &route);
	char text[ADDR_TEXT_MAX];

	addr_format(vip, text);
	if (route.local && !accepts_local(via)) {
		local_tell(backend, via, text, filter == STRICT, findings);
		return;
	}
	if (filter <= 0 || (routed && (filter == LOOSE || route.ifindex == via->ifindex)))
		return;
	findings_add(findings, "rp_filter", backend->name,
		     text_new("the container's replies come from %s by %s, and the way there is "
			      "another: %s rp_filter drops them", text, via->name,
			      filter == STRICT ? "strict" : "even loose"),
		     filter_command(via, routed));
}

void check_dsr(const struct doctor *doctor, struct findings *findings)
{
	for (size_t i = 0; i < doctor->backend_count; i++) {
		const struct doctor_backend *backend = &doctor->backends[i];

		for (size_t v = 0; v < backend->service->vip_count; v++) {
			const struct addr *vip = &backend->service->vips[v];

			if (backend->nat || backend->encap || !backend->local ||
			    IS_IPV6(vip) != IS_IPV6(&backend->address))
				continue;
			if (backend->container && !container_has(backend->container, vip))
				missing_tell(backend, vip, findings);
			if (!IS_IPV6(vip))
				source_check(doctor, backend, vip, findings);
		}
	}
}
