/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a flow is between. Each end of a flow is told by whoever has it, and what lies between the
 * two is counted by one of them:
 *
 *	a client here, of a nat backend by its vip	client → service → backend, by the client
 *	a client here, of any vip by the data plane	client → service by the client,
 *							service → backend by the backend
 *	a client elsewhere, by a vip			client → service → backend, by the backend
 *	directly					client → server, by the client if it is here
 */
#include <string.h>
#include <netinet/in.h>

#include "lb/flows/names_private.h"

#define IPV4_NETWORK	(96 + 24)
#define IPV6_NETWORK	64

/* ---- directions ------------------------------------------------------------------------------ */

enum flow_direction flow_names_direction(const struct flow *flow)
{
	if (flow->direction == FLOW_OUT || flow->direction == FLOW_IN)
		return flow->direction;
	/* Who begins has a port of the range above all services, as a rule; and where the ports
	 * tell nothing, the other end must still come to the opposite. */
	if (flow->local_port != flow->remote_port)
		return flow->local_port > flow->remote_port ? FLOW_OUT : FLOW_IN;
	return memcmp(flow->local, flow->remote, sizeof(flow->local)) > 0 ? FLOW_OUT : FLOW_IN;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static bool is_ipv6_loopback(const struct addr *addr)
{
	static const unsigned char loopback[16] = { [15] = 1 };

	return !memcmp(addr->byte, loopback, sizeof(loopback));
}

static bool is_ipv4_loopback(const struct addr *addr)
{
	return addr_is_ipv4(addr) && addr->byte[12] == 127;
}

static void network_node(const struct flow_names *names, const struct addr *addr,
			 struct flow_node *ret_node)
{
	const struct prefix *found = networks_find(&names->groups, addr);
	struct prefix network;

	ret_node->kind = FLOW_NETWORK;
	if (is_ipv4_loopback(addr)) {
		network = network_around(addr, 96 + 8);
	} else if (is_ipv6_loopback(addr)) {
		network = network_around(addr, 128);
	} else if (found) {
		names_copy(ret_node->name, names_group_name(names, found));
		return;
	} else {
		network = network_around(addr, addr_is_ipv4(addr) ? IPV4_NETWORK : IPV6_NETWORK);
	}
	network_format(&network, ret_node->name);
}

/* Whoever has the address; returns whether its own flows are seen here. */
static bool remote_node(const struct flow_names *names, const struct addr *addr,
			struct flow_node *ret_node)
{
	bool seen = false;

	if (!names_address_owner(names, addr, ret_node->name, &seen)) {
		network_node(names, addr, ret_node);
		return false;
	}
	ret_node->kind = FLOW_CONTAINER;
	return seen;
}

static void owner_node(const struct flow_owner *owner, struct flow_node *ret_node)
{
	ret_node->kind = FLOW_CONTAINER;
	names_copy(ret_node->name, owner->name);
}

/* ---- flows ----------------------------------------------------------------------------------- */

static bool was_redirected(const struct flow *flow)
{
	static const __u8 none[sizeof(flow->vip)];

	return memcmp(flow->vip, none, sizeof(none)) != 0;
}

static void ends_out(const struct flow_names *names, const struct flow *flow,
		     struct flow_ends *ends)
{
	const struct addr remote = addr_from_ipv6(flow->remote);
	const bool redirected = was_redirected(flow);
	const struct addr asked = redirected ? addr_from_ipv6(flow->vip) : remote;
	const struct named_service *service;

	ends->port = redirected ? flow->vip_port : flow->remote_port;
	service = names_vip_service(names, &asked, ends->port, flow->protocol);
	ends->service = service ? named_service_name(service) : NULL;
	owner_node(&ends->owner, &ends->from);
	if (service && addr_equal(&asked, &remote)) {
		/* Which backend it is, only that one's end knows. */
		ends->to.kind = FLOW_SERVICE;
		names_copy(ends->to.name, ends->service);
	} else {
		remote_node(names, &remote, &ends->to);
	}
}

static void ends_in(const struct flow_names *names, const struct flow *flow,
		    struct flow_ends *ends)
{
	const struct addr local = addr_from_ipv6(flow->local);
	const struct addr remote = addr_from_ipv6(flow->remote);
	const struct named_service *service =
		names_vip_service(names, &local, flow->local_port, flow->protocol);

	ends->port = flow->local_port;
	if (!service && !networks_find(&names->direct, &remote)) {
		service = names_backend_service(names, &local, flow->local_port, flow->protocol);
		if (service)
			ends->port = named_service_port(service, flow->local_port);
	}
	ends->service = service ? named_service_name(service) : NULL;
	owner_node(&ends->owner, &ends->to);
	ends->elsewhere = remote_node(names, &remote, &ends->from);
}

void flow_names_ends(const struct flow_names *names, const struct flow *flow,
		     struct flow_ends *ret_ends)
{
	ret_ends->elsewhere = false;
	flow_names_owner(names, flow->cgroup, &ret_ends->owner);
	if (flow_names_direction(flow) == FLOW_OUT)
		ends_out(names, flow, ret_ends);
	else
		ends_in(names, flow, ret_ends);
}
