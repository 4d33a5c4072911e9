/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground of the tests of flows: their programs at a cgroup of the test's own, in network and
 * mount namespaces of its own, so that what is pinned goes with the process. */
#ifndef TESTS_PROG_FLOW_WORLD_H
#define TESTS_PROG_FLOW_WORLD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/flows.h"

struct flow_world {
	struct flow_kernel *kernel;
	struct flow_record *records;
	size_t count;
	char pin[64], cgroup[64], other[64]; /* names below the root of cgroup v2 */
	uint64_t cgroup_id, netns;
	uint32_t sample;	/* number of the last one */
};

/* Into new namespaces, and the two cgroups; nothing is loaded. 0, or -1 with a sentence. */
int flow_world_make(struct flow_world *world);
void flow_world_unmake(struct flow_world *world);

/* Made, open, and this process in the cgroup that is seen; all of it gone again. 0, or -1. */
int flow_world_up(struct flow_world *world, size_t records);
int flow_world_down(struct flow_world *world);

/* The same as cmocka's fixtures, where the group's setup has made *state the world. After a test
 * flow_world_cleared() leaves no record of it. */
int flow_world_gone(void **state);
int flow_world_cleared(void **state);

/* Loads and attaches; with flow_world_close() all goes on. */
void flow_world_open(struct flow_world *world, size_t records);
void flow_world_close(struct flow_world *world);
void flow_world_attach(struct flow_world *world, bool attached);
void flow_world_unload(struct flow_world *world);

/* Into which cgroup sockets are born from now on: the one that is seen, or another. */
void flow_world_enter(const struct flow_world *world, bool seen);

/* The record of the socket's, sampled now; NULL: none. Of several (datagrams) that with the remote
 * port; 0: any. */
const struct flow_record *flow_world_of(struct flow_world *world, uint64_t cookie, uint16_t port);
uint64_t flow_world_cookie(int fd);
void flow_world_sample(struct flow_world *world);

/* Reads and frees all that have ended, and disowns what lives and is of datagrams if `idle`; waits
 * until they are free. */
struct flow_sums {
	uint64_t flows, packets_in, packets_out, bytes_in, bytes_out;
	uint64_t sizes_in, sizes_out;	/* messages of more than no bytes */
};
void flow_world_harvest(struct flow_world *world, bool idle, struct flow_sums *sums);
/* Disowns every TCP connection that two samples have not met. */
void flow_world_lost(struct flow_world *world);
size_t flow_world_living(const struct flow_world *world, enum flow_life life);

/* Sockets on loopback. */
struct flow_pair {
	int client, server, listener;
	uint64_t client_cookie, server_cookie;
};
int flow_listen(int family, struct sockaddr_in6 *ret_address, socklen_t *ret_size);
struct flow_pair flow_connect(int family);
void flow_pair_close(struct flow_pair *pair);
int flow_datagram(int family, struct sockaddr_in6 *ret_address, socklen_t *ret_size);

#endif
