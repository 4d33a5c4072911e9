/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground's life. The edge namespace lives in a process of its own, so that lbd can find the
 * outside one as the namespace of this process, as it finds that of a container. */
#include "bench/ground.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINK_UP_MS 5000

static const struct {
	const char *edge, *outside;
} veths[] = {
	{ "front", "front-gen" }, { "inside", "inside-end" }, { "link", "link-end" },
	{ "barein", "barein-gen" }, { "bareout", "bareout-end" },
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

/* No neighbour discovery among the packets that are counted. */
static int ipv6_silence(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	int err = fd >= 0 && write(fd, "1", 1) == 1 ? 0 : -errno;

	if (fd >= 0)
		close(fd);
	return err == -ENOENT ? 0 : err; /* a kernel without IPv6 is silent */
}

static int namespace_fd(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int holder_start(pid_t *ret_holder)
{
	int ready[2];
	char byte;
	bool made;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || ipv6_silence() || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	made = pid > 0 && read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	*ret_holder = pid;
	return made ? 0 : -EPERM;
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
			  veths[i].outside, veths[i].edge, ground->holder, veths[i].outside);
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
	struct ground ground = { .outside = -1, .edge = -1 };
	int err = mounts_make(diag);

	if (err)
		return err;
	err = unshare(CLONE_NEWNET) ? -errno : ipv6_silence();
	if (!err)
		err = holder_start(&ground.holder);
	if (!err) {
		ground.outside = namespace_fd(getpid());
		ground.edge = namespace_fd(ground.holder);
		err = ground.outside < 0 ? ground.outside : ground.edge < 0 ? ground.edge : 0;
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
	if (ground->holder > 0) {
		kill(ground->holder, SIGKILL);
		waitpid(ground->holder, NULL, 0);
	}
	if (ground->outside >= 0)
		close(ground->outside);
	if (ground->edge >= 0)
		close(ground->edge);
}

int ground_enter_edge(const struct ground *ground)
{
	return setns(ground->edge, CLONE_NEWNET) ? -errno : 0;
}

void ground_leave_edge(const struct ground *ground)
{
	if (setns(ground->outside, CLONE_NEWNET))
		abort(); /* all that follows would happen in the wrong place */
}
