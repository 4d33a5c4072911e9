/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Namespaces of the containers. The kernel tells the id of the one at a veth's other end, but
 * gives no way in: that is searched among names and processes, once for all containers, and what
 * was found is kept. A place that is kept may be another namespace by the time it is used (a
 * process id comes again), so every one is asked for its id again after it was opened. */
#include "lb/watch/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK)

static const char *const named[] = { "/run/netns", "/run/docker/netns" };

static void take_nsid(struct nlmsghdr *message, void *arg)
{
	struct nlattr *attributes[NETNSA_MAX + 1];
	int *nsid = arg;

	if (message->nlmsg_type == RTM_NEWNSID &&
	    !nlmsg_parse(message, sizeof(struct rtgenmsg), attributes, NETNSA_MAX, NULL) &&
	    attributes[NETNSA_NSID])
		*nsid = nla_get_s32(attributes[NETNSA_NSID]);
}

/* Its id here, or -1: it has none, or the descriptor is not a network namespace. */
static int nsid_of(struct net *net, int netns_fd)
{
	const struct rtgenmsg header = { .rtgen_family = AF_UNSPEC };
	struct nl_msg *request = ask_new(RTM_GETNSID, 0, &header, sizeof(header));
	int nsid = NETNSA_NSID_NOT_ASSIGNED;

	nla_put_u32(request, NETNSA_FD, (uint32_t)netns_fd);
	return ask(net->route, request, take_nsid, &nsid) ? NETNSA_NSID_NOT_ASSIGNED : nsid;
}

/* Whether we were kept from looking. */
static bool denied(int err)
{
	return err == EACCES || err == EPERM;
}

static bool place_known(const struct net *net, const struct stat *status)
{
	for (size_t i = 0; i < net->place_count; i++)
		if (net->places[i].dev == status->st_dev && net->places[i].ino == status->st_ino)
			return true;
	return false;
}

/* Keeps the path if it enters a namespace that has none yet. Most processes share a few, so
 * stat() alone settles nearly all of them. Returns false if it may not be looked at. */
static bool consider(struct net *net, const char *path)
{
	struct netns_place place = { 0 };
	struct stat status;
	int fd;

	if (stat(path, &status))
		return !denied(errno);
	if (!S_ISREG(status.st_mode) || place_known(net, &status))
		return true;
	fd = open(path, OPEN_FLAGS);
	if (fd < 0)
		return !denied(errno);

	place.dev = status.st_dev;
	place.ino = status.st_ino;
	place.nsid = nsid_of(net, fd);
	snprintf(place.path, sizeof(place.path), "%s", path);
	net->places = net_room(net->places, net->place_count, sizeof(place));
	net->places[net->place_count++] = place;
	close(fd);
	return true;
}

/* Considers directory/NAME + suffix for every name that begins with a letter of `first`, any if
 * empty. A name that does not fit is passed over: its processes are found under /proc. */
static bool consider_all(struct net *net, const char *directory, const char *first,
			 const char *suffix)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;
	bool complete = true;

	if (!dir)
		return !denied(errno);
	while ((entry = readdir(dir))) {
		char path[NETNS_PATH_MAX];
		int len;

		if (entry->d_name[0] == '.' || (*first && !strchr(first, entry->d_name[0])))
			continue;
		len = snprintf(path, sizeof(path), "%s/%s%s", directory, entry->d_name, suffix);
		if (len < (int)sizeof(path))
			complete &= consider(net, path);
	}
	closedir(dir);
	return complete;
}

static bool search(struct net *net)
{
	bool complete = true;

	free(net->places);
	net->places = NULL;
	net->place_count = 0;
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		complete &= consider_all(net, named[i], "", "");
	complete &= consider_all(net, "/proc", "123456789", "/ns/net");
	return complete;
}

static int open_place(struct net *net, int nsid, char *ret_path)
{
	for (size_t i = 0; i < net->place_count; i++) {
		const struct netns_place *place = &net->places[i];
		int fd;

		if (place->nsid != nsid)
			continue;
		fd = open(place->path, OPEN_FLAGS);
		if (fd < 0)
			continue;
		if (nsid_of(net, fd) == nsid) {
			memcpy(ret_path, place->path, sizeof(place->path));
			return fd;
		}
		close(fd);
	}
	return -1;
}

int netns_open(struct net *net, int nsid, int *ret_fd, char ret_path[NETNS_PATH_MAX])
{
	int fd = open_place(net, nsid, ret_path);
	bool complete = true;

	if (fd < 0) {
		complete = search(net);
		fd = open_place(net, nsid, ret_path);
	}
	if (fd < 0)
		return complete ? -ENOENT : -EPERM;
	*ret_fd = fd;
	return 0;
}

int netns_socket(int netns_fd, int domain, int type, int protocol, int *ret_fd)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd, err = 0;

	if (home < 0)
		return -errno;
	if (setns(netns_fd, CLONE_NEWNET)) {
		err = -errno;
		close(home);
		return err;
	}
	fd = socket(domain, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		err = -errno;
	if (setns(home, CLONE_NEWNET))
		abort(); /* all that follows would be done to a container's network */
	close(home);
	if (!err)
		*ret_fd = fd;
	return err;
}
