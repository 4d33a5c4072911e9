/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/policy_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/policy_rules.h"

#define PORT_NEAR	7000	/* UDP; the one after it is for those who come unasked */
#define PORT_FAR	7100
#define BATCH		256	/* datagrams, before as many come back: they fit into the queue */
#define QUEUE_BYTES	(4 << 20)
#define SERIALS		(RULES_PEER_NETS * 250)

enum { WORLD, DB, CUT, LISTENERS };

struct order {
	enum talk talk;
	unsigned int count;
};

struct answer {
	int err;
	double ns;
};

struct ends {
	enum lab_who who;
	int near, open;			/* UDP of the container: that asks, and that is asked */
	int far;			/* UDP of the world, with any address */
	int listeners[LISTENERS];
	int talking[2];			/* TALK_TCP: both ends */
	int *many;			/* TALK_OPEN: both ends of each */
	unsigned int many_count;
	uint32_t serial;		/* of new peers */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static int time_order(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

/* Of single calls: one in which somebody else had the CPU is not worth what it took. */
static double median(uint64_t *times, size_t count)
{
	size_t middle = count / 2;

	qsort(times, count, sizeof(*times), time_order);
	return (double)times[middle];
}

static struct sockaddr_in at(uint32_t address, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(address) };
}

/* ---- the ends -------------------------------------------------------------------------------- */

static int socket_bound(int type, uint32_t address, uint16_t port)
{
	struct sockaddr_in to = at(address, port);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	int one = 1, bytes = QUEUE_BYTES, err = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (type == SOCK_DGRAM &&
	     setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes))) ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    (type == SOCK_STREAM && listen(fd, 4096))) {
		err = -errno;
		close(fd);
	}
	return err ? err : fd;
}

static uint16_t port_of(const struct ends *ends, int listener)
{
	uint16_t base = listener == CUT ? RULES_PORT_CUT : RULES_PORT;

	/* Several talkers have a server in the world each. */
	return listener == DB ? base : (uint16_t)(base + 10 * ends->who);
}

/* Sockets belong to the cgroup and the namespace in which they were made. */
static int ends_make(const struct policy_lab *lab, struct ends *ends)
{
	int one = 1, err = lab_enter_space(&lab->far);

	if (!err) {
		ends->listeners[WORLD] = socket_bound(SOCK_STREAM, RULES_SERVER,
						      port_of(ends, WORLD));
		ends->listeners[CUT] = socket_bound(SOCK_STREAM, RULES_SERVER, port_of(ends, CUT));
		ends->far = socket_bound(SOCK_DGRAM, 0, PORT_FAR);
		err = setsockopt(ends->far, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) ? -errno : 0;
	}
	if (!err && ends->who == LAB_FRONT) {
		err = lab_enter_space(&lab->spaces[LAB_DB]);
		if (!err)
			err = lab_enter_cgroup(LAB_DB);
		if (!err)
			ends->listeners[DB] = socket_bound(SOCK_STREAM, 0, port_of(ends, DB));
	}
	if (!err)
		err = lab_enter_space(&lab->spaces[ends->who]);
	if (!err)
		err = lab_enter_cgroup(ends->who);
	if (err)
		return err;
	ends->near = socket_bound(SOCK_DGRAM, 0, PORT_NEAR);
	ends->open = socket_bound(SOCK_DGRAM, 0, PORT_NEAR + 1);
	for (int i = 0; i < LISTENERS; i++)
		if (ends->listeners[i] < 0)
			return ends->listeners[i];
	return ends->near < 0 ? ends->near : ends->open < 0 ? ends->open : 0;
}

/* ---- TCP ------------------------------------------------------------------------------------- */

/* *ret_ns grows by what connect() took. */
static int connection_make(const struct ends *ends, int listener, int pair[2], uint64_t *ret_ns)
{
	struct sockaddr_in to = at(listener == DB ? lab_address(LAB_DB) : RULES_SERVER,
				   port_of(ends, listener));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err;
	uint64_t began = now_ns();

	if (fd < 0)
		return -errno;
	err = connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : 0;
	*ret_ns += now_ns() - began;
	pair[0] = fd;
	pair[1] = err ? -1 : accept4(ends->listeners[listener], NULL, NULL, SOCK_CLOEXEC);
	if (!err && pair[1] < 0)
		err = -errno;
	if (err)
		close(fd);
	return err;
}

/* By a reset: no port has to rest. */
static void connection_end(const int pair[2])
{
	const struct linger reset = { .l_onoff = 1 };

	setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(pair[0]);
	close(pair[1]);
}

static int connects_do(const struct ends *ends, int listener, unsigned int count, double *ret_ns)
{
	uint64_t *times = calloc(count, sizeof(*times));
	int err = times ? 0 : -ENOMEM;

	for (unsigned int i = 0; !err && i < count; i++) {
		int pair[2] = { -1, -1 };

		err = connection_make(ends, listener, pair, &times[i]);
		if (!err)
			connection_end(pair);
	}
	*ret_ns = err ? 0 : median(times, count);
	free(times);
	return err;
}

static int tcp_do(struct ends *ends, unsigned int count)
{
	int *pair = ends->talking, one = 1, err = 0;
	uint64_t ns = 0;
	char byte = 0;

	if (pair[0] < 0) {
		err = connection_make(ends, WORLD, pair, &ns);
		for (int i = 0; !err && i < 2; i++)
			setsockopt(pair[i], SOL_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	for (unsigned int i = 0; !err && i < count; i++)
		if (write(pair[0], &byte, 1) != 1 || read(pair[1], &byte, 1) != 1 ||
		    write(pair[1], &byte, 1) != 1 || read(pair[0], &byte, 1) != 1)
			err = -errno;
	return err;
}

static void many_close(struct ends *ends)
{
	for (unsigned int i = 0; i < ends->many_count; i++)
		connection_end(&ends->many[(size_t)2 * i]);
	free(ends->many);
	ends->many = NULL;
	ends->many_count = 0;
}

static int many_open(struct ends *ends, unsigned int count)
{
	const struct rlimit files = { 2 * count + 64, 2 * count + 64 };
	uint64_t ns = 0;
	int err = setrlimit(RLIMIT_NOFILE, &files) ? -errno : 0;

	ends->many = calloc(count, 2 * sizeof(*ends->many));
	if (!ends->many)
		return -ENOMEM;
	while (!err && ends->many_count < count) {
		err = connection_make(ends, CUT, &ends->many[(size_t)2 * ends->many_count], &ns);
		ends->many_count += !err;
	}
	return err;
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static uint32_t peer(const struct ends *ends, enum talk talk, unsigned int number)
{
	uint32_t serial = ends->serial + number;

	if (talk == TALK_NEW)
		return RULES_PEERS + serial % RULES_PEER_NETS * 256 + 2 +
		       serial / RULES_PEER_NETS % 250;
	return RULES_PEERS + (talk == TALK_KNOWN ? number % TALK_PEERS : 0) * 256 + 1;
}

static int datagram_out(const struct ends *ends, uint32_t to_address)
{
	struct sockaddr_in to = at(to_address, PORT_FAR);

	return sendto(ends->near, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1 ? 0 : -errno;
}

/* As from that address. */
static int datagram_in(const struct ends *ends, uint32_t from, uint16_t port)
{
	struct sockaddr_in to = at(lab_address(ends->who), port);
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = "";
	struct iovec data = { "x", 1 };
	struct msghdr message = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(from) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	*head = (struct cmsghdr){ .cmsg_level = SOL_IP, .cmsg_type = IP_PKTINFO,
				  .cmsg_len = CMSG_LEN(sizeof(info)) };
	memcpy(CMSG_DATA(head), &info, sizeof(info));
	return sendmsg(ends->far, &message, 0) == 1 ? 0 : -errno;
}

/* All of them have come, or it was not them that were measured. */
static int queue_empty(int fd, unsigned int count)
{
	char byte;

	for (unsigned int i = 0; i < count; i++)
		if (recv(fd, &byte, 1, MSG_DONTWAIT) != 1)
			return -errno;
	return 0;
}

static int batch_do(struct ends *ends, enum talk talk, unsigned int first, unsigned int count)
{
	int asked = talk == TALK_NEW ? ends->open : ends->near, err = 0;
	uint16_t port = talk == TALK_NEW ? PORT_NEAR + 1 : PORT_NEAR;

	for (unsigned int i = 0; !err && i < count; i++)
		err = datagram_out(ends, peer(ends, talk, first + i));
	for (unsigned int i = 0; !err && i < count; i++)
		err = datagram_in(ends, peer(ends, talk, first + i), port);
	return err ? err : queue_empty(asked, count);
}

static int datagrams_do(struct ends *ends, enum talk talk, unsigned int count)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < count; i += BATCH)
		err = batch_do(ends, talk, i, count - i < BATCH ? count - i : BATCH);
	if (talk == TALK_NEW)
		ends->serial = (ends->serial + count) % SERIALS;
	return err;
}

static int sends_do(const struct ends *ends, unsigned int count, double *ret_ns)
{
	uint64_t *times = calloc(count, sizeof(*times));
	int err = times ? 0 : -ENOMEM;

	for (unsigned int i = 0; !err && i < count; i++) {
		uint64_t began = now_ns();

		err = datagram_out(ends, peer(ends, TALK_SEND, i));
		times[i] = now_ns() - began;
	}
	*ret_ns = err ? 0 : median(times, count);
	free(times);
	return err;
}

/* ---- the process ----------------------------------------------------------------------------- */

static int order_do(struct ends *ends, const struct order *order, double *ret_ns)
{
	switch (order->talk) {
	case TALK_TCP:
		return tcp_do(ends, order->count);
	case TALK_SEND:
		return sends_do(ends, order->count, ret_ns);
	case TALK_CONNECT:
		return connects_do(ends, WORLD, order->count, ret_ns);
	case TALK_CONNECT_DB:
		return connects_do(ends, DB, order->count, ret_ns);
	case TALK_OPEN:
		return many_open(ends, order->count);
	case TALK_CLOSE:
		many_close(ends);
		return 0;
	default:
		return datagrams_do(ends, order->talk, order->count);
	}
}

static void life(const struct policy_lab *lab, enum lab_who who, int fd)
{
	struct ends ends = { .who = who, .talking = { -1, -1 } };
	struct answer answer = { .err = ends_make(lab, &ends) };
	struct order order;

	while (write(fd, &answer, sizeof(answer)) == sizeof(answer) &&
	       read(fd, &order, sizeof(order)) == sizeof(order)) {
		answer = (struct answer){ 0 };
		answer.err = order_do(&ends, &order, &answer.ns);
	}
}

static int answer_read(const struct talker *talker, double *ret_ns)
{
	struct answer answer;

	if (read(talker->fd, &answer, sizeof(answer)) != sizeof(answer))
		return -EPIPE;
	*ret_ns = answer.ns;
	return answer.err;
}

int talker_start(const struct policy_lab *lab, enum lab_who who, struct talker *ret_talker)
{
	struct talker talker;
	int pair[2], err;
	double ns;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	talker = (struct talker){ .pid = fork(), .fd = pair[0] };
	if (!talker.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		life(lab, who, pair[1]);
		_exit(0);
	}
	close(pair[1]);
	err = talker.pid < 0 ? -EAGAIN : answer_read(&talker, &ns);
	if (err)
		talker_end(&talker);
	else
		*ret_talker = talker;
	return err;
}

void talker_end(struct talker *talker)
{
	if (talker->pid <= 0)
		return;
	close(talker->fd);
	kill(talker->pid, SIGKILL);
	waitpid(talker->pid, NULL, 0);
	talker->pid = 0;
}

int talker_do(const struct talker *talker, enum talk talk, unsigned int count, double *ret_ns)
{
	const struct order order = { talk, count };

	if (write(talker->fd, &order, sizeof(order)) != sizeof(order))
		return -EPIPE;
	return answer_read(talker, ret_ns);
}
