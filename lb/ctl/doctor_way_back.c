/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By which way a container answers clients. One that has another default route answers by that,
 * past us, and strict reverse path filtering drops the requests even before. NAT needs the reply
 * here, for nobody else knows the vip; DSR does not care by which way it leaves. */
#include "lb/ctl/doctor.h"

#include <stdlib.h>

#define TABLE 60699	/* of the routes that the command makes; any number that is free */
#define STRICT 1	/* rp_filter */
#define LOOSE 2

/* Nobody's (RFC 5737, RFC 9637): only a default route leads there. */
static const char *const far_clients[] = { "198.51.100.1", "3fff::1" };

/* Addresses that stand for clients: this host's own in the networks of its fronts, and one far
 * away where this host has a way there. Calls `visit` until it returns true. */
static void clients_visit(const struct doctor *doctor, const struct doctor_backend *backend,
			  bool (*visit)(const struct doctor *doctor,
					const struct doctor_backend *backend,
					const struct addr *client, struct findings *findings),
			  struct findings *findings)
{
	bool ipv6 = IS_IPV6(&backend->address);
	struct net_route route;
	struct addr far;

	for (size_t f = 0; f < doctor->front_count; f++)
		for (size_t i = 0; i < doctor->view.address_count; i++) {
			const struct net_address *address = &doctor->view.addresses[i];
			bool link_local = ipv6 && address->addr.byte[0] == 0xfe &&
					  (address->addr.byte[1] & 0xc0) == 0x80;

			if (address->ifindex == doctor->fronts[f].l3 && !link_local &&
			    IS_IPV6(&address->addr) == ipv6 &&
			    visit(doctor, backend, &address->addr, findings))
				return;
		}
	if (!addr_parse(far_clients[ipv6], &far) && !net_route_get(doctor->net, &far, &route) &&
	    !route.local)
		visit(doctor, backend, &far, findings);
}

/* This host's address towards the container: in its network, or any of that interface. */
static const struct addr *gateway_find(const struct doctor *doctor,
				       const struct doctor_backend *backend)
{
	const struct addr *found = NULL;

	for (size_t i = 0; i < doctor->view.address_count; i++) {
		const struct net_address *address = &doctor->view.addresses[i];

		if (address->ifindex != backend->via ||
		    IS_IPV6(&address->addr) != IS_IPV6(&backend->address))
			continue;
		if (prefix_contains(&address->network, &backend->address))
			return &address->addr;
		if (!found)
			found = &address->addr;
	}
	return found;
}

/* With a rule for the container's address alone, all that it does on its own stays as it is. */
static char *route_command(const struct doctor_backend *backend, const struct addr *gateway,
			   const struct addr *source)
{
	const char *ip = IS_IPV6(&backend->address) ? "ip -6" : "ip";
	const struct veth_end *end = &backend->container->end;
	char prefix[SHELL_WORD_MAX], name[SHELL_WORD_MAX];
	char to[ADDR_TEXT_MAX], from[ADDR_TEXT_MAX];

	addr_format(gateway, to);
	shell_enter(end->netns, prefix);
	shell_word(end->name, name);
	if (!source)
		return text_new("%s%s route add default via %s dev %s", prefix, ip, to, name);
	addr_format(source, from);
	return text_new("%s%s rule add from %s lookup %d && "
			"%s%s route add default via %s dev %s table %d", prefix, ip, from, TABLE,
			prefix, ip, to, name, TABLE);
}

static bool is_strict(const struct doctor_backend *backend)
{
	return !IS_IPV6(&backend->address) && backend->container->rp_filter == STRICT;
}

static void astray_tell(const struct doctor *doctor, const struct doctor_backend *backend,
			const char *way, const struct addr *client, struct findings *findings)
{
	const struct addr *gateway = gateway_find(doctor, backend);
	char text[ADDR_TEXT_MAX];

	addr_format(client, text);
	if (gateway)
		findings_add(findings, is_strict(backend) ? "rp_filter" : "way_back",
			     backend->name,
			     text_new("the container answers clients such as %s by %s, past this "
				      "host: nobody gives these replies the vip back%s", text, way,
				      is_strict(backend) ? ", and strict rp_filter drops the "
							   "requests before" : ""),
			     route_command(backend, gateway, &backend->address));
}

static void no_route_tell(const struct doctor *doctor, const struct doctor_backend *backend,
			  const struct addr *client, struct findings *findings)
{
	const struct addr *gateway = gateway_find(doctor, backend);
	char text[ADDR_TEXT_MAX];

	if (gateway)
		findings_add(findings, "way_back", backend->name,
			     text_new("the container has no route to clients such as %s: it takes "
				      "their packets and answers none", addr_format(client, text)),
			     route_command(backend, gateway, NULL));
}

static void strict_tell(const struct doctor_backend *backend, const char *way,
			struct findings *findings)
{
	const struct veth_end *end = &backend->container->end;
	char *word = sysctl_word(false, end->name, "rp_filter", LOOSE);
	char prefix[SHELL_WORD_MAX];

	findings_add(findings, "rp_filter", backend->name,
		     text_new("the container answers clients by %s, but gets their packets by %s: "
			      "strict rp_filter drops them there", way, end->name),
		     text_new("%ssysctl -w %s", shell_enter(end->netns, prefix), word));
	free(word);
}

/* One address of the container asks for its way to one client. True: told, the next need not be
 * looked at. */
static bool way_check(const struct doctor *doctor, const struct doctor_backend *backend,
		      const struct addr *source, const struct addr *client,
		      struct findings *findings)
{
	const struct doctor_container *container = backend->container;
	unsigned int by = doctor_route_from(container->sock, source, client);
	const struct net_link *way = net_view_link(&container->view, by);
	const struct net_link *end = net_view_link_by_name(&container->view, container->end.name);

	if (!way)
		no_route_tell(doctor, backend, client, findings);
	else if (way == end)
		return false;
	else if (backend->nat)
		astray_tell(doctor, backend, way->name, client, findings);
	else if (is_strict(backend))
		strict_tell(backend, way->name, findings);
	else
		return false;
	return true;
}

static bool nat_check(const struct doctor *doctor, const struct doctor_backend *backend,
		      const struct addr *client, struct findings *findings)
{
	return way_check(doctor, backend, &backend->address, client, findings);
}

/* The container answers as the vip; where it has none, check_dsr() tells that first. */
static bool dsr_check(const struct doctor *doctor, const struct doctor_backend *backend,
		      const struct addr *client, struct findings *findings)
{
	const struct net_view *view = &backend->container->view;

	for (size_t v = 0; v < backend->service->vip_count; v++)
		for (size_t i = 0; i < view->address_count; i++)
			if (addr_equal(&view->addresses[i].addr, &backend->service->vips[v]) &&
			    IS_IPV6(&view->addresses[i].addr) == IS_IPV6(client) &&
			    way_check(doctor, backend, &backend->service->vips[v], client,
				      findings))
				return true;
	return false;
}

void check_way_back(const struct doctor *doctor, struct findings *findings)
{
	for (size_t i = 0; i < doctor->backend_count; i++)
		if (doctor->backends[i].container)
			clients_visit(doctor, &doctor->backends[i],
				      doctor->backends[i].nat ? nat_check : dsr_check, findings);
}
