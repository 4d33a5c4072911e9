/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/prog/flow_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lb/watch/cgroup_fs.h"

static char home[CGROUP_PATH_MAX]; /* the cgroup that this process came from */

static void check(int err, const char *what)
{
	if (!err)
		return;
	perror(what);
	abort();
}

/* ---- cgroups and namespaces ------------------------------------------------------------------ */

static int home_find(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[CGROUP_PATH_MAX];
	int err = -1;

	while (file && err && fgets(line, sizeof(line), file))
		if (!strncmp(line, "0::", 3)) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(home, sizeof(home), "%s", line + 3);
			err = 0;
		}
	if (file)
		fclose(file);
	return err;
}

static int enter(const char *cgroup)
{
	char root[CGROUP_PATH_MAX], path[CGROUP_PATH_MAX + 16];
	int fd, err = cgroup_fs_path(cgroup, root);

	snprintf(path, sizeof(path), "%s/cgroup.procs", root);
	fd = err ? -1 : open(path, O_WRONLY | O_CLOEXEC);
	err = fd >= 0 && write(fd, "0", 1) == 1 ? 0 : -1;
	if (fd >= 0)
		close(fd);
	return err;
}

static int cgroup_make(const char *name)
{
	char path[CGROUP_PATH_MAX];

	return cgroup_fs_path(name, path) || mkdir(path, 0755) ? -1 : 0;
}

static void cgroup_remove(const char *name)
{
	char path[CGROUP_PATH_MAX];

	if (name[0] && !cgroup_fs_path(name, path))
		rmdir(path);
}

static int netns_make(uint64_t *ret_cookie)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	socklen_t size = sizeof(*ret_cookie);
	int fd, err;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, ""))
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	err = ioctl(fd, SIOCSIFFLAGS, &lo) ||
	      getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size);
	close(fd);
	return err ? -1 : 0;
}

int flow_world_make(struct flow_world *world)
{
	*world = (struct flow_world){ 0 };
	snprintf(world->pin, sizeof(world->pin), "/tmp/edgelb-test-flows-%d", getpid());
	snprintf(world->cgroup, sizeof(world->cgroup), "edgelb-test-flows-%d", getpid());
	snprintf(world->other, sizeof(world->other), "edgelb-test-flows-%d-not", getpid());
	if (home_find() || netns_make(&world->netns) || mkdir(world->pin, 0700) ||
	    mount("bpf", world->pin, "bpf", 0, NULL) || cgroup_make(world->cgroup) ||
	    cgroup_make(world->other) || cgroup_fs_id(world->cgroup, &world->cgroup_id)) {
		perror("the ground of flows");
		flow_world_unmake(world);
		return -1;
	}
	return 0;
}

void flow_world_unmake(struct flow_world *world)
{
	flow_world_close(world);
	if (home[0])
		enter(home);
	cgroup_remove(world->cgroup);
	cgroup_remove(world->other);
	umount(world->pin);
	rmdir(world->pin);
}

void flow_world_enter(const struct flow_world *world, bool seen)
{
	check(enter(seen ? world->cgroup : world->other), "cgroup");
}

/* ---- the programs ---------------------------------------------------------------------------- */

void flow_world_attach(struct flow_world *world, bool attached)
{
	const char *const cgroups[] = { world->cgroup };
	_cleanup_diag_ struct diag diag = { 0 };

	if (flow_kernel_attach(world->kernel, cgroups, attached, &diag)) {
		diag_print(&diag, stderr);
		abort();
	}
}

void flow_world_open(struct flow_world *world, size_t records)
{
	_cleanup_diag_ struct diag diag = { 0 };
	int err = flow_kernel_open(world->pin, records, &world->kernel, &diag);

	diag_print(&diag, stderr);
	if (err)
		abort();
	world->records = flow_kernel_records(world->kernel, &world->count);
	flow_world_attach(world, true);
}

void flow_world_close(struct flow_world *world)
{
	flow_kernel_close(world->kernel);
	world->kernel = NULL;
}

void flow_world_unload(struct flow_world *world)
{
	_cleanup_diag_ struct diag diag = { 0 };

	flow_world_close(world);
	check(flow_kernel_unload(world->pin, &diag), "unload");
}

int flow_world_up(struct flow_world *world, size_t records)
{
	if (flow_world_make(world))
		return -1;
	flow_world_open(world, records);
	flow_world_enter(world, true);
	return 0;
}

int flow_world_down(struct flow_world *world)
{
	flow_world_unload(world);
	flow_world_unmake(world);
	return 0;
}

int flow_world_gone(void **state)
{
	return flow_world_down(*state);
}

int flow_world_cleared(void **state)
{
	struct flow_sums sums = { 0 };

	flow_world_harvest(*state, true, &sums);
	return 0;
}

void flow_world_sample(struct flow_world *world)
{
	long met = flow_kernel_sample(world->kernel, &world->sample);

	errno = met < 0 ? (int)-met : 0;
	check(met < 0, "sample");
}

uint64_t flow_world_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	check(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), "SO_COOKIE");
	return cookie;
}

const struct flow_record *flow_world_of(struct flow_world *world, uint64_t cookie, uint16_t port)
{
	const struct flow_record *found = NULL;

	flow_world_sample(world);
	for (size_t i = 0; i < world->count; i++) {
		const struct flow *flow = &world->records[i].flow;

		if ((flow->life == FLOW_LIVE || flow->life == FLOW_ENDED) &&
		    flow->cookie == cookie && (!port || flow->remote_port == port) &&
		    (!found || flow->start_ns > found->flow.start_ns))
			found = &world->records[i];
	}
	return found;
}

size_t flow_world_living(const struct flow_world *world, enum flow_life life)
{
	size_t count = 0;

	for (size_t i = 0; i < world->count; i++)
		count += __atomic_load_n(&world->records[i].flow.life, __ATOMIC_ACQUIRE) == life;
	return count;
}

static void sums_add(struct flow_sums *sums, const struct flow_record *record)
{
	sums->flows++;
	sums->packets_in += record->flow.packets_in;
	sums->packets_out += record->flow.packets_out;
	sums->bytes_in += record->flow.bytes_in;
	sums->bytes_out += record->flow.bytes_out;
	for (int i = 0; i < FLOW_SIZES; i++) {
		sums->sizes_in += record->size_in[i];
		sums->sizes_out += record->size_out[i];
	}
}

void flow_world_harvest(struct flow_world *world, bool idle, struct flow_sums *sums)
{
	for (size_t i = 0; idle && i < world->count; i++) {
		const struct flow *flow = &world->records[i].flow;

		if (flow->life == FLOW_LIVE && flow->protocol != IPPROTO_TCP)
			flow_kernel_disown(world->kernel, i, FLOW_IDLE);
	}
	flow_world_sample(world);
	for (size_t i = 0; i < world->count; i++)
		if (__atomic_load_n(&world->records[i].flow.life, __ATOMIC_ACQUIRE) == FLOW_ENDED) {
			sums_add(sums, &world->records[i]);
			flow_kernel_free(world->kernel, i);
		}
	flow_world_sample(world);
}

void flow_world_lost(struct flow_world *world)
{
	flow_world_sample(world);
	flow_world_sample(world);
	for (size_t i = 0; i < world->count; i++) {
		const struct flow *flow = &world->records[i].flow;

		if (flow->life == FLOW_LIVE && flow->protocol == IPPROTO_TCP &&
		    flow->sampled + 1 < world->sample)
			flow_kernel_disown(world->kernel, i, FLOW_GONE);
	}
}

/* ---- sockets --------------------------------------------------------------------------------- */

static socklen_t loopback(int family, struct sockaddr_in6 *address)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;

	memset(address, 0, sizeof(*address));
	if (family == AF_INET) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*ipv4);
	}
	address->sin6_family = AF_INET6;
	address->sin6_addr = in6addr_loopback;
	return sizeof(*address);
}

static int bound(int family, int type, struct sockaddr_in6 *ret_address, socklen_t *ret_size)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	*ret_size = loopback(family, ret_address);
	check(fd < 0 || bind(fd, (struct sockaddr *)ret_address, *ret_size) ||
	      getsockname(fd, (struct sockaddr *)ret_address, ret_size), "a socket");
	return fd;
}

int flow_listen(int family, struct sockaddr_in6 *ret_address, socklen_t *ret_size)
{
	int fd = bound(family, SOCK_STREAM, ret_address, ret_size);

	check(listen(fd, 4096), "listen");
	return fd;
}

int flow_datagram(int family, struct sockaddr_in6 *ret_address, socklen_t *ret_size)
{
	return bound(family, SOCK_DGRAM, ret_address, ret_size);
}

struct flow_pair flow_connect(int family)
{
	struct sockaddr_in6 to;
	socklen_t size;
	struct flow_pair pair = { .listener = flow_listen(family, &to, &size) };

	pair.client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(connect(pair.client, (struct sockaddr *)&to, size), "connect");
	pair.server = accept4(pair.listener, NULL, NULL, SOCK_CLOEXEC);
	check(pair.server < 0, "accept");
	pair.client_cookie = flow_world_cookie(pair.client);
	pair.server_cookie = flow_world_cookie(pair.server);
	return pair;
}

void flow_pair_close(struct flow_pair *pair)
{
	close(pair->listener);
	if (pair->client >= 0)
		close(pair->client);
	if (pair->server >= 0)
		close(pair->server);
}
