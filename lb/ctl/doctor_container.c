/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The containers: what is found at the far end of a backend's veth and in its network namespace.
 * The program enters such a namespace only here, to open sockets and to read; it comes back or
 * ends. */
#include <errno.h>
#include <fcntl.h>
#include <netlink/socket.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "config/mem.h"
#include "lb/ctl/doctor.h"

/* Reads what only its namespace tells; the thread is in it now. */
static int container_read(struct doctor_container *container)
{
	const struct net_link *link;
	struct net *net;
	int err = net_open(&net);

	if (err)
		return err;
	err = doctor_view_read(net, &container->view);
	net_close(net);
	if (err)
		return err;
	container->sock = doctor_sock_open();
	link = net_view_link_by_name(&container->view, container->end.name);
	if (!container->sock || !link)
		return -ENODEV;
	container->mtu = link->mtu;
	container->rp_filter = sysctl_read_effective(false, container->end.name, "rp_filter");
	return 0;
}

static int container_enter(struct doctor_container *container)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int there, err;

	if (home < 0)
		return -errno;
	there = open(*container->end.netns ? container->end.netns : "/proc/thread-self/ns/net",
		     O_RDONLY | O_CLOEXEC);
	err = there < 0 || setns(there, CLONE_NEWNET) ? -errno : container_read(container);
	if (there >= 0)
		close(there);
	if (setns(home, CLONE_NEWNET))
		abort(); /* all that follows would be said about a container's network */
	close(home);
	return err;
}

void doctor_container_clear(struct doctor_container *container)
{
	net_view_clear(&container->view);
	nl_socket_free(container->sock);
}

static void container_look(struct doctor *doctor, const struct doctor_backend *backend)
{
	struct doctor_container container = { .ifindex = backend->device };
	const struct net_link *link = net_view_link(&doctor->view, backend->device);
	int err = veth_end_read(doctor->net, link, &container.end);

	if (!err)
		err = container_enter(&container);
	if (err) {
		doctor_container_clear(&container);
		diag_add(&doctor->unseen, NULL, 0,
			 "%s: not looked at: the container's end of %s: %s", backend->name,
			 link->name,
			 err == -ENOENT ? "its network namespace cannot be found" : strerror(-err));
		return;
	}
	doctor->containers = mem_must(reallocarray(doctor->containers, doctor->container_count + 1,
						   sizeof(container)));
	doctor->containers[doctor->container_count++] = container;
}

static const struct doctor_container *container_find(const struct doctor *doctor,
						     unsigned int ifindex)
{
	for (size_t i = 0; i < doctor->container_count; i++)
		if (doctor->containers[i].ifindex == ifindex)
			return &doctor->containers[i];
	return NULL;
}

/* Whether a backend before this one has the same device: then it was looked at. */
static bool is_looked_at(const struct doctor *doctor, const struct doctor_backend *backend)
{
	for (const struct doctor_backend *at = doctor->backends; at < backend; at++)
		if (at->device == backend->device)
			return true;
	return false;
}

void doctor_look_containers(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->backend_count; i++) {
		const struct doctor_backend *backend = &doctor->backends[i];

		if (backend->local && !is_looked_at(doctor, backend))
			container_look(doctor, backend);
	}
	for (size_t i = 0; i < doctor->backend_count; i++)
		doctor->backends[i].container =
			container_find(doctor, doctor->backends[i].device);
}
