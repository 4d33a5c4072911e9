/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the kernel stands to them: links of the interfaces, and the device of each backend, from
 * the same decision that the daemon makes (lb/watch/nexthop.h). */
#include <errno.h>
#include <netinet/in.h>
#include <netlink/socket.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "config/mem.h"
#include "lb/ctl/doctor.h"
#include "lb/watch/nexthop.h"

#define SETTLE_MS 1000 /* for neighbours that nobody has asked for yet */
#define READ_TRIES 10
#define DISCARD_PORT 9

/* With none of them there, or only others of the same name, this is another network namespace
 * than the one that is meant. */
static int fronts_look(struct doctor *doctor, struct diag *diag)
{
	size_t there = 0;

	for (size_t i = 0; i < doctor->front_count; i++) {
		struct doctor_front *front = &doctor->fronts[i];
		const struct net_link *link = net_view_link_by_name(&doctor->view, front->name);

		if (!link || (front->ifindex && front->ifindex != link->ifindex)) {
			front->ifindex = 0;
			diag_add(&doctor->unseen, NULL, 0,
				 "%s: not looked at: there is no such interface here", front->name);
			continue;
		}
		front->ifindex = link->ifindex;
		front->l3 = link->master ? link->master : link->ifindex;
		there++;
	}
	if (there || !doctor->front_count)
		return 0;
	diag_add(diag, NULL, 0, "%s is not in this network namespace: doctor must run in that of "
		 "lbd (nsenter --net=...)", doctor->fronts[0].name);
	return -ENODEV;
}

static bool is_front(const struct doctor *doctor, unsigned int ifindex)
{
	for (size_t i = 0; i < doctor->front_count; i++)
		if (doctor->fronts[i].ifindex == ifindex)
			return true;
	return false;
}

/* Returns 0, or -EHOSTUNREACH with what is known of it in *ret_hop, and the reason. */
static int hop_find(const struct doctor *doctor, const struct doctor_backend *backend,
		    struct next_hop *ret_hop, char *reason)
{
	struct net_route route = { 0 };
	int err = net_route_get(doctor->net, &backend->address, &route);

	return next_hop_find(&doctor->view, &backend->address, &route, err,
			     backend->has_mac ? backend->mac : NULL,
			     *backend->interface ? backend->interface : NULL, NULL, 0, ret_hop,
			     reason);
}

static void device_take(struct doctor *doctor, struct doctor_backend *backend,
			const struct net_link *link)
{
	const struct net_link *master = net_view_link(&doctor->view, link->master);

	backend->device = link->ifindex;
	backend->via = master && master->kind == NET_BRIDGE ? master->ifindex : link->ifindex;
	backend->local = link->kind == NET_VETH && !is_front(doctor, link->ifindex);
}

/* The daemon told its device, or the route and the neighbours do. Returns 0 or as above. */
static int device_look(struct doctor *doctor, struct doctor_backend *backend,
		       struct next_hop *ret_hop, char *reason)
{
	const struct net_link *link = net_view_link_by_name(&doctor->view, backend->interface);
	int err = 0;

	if (!link || link->kind == NET_BRIDGE) {
		err = hop_find(doctor, backend, ret_hop, reason);
		link = net_view_link(&doctor->view, ret_hop->ifindex);
	}
	if (!err)
		device_take(doctor, backend, link);
	return err;
}

/* One empty datagram to the discard port, so that the kernel looks for the neighbour. Nothing is
 * set: a daemon may be managing the same neighbour. */
static void address_touch(const struct addr *address)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(DISCARD_PORT) };
	int off = 0, fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	memcpy(&to.sin6_addr, address->byte, sizeof(to.sin6_addr));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	sendto(fd, NULL, 0, 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
}

/* Returns how many are not known, though a neighbour may yet answer. */
static size_t devices_look(struct doctor *doctor, bool touch)
{
	char reason[NEXT_HOP_REASON_MAX];
	size_t waiting = 0;

	for (size_t i = 0; i < doctor->backend_count; i++) {
		struct doctor_backend *backend = &doctor->backends[i];
		struct next_hop hop;

		if (backend->device || !device_look(doctor, backend, &hop, reason) || !hop.via)
			continue;
		waiting++;
		if (touch)
			address_touch(&backend->address);
	}
	return waiting;
}

static void devices_unseen_tell(struct doctor *doctor)
{
	char reason[NEXT_HOP_REASON_MAX];
	struct next_hop hop;

	for (size_t i = 0; i < doctor->backend_count; i++)
		if (!doctor->backends[i].device &&
		    device_look(doctor, &doctor->backends[i], &hop, reason))
			diag_add(&doctor->unseen, NULL, 0, "%s: not looked at: %s",
				 doctor->backends[i].name, reason);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int doctor_view_read(struct net *net, struct net_view *ret_view)
{
	int err = -EAGAIN;

	for (int i = 0; err == -EAGAIN && i < READ_TRIES; i++)
		err = net_read(net, ret_view);
	return err;
}

static int devices_settle(struct doctor *doctor)
{
	long left, end = now_ms() + SETTLE_MS;
	size_t waiting = devices_look(doctor, true);
	int err = 0;

	while (!err && waiting && (left = end - now_ms()) > 0) {
		struct pollfd event = { .fd = net_fd(doctor->net), .events = POLLIN };

		poll(&event, 1, (int)left);
		net_drain(doctor->net);
		net_view_clear(&doctor->view);
		err = doctor_view_read(doctor->net, &doctor->view);
		if (!err)
			waiting = devices_look(doctor, false);
	}
	if (!err)
		devices_unseen_tell(doctor);
	return err;
}

int doctor_look(struct doctor *doctor, struct diag *diag)
{
	int err = net_open(&doctor->net);

	if (!err)
		err = doctor_view_read(doctor->net, &doctor->view);
	if (!err) {
		doctor->sock = doctor_sock_open();
		err = doctor->sock ? 0 : -EIO;
	}
	if (!err) {
		err = fronts_look(doctor, diag);
		if (err)
			return err;
		err = devices_settle(doctor);
	}
	if (err)
		diag_add(diag, NULL, 0, "cannot read the network: %s", strerror(-err));
	else
		doctor_look_containers(doctor);
	return err;
}

void doctor_clear(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->service_count; i++) {
		free(doctor->services[i].name);
		free(doctor->services[i].vips);
		free(doctor->services[i].ports);
	}
	for (size_t i = 0; i < doctor->backend_count; i++)
		free(doctor->backends[i].name);
	for (size_t i = 0; i < doctor->container_count; i++)
		doctor_container_clear(&doctor->containers[i]);
	free(doctor->fronts);
	free(doctor->services);
	free(doctor->backends);
	free(doctor->containers);
	net_view_clear(&doctor->view);
	nl_socket_free(doctor->sock);
	net_close(doctor->net);
	diag_clear(&doctor->unseen);
}
