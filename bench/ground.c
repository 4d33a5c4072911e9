/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground's life. The edge namespace lives in a process of its own, so that lbd can find the
 * outside one as the namespace of this process, as it finds that of a container. */
#include "bench/ground.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINK_UP_MS 5000

static const struct {
	const char *edge, *outside;
} veths[] = {
	{ "front", "front-gen" }, { "inside", "inside-end" }, { "link", "link-end" },
	{ "barein", "barein-gen" }, { "bareout", "bareout-end" },
	{ "drop", "drop-gen" },
};

static int mounts_make(struct diag *diag)
{
	if (!unshare(CLONE_NEWNS) && !mount("none", "/", "none", MS_REC | MS_PRIVATE, "") &&
	    !mount("bench", GROUND_DIR, "tmpfs", 0, "mode=0700") &&
	    !mount("bpf", GROUND_BPFFS, "bpf", 0, "mode=0700"))
		return 0;
	diag_add(diag, NULL, 0, "cannot make mounts of its own: %s", strerror(errno));
	return -EPERM;
}

__attribute__((format(printf, 2, 3)))
static int run(struct diag *diag, const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (!system(command))
		return 0;
	diag_add(diag, NULL, 0, "failed: %s", command);
	return -EIO;
}

/* The kernel raises a new link's state a moment after its carrier is there. */
static int link_wait(const char *name, struct diag *diag)
{
	const struct timespec rest = { .tv_nsec = 1000 * 1000 };
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up = false;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	for (int ms = 0; fd >= 0 && !up && ms < LINK_UP_MS; ms++) {
		up = !ioctl(fd, SIOCGIFFLAGS, &request) && (request.ifr_flags & IFF_RUNNING);
		if (!up)
			nanosleep(&rest, NULL);
	}
	if (fd >= 0)
		close(fd);
	if (up)
		return 0;
	diag_add(diag, NULL, 0, "%s does not come up", name);
	return -ENETDOWN;
}

static int links_make(const struct ground *ground, struct diag *diag)
{
	size_t count = sizeof(veths) / sizeof(veths[0]);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = run(diag, "ip link add %s type veth peer name %s netns %d && "
				"ip link set dev %s up",
			  veths[i].outside, veths[i].edge, ground->edge.holder, veths[i].outside);
	if (!err)
		err = ground_enter_edge(ground);
	for (size_t i = 0; !err && i < count; i++)
		err = run(diag, "ip link set dev %s up", veths[i].edge);
	for (size_t i = 0; !err && i < count; i++)
		err = link_wait(veths[i].edge, diag);
	ground_leave_edge(ground);
	return err;
}

int ground_make(struct ground *ret_ground, struct diag *diag)
{
	struct ground ground = {
		.origin = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC),
		.outside = -1,
	};
	int err = mounts_make(diag);

	if (err)
		return err;
	err = unshare(CLONE_NEWNET) ? -errno : space_silence();
	if (!err)
		err = space_make(space_idle, NULL, &ground.edge);
	if (!err) {
		ground.outside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		err = ground.outside < 0 ? -errno : 0;
	}
	if (err)
		diag_add(diag, NULL, 0, "cannot make network namespaces: %s", strerror(-err));
	else
		err = links_make(&ground, diag);
	if (err)
		ground_unmake(&ground);
	else
		*ret_ground = ground;
	return err;
}

void ground_unmake(struct ground *ground)
{
	space_unmake(&ground->edge);
	if (ground->outside >= 0)
		close(ground->outside);
	if (ground->origin >= 0)
		close(ground->origin);
}

int ground_enter_edge(const struct ground *ground)
{
	return setns(ground->edge.net, CLONE_NEWNET) ? -errno : 0;
}

void ground_leave_edge(const struct ground *ground)
{
	if (setns(ground->outside, CLONE_NEWNET))
		abort(); /* all that follows would happen in the wrong place */
}
