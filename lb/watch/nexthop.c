/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which device and MACs a backend has, decided from values alone: the same view and route always
 * give the same hop or the same sentence. The reconciler asks for every backend whenever the
 * view has changed. */
#include "lb/watch/nexthop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Says why not, and is the error: `return refuse(reason, ...)`. */
__attribute__((format(printf, 2, 3)))
static int refuse(char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, NEXT_HOP_REASON_MAX, format, args);
	va_end(args);
	return -EHOSTUNREACH;
}

static bool is_host_address(const struct net_view *view, const struct addr *addr)
{
	for (size_t i = 0; i < view->address_count; i++)
		if (addr_equal(&view->addresses[i].addr, addr))
			return true;
	return false;
}

/* The interface that the config names, else that of the route; NULL once it was said why none. */
static const struct net_link *find_interface(const struct net_view *view,
					     const struct addr *backend,
					     const struct net_route *route, int route_err,
					     const char *interface, char *reason)
{
	const struct net_link *link = NULL;
	char text[ADDR_TEXT_MAX];

	addr_format(backend, text);
	if (interface) {
		link = net_view_link_by_name(view, interface);
		if (!link)
			refuse(reason, "interface %s does not exist", interface);
	} else if (route_err == -ENETUNREACH) {
		refuse(reason, "no route to %s", text);
	} else if (route_err) {
		refuse(reason, "the route to %s cannot be used: %s", text, strerror(-route_err));
	} else {
		link = net_view_link(view, route->ifindex);
		if (!link)
			refuse(reason, "the interface of the route to %s is gone", text);
	}
	return link;
}

/* Neighbours stand on the bridge, not on its ports: so for a port that the config names too. */
static const struct net_link *neighbour_interface(const struct net_view *view,
						  const struct net_link *link)
{
	const struct net_link *master = link->master ? net_view_link(view, link->master) : NULL;

	return master && master->kind == NET_BRIDGE ? master : link;
}

static int check_interface(const struct net_link *link, char *reason)
{
	if (!link->ethernet)
		return refuse(reason, "%s is not Ethernet", link->name);
	if (!link->up)
		return refuse(reason, "%s is down", link->name);
	return 0;
}

static int find_mac(const struct net_view *view, const struct net_link *link,
		    const struct addr *addr, unsigned char *ret_mac, char *reason)
{
	const struct net_neighbour *found;
	char text[ADDR_TEXT_MAX];
	bool failed = false;
	size_t count;

	found = net_view_neighbours(view, link->ifindex, addr, &count);
	for (size_t i = 0; i < count; i++) {
		if (found[i].usable) {
			memcpy(ret_mac, found[i].mac, sizeof(found[i].mac));
			return 0;
		}
		failed = found[i].failed;
	}
	return refuse(reason, "no neighbour for %s on %s%s", addr_format(addr, text), link->name,
		      failed ? ", it does not answer" : "");
}

/* A bridge that tells VLANs apart may know a MAC behind several ports: one that is up wins. */
static int find_port(const struct net_view *view, const struct net_link *bridge,
		     const unsigned char *mac, const struct net_link **ret_port, char *reason)
{
	const struct net_link *found = NULL;
	const struct net_fdb_entry *entry;
	size_t count;

	for (entry = net_view_fdb(view, bridge->ifindex, mac, &count); count--; entry++) {
		const struct net_link *port;

		if (entry->local)
			return refuse(reason, "%02x:%02x:%02x:%02x:%02x:%02x is bridge %s itself",
				      mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
				      bridge->name);
		port = net_view_link(view, entry->port);
		if (!port || port->master != bridge->ifindex)
			continue;
		if (!found || port->up)
			found = port;
	}
	if (!found)
		return refuse(reason, "bridge %s does not know behind which port "
			      "%02x:%02x:%02x:%02x:%02x:%02x is", bridge->name, mac[0], mac[1],
			      mac[2], mac[3], mac[4], mac[5]);
	*ret_port = found;
	return check_interface(found, reason);
}

static bool is_front(unsigned int ifindex, const unsigned int *fronts, size_t front_count)
{
	for (size_t i = 0; i < front_count; i++)
		if (fronts[i] == ifindex)
			return true;
	return false;
}

/* What a VLAN interface is made on; XDP puts the tag on itself. A front is left as it is: what
 * comes in by a VLAN interface has no tag any more. */
static int find_carrier(const struct net_view *view, const unsigned int *fronts,
			size_t front_count, const struct net_link **link, uint16_t *ret_vlan,
			char *reason)
{
	const struct net_link *carrier;

	if ((*link)->kind != NET_VLAN || is_front((*link)->ifindex, fronts, front_count))
		return 0;
	carrier = net_view_link(view, (*link)->parent);
	if (!carrier)
		return refuse(reason, "what carries the VLAN interface %s is gone", (*link)->name);
	if (carrier->kind == NET_VLAN || carrier->kind == NET_BRIDGE)
		return refuse(reason, "%s is a VLAN on the %s %s, which XDP cannot send into",
			      (*link)->name, carrier->kind == NET_VLAN ? "VLAN" : "bridge",
			      carrier->name);
	*ret_vlan = (*link)->vlan;
	*link = carrier;
	return check_interface(carrier, reason);
}

/* What a tag means that a packet came with: nothing, unless this host takes VLANs apart. */
static uint16_t vlan_of_untagged(const struct net_view *view, const unsigned int *fronts,
				 size_t front_count)
{
	for (size_t i = 0; i < view->link_count; i++)
		if (view->links[i].kind == NET_VLAN &&
		    is_front(view->links[i].parent, fronts, front_count))
			return NEXT_HOP_UNTAGGED;
	return NEXT_HOP_KEEP_TAGS;
}

/* Where the kernel does not say (the config names the way), the interface's first address. */
static void find_source(const struct net_view *view, const struct addr *backend,
			const struct net_route *route, int route_err, struct next_hop *hop)
{
	if (!route_err && route->has_source) {
		hop->has_source = true;
		hop->source = route->source;
		return;
	}
	for (size_t i = 0; i < view->address_count && !hop->has_source; i++) {
		const struct net_address *address = &view->addresses[i];

		if (address->ifindex != hop->via || !address->global ||
		    addr_is_ipv4(&address->addr) != addr_is_ipv4(backend))
			continue;
		hop->has_source = true;
		hop->source = address->addr;
	}
}

static uint16_t mtu_of(const struct net_link *via, const struct net_route *route, int route_err)
{
	bool of_route = !route_err && route->mtu && route->ifindex == via->ifindex;
	unsigned int mtu = of_route ? route->mtu : via->mtu;

	return mtu < UINT16_MAX ? mtu : UINT16_MAX;
}

int next_hop_find(const struct net_view *view, const struct addr *backend,
		  const struct net_route *route, int route_err,
		  const unsigned char *mac, const char *interface,
		  const unsigned int *fronts, size_t front_count,
		  struct next_hop *ret_hop, char *reason)
{
	const struct net_link *link, *via;
	struct next_hop *hop = ret_hop;
	char text[ADDR_TEXT_MAX];
	int err;

	*hop = (struct next_hop){ .neighbour = *backend };
	reason[0] = '\0';
	if (is_host_address(view, backend) || (!route_err && route->local))
		return refuse(reason, "%s is an address of this host", addr_format(backend, text));

	link = find_interface(view, backend, route, route_err, interface, reason);
	if (!link)
		return -EHOSTUNREACH;
	via = neighbour_interface(view, link);
	hop->via = via->ifindex;
	if (!route_err && route->has_gateway && route->ifindex == via->ifindex)
		hop->neighbour = route->gateway;
	find_source(view, backend, route, route_err, hop);
	hop->mtu = mtu_of(via, route, route_err);

	err = check_interface(link, reason);
	if (!err && via != link)
		err = check_interface(via, reason);
	if (err)
		return err;

	if (mac)
		memcpy(hop->dst_mac, mac, sizeof(hop->dst_mac));
	else
		err = find_mac(view, via, &hop->neighbour, hop->dst_mac, reason);
	if (!err && link->kind == NET_BRIDGE)
		err = find_port(view, link, hop->dst_mac, &link, reason);
	hop->vlan = vlan_of_untagged(view, fronts, front_count);
	if (!err)
		err = find_carrier(view, fronts, front_count, &link, &hop->vlan, reason);
	if (err)
		return err;

	hop->ifindex = link->ifindex;
	memcpy(hop->device, link->name, sizeof(hop->device));
	memcpy(hop->src_mac, via->mac, sizeof(hop->src_mac));
	hop->local = link->kind == NET_VETH && !is_front(link->ifindex, fronts, front_count);
	return 0;
}
