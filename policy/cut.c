/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/cut.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "policy/lineage.h"
#include "policy/sock_diag.h"

#define LIVE_STATES                                                                               \
	(1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT | 1 << TCP_SYN_RECV | 1 << TCP_FIN_WAIT1 |     \
	 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK | 1 << TCP_CLOSING)
#define LISTENING	(1 << TCP_LISTEN)
#define DATAGRAMS	(1 << TCP_ESTABLISHED | 1 << TCP_CLOSE)

struct refused {
	struct sock sock;
	uint64_t known;
	uint32_t verdict;
	bool initiates;
};

struct cutting {
	const struct policy_kernel *kernel;
	const struct policy_tables *tables;
	struct lineages lineages;
	int memory, flows;		/* fds of policy_socket and policy_flows */
	policy_event_function *tell;
	void *context;
	struct policy_cut *result;
	struct place {
		dev_t dev;
		ino_t ino;
		int fd;
	} *places;			/* network namespaces */
	size_t place_count;

	/* of the namespace that is looked into */
	uint64_t cookie;
	uint64_t listened[65536 / 64];	/* TCP ports; of UDP, those of unconnected sockets */
	struct refused *refused;
	size_t refused_count;
	int err;
};

/* ---- namespaces ------------------------------------------------------------------------------ */

static void place_add(struct cutting *cutting, const char *path)
{
	struct place *larger, place = { .fd = -1 };
	struct stat status;

	if (cutting->err || stat(path, &status)) {
		cutting->result->missed += !cutting->err && errno != ENOENT && errno != ESRCH;
		return;
	}
	for (size_t i = 0; i < cutting->place_count; i++)
		if (cutting->places[i].dev == status.st_dev &&
		    cutting->places[i].ino == status.st_ino)
			return;
	place.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (place.fd < 0) {
		cutting->result->missed++;
		return;
	}
	place.dev = status.st_dev;
	place.ino = status.st_ino;
	larger = realloc(cutting->places, (cutting->place_count + 1) * sizeof(place));
	if (!larger) {
		close(place.fd);
		cutting->err = -ENOMEM;
		return;
	}
	cutting->places = larger;
	cutting->places[cutting->place_count++] = place;
}

/* Ours, those that are named, and those of the processes. */
static int places_find(struct cutting *cutting, const struct subjects *subjects)
{
	char path[4096];

	place_add(cutting, "/proc/thread-self/ns/net");
	for (size_t i = 0; i < subjects->count; i++) {
		const char *name = subjects->list[i].netns;

		if (!name)
			continue;
		snprintf(path, sizeof(path), "%s%s", *name == '/' ? "" : "/run/netns/", name);
		place_add(cutting, path);
	}
	for (size_t i = 0; i < cutting->lineages.process_count; i++) {
		snprintf(path, sizeof(path), "/proc/%d/ns/net", cutting->lineages.processes[i]);
		place_add(cutting, path);
	}
	return cutting->err;
}

/* ---- judging --------------------------------------------------------------------------------- */

static void port_listen(const struct sock *sock, void *context)
{
	struct cutting *cutting = context;

	if (sock->state != TCP_ESTABLISHED)
		cutting->listened[sock->local.port / 64] |= 1ULL << sock->local.port % 64;
}

static bool is_listened(const struct cutting *cutting, uint16_t port)
{
	return cutting->listened[port / 64] >> port % 64 & 1;
}

/* Who sent first, if the programs saw it. */
static int flow_direction(const struct cutting *cutting, const struct sock *sock)
{
	struct policy_flow_key key = {
		.netns = (uint32_t)cutting->cookie, .protocol = sock->protocol,
		.local_port = sock->local.port, .remote_port = sock->remote.port,
	};
	struct policy_flow flow;

	memcpy(key.local, sock->local.addr.byte, sizeof(key.local));
	memcpy(key.remote, sock->remote.addr.byte, sizeof(key.remote));
	if (cutting->flows < 0 || bpf_map_lookup_elem(cutting->flows, &key, &flow))
		return POLICY_UNKNOWN;
	return flow.direction;
}

static bool sock_initiates(const struct cutting *cutting, const struct sock *sock)
{
	int direction = sock->protocol == IPPROTO_TCP ? sock->memory.direction
						      : flow_direction(cutting, sock);

	if (direction == POLICY_UNKNOWN)
		return !is_listened(cutting, sock->local.port);
	return direction == POLICY_INITIATES;
}

static void refused_add(struct cutting *cutting, const struct refused *refused)
{
	size_t count = cutting->refused_count;

	if (!(count & (count - 1))) { /* grows at each power of two */
		struct refused *larger = realloc(cutting->refused,
						 (count ? 2 * count : 1) * sizeof(*larger));

		if (!larger) {
			cutting->err = -ENOMEM;
			return;
		}
		cutting->refused = larger;
	}
	cutting->refused[cutting->refused_count++] = *refused;
}

static void sock_judge(const struct sock *sock, void *context)
{
	struct cutting *cutting = context;
	struct lineage lineage = lineage_of(&cutting->lineages, sock->cgroup);
	struct policy_question question = {
		.cgroup = lineage.known, .cookie = cutting->cookie,
		.below_parent = lineage.below_parent, .protocol = sock->protocol,
		.local = sock->local.addr, .remote = sock->remote.addr,
	};
	struct refused refused = { .sock = *sock, .known = lineage.known };

	if (cutting->err || (sock->protocol == IPPROTO_UDP && sock->state != TCP_ESTABLISHED))
		return;
	question.initiates = refused.initiates = sock_initiates(cutting, sock);
	question.port = refused.initiates ? sock->remote.port : sock->local.port;
	refused.verdict = policy_decide(cutting->tables, &question);
	cutting->result->judged++;
	if (POLICY_VERDICT_ACTION(refused.verdict) != POLICY_ALLOW &&
	    !(refused.verdict & POLICY_VERDICT_AUDIT))
		refused_add(cutting, &refused);
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void cut_tell(const struct cutting *cutting, const struct refused *refused,
		     uint64_t untold)
{
	const struct sock *sock = &refused->sock;
	struct policy_event event = {
		.cgroup = refused->known ? refused->known : sock->cgroup,
		.current = policy_kernel_current(cutting->kernel), .untold = untold,
		.netns = (uint32_t)cutting->cookie, .verdict = refused->verdict,
		.local_port = sock->local.port, .remote_port = sock->remote.port,
		.set = sock->memory.set, .protocol = sock->protocol,
		.direction = refused->initiates ? POLICY_INITIATES : POLICY_RESPONDS,
		.hook = POLICY_HOOK_CUT,
	};
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	event.ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	memcpy(event.local, sock->local.addr.byte, sizeof(event.local));
	memcpy(event.remote, sock->remote.addr.byte, sizeof(event.remote));
	if (cutting->tell)
		cutting->tell(&event, cutting->context);
}

/* As many of a rule as the programs would in a second; the last of them says how many more. */
static int ended_tell(const struct cutting *cutting, const bool *ended)
{
	struct { uint32_t ended, told; } *rules = calloc(POLICY_RULES, sizeof(*rules));

	if (!rules)
		return -ENOMEM;
	for (size_t i = 0; i < cutting->refused_count; i++)
		rules[POLICY_VERDICT_RULE(cutting->refused[i].verdict) % POLICY_RULES].ended +=
			ended[i];
	for (size_t i = 0; i < cutting->refused_count; i++) {
		uint32_t rule = POLICY_VERDICT_RULE(cutting->refused[i].verdict) % POLICY_RULES;

		if (!ended[i] || rules[rule].told == POLICY_EVENTS_A_SECOND)
			continue;
		rules[rule].told++;
		cut_tell(cutting, &cutting->refused[i],
			 rules[rule].told == POLICY_EVENTS_A_SECOND
				 ? rules[rule].ended - POLICY_EVENTS_A_SECOND : 0);
	}
	free(rules);
	return 0;
}

static int refused_end(struct cutting *cutting, int fd)
{
	size_t count = cutting->refused_count;
	struct sock *list = calloc(count + 1, sizeof(*list));
	bool *ended = calloc(count + 1, sizeof(*ended));
	int err = list && ended ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count; i++)
		list[i] = cutting->refused[i].sock;
	if (!err)
		err = sock_diag_end(fd, list, count, ended);
	for (size_t i = 0; !err && i < count; i++) {
		cutting->result->cut += ended[i];
		cutting->result->kept += !ended[i];
	}
	if (!err)
		err = ended_tell(cutting, ended);
	free(list);
	free(ended);
	return err;
}

static int protocol_list(struct cutting *cutting, int fd, uint8_t protocol, uint32_t states,
			 void (*visit)(const struct sock *sock, void *context), int memory)
{
	int err = sock_diag_list(fd, protocol, states, memory, visit, cutting);

	/* An older kernel, or one that may not be asked, tells sockets without memories; one
	 * without this protocol's sockets tells none. */
	if (err && err != -ENOENT && memory >= 0)
		err = sock_diag_list(fd, protocol, states, -1, visit, cutting);
	return err == -ENOENT ? 0 : err ? err : cutting->err;
}

static int place_cut(struct cutting *cutting, int netns_fd)
{
	int fd, err = sock_diag_open(netns_fd, &fd, &cutting->cookie);

	if (err)
		return err;
	cutting->refused_count = 0;
	memset(cutting->listened, 0, sizeof(cutting->listened));
	err = protocol_list(cutting, fd, IPPROTO_TCP, LISTENING, port_listen, -1);
	if (!err)
		err = protocol_list(cutting, fd, IPPROTO_TCP, LIVE_STATES, sock_judge,
				    cutting->memory);
	memset(cutting->listened, 0, sizeof(cutting->listened));
	if (!err)
		err = protocol_list(cutting, fd, IPPROTO_UDP, DATAGRAMS, port_listen, -1);
	if (!err)
		err = protocol_list(cutting, fd, IPPROTO_UDP, DATAGRAMS, sock_judge, -1);
	if (!err)
		err = refused_end(cutting, fd);
	close(fd);
	return err;
}

int policy_cut(const struct policy_kernel *kernel, const struct policy_tables *tables,
	       const struct subjects *subjects, policy_event_function *tell, void *context,
	       struct policy_cut *ret_cut, struct diag *diag)
{
	struct policy_cut result = { 0 };
	struct cutting cutting = {
		.kernel = kernel, .tables = tables, .tell = tell, .context = context,
		.result = &result, .memory = policy_kernel_map(kernel, "policy_socket"),
		.flows = policy_kernel_map(kernel, "policy_flows"),
	};
	int err = 0;

	if (!policy_kernel_audit(kernel)) {
		err = lineages_read(tables, &cutting.lineages);
		if (!err)
			err = places_find(&cutting, subjects);
	}
	for (size_t i = 0; !err && i < cutting.place_count; i++) {
		int one = place_cut(&cutting, cutting.places[i].fd);

		result.namespaces += !one;
		result.missed += one == -EPERM || one == -EINVAL;
		err = one == -EPERM || one == -EINVAL ? 0 : one;
	}
	for (size_t i = 0; i < cutting.place_count; i++)
		close(cutting.places[i].fd);
	free(cutting.places);
	free(cutting.refused);
	lineages_clear(&cutting.lineages);
	if (err)
		diag_add(diag, NULL, 0, "policy: live connections cannot be cut: %s%s",
			 strerror(-err),
			 err == -EOPNOTSUPP ? " (a kernel without INET_DIAG_DESTROY)" : "");
	else
		*ret_cut = result;
	return err;
}
