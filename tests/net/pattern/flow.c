/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of one checked connection. It says one byte and counts as open once the server has
 * answered that with its ID: then both ends know of it, and whatever happens to it from there on
 * is somebody's fault. */
#include "tests/net/pattern/flow.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#define IN_FLIGHT_MAX 8192

/* ---- the tally ------------------------------------------------------------------------------ */

void tally_gap(struct tally *tally, uint64_t begin_ns, uint64_t end_ns)
{
	struct span *last = &tally->gap[tally->gaps ? tally->gaps - 1 : 0];

	if (end_ns - begin_ns < GAP_NS)
		return;
	/* They are told in the order of their ends. */
	if ((tally->gaps && begin_ns <= last->end_ns) || tally->gaps == GAPS_TOLD) {
		if (begin_ns < last->begin_ns)
			last->begin_ns = begin_ns;
		last->end_ns = end_ns;
		return;
	}
	tally->gap[tally->gaps++] = (struct span){ begin_ns, end_ns, 0 };
}

void tally_stall(struct tally *tally, const struct flow *flow, uint64_t now)
{
	uint64_t stall_ns = flow->waiting_ns ? now - flow->waiting_ns : 0;

	if (stall_ns > tally->longest_stall_ns)
		tally->longest_stall_ns = stall_ns;
	tally_gap(tally, now - stall_ns, now);
	if (stall_ns < STALL_NS)
		return;
	if (tally->stalls < STALLS_TOLD)
		tally->stall[tally->stalls] = (struct span){ flow->waiting_ns, now, flow->server };
	tally->stalls++;
}

static void tally_end_of_brief(struct tally *tally, const struct flow *flow, bool good)
{
	uint64_t took_ns = now_ns() - flow->begun_ns;

	if (!good) {
		tally->briefs_failed++;
		return;
	}
	tally->briefs++;
	tally->briefs_of[flow->server]++;
	if (took_ns > tally->longest_brief_ns)
		tally->longest_brief_ns = took_ns;
}

/* ---- the flow ------------------------------------------------------------------------------- */

static void flow_end(struct flow *flow)
{
	close(flow->fd);
	flow->state = FLOW_OVER;
	flow->waiting_ns = 0;
}

/* By a reset, or an end that nobody wanted. */
static void flow_lose(struct flow *flow, bool reset, struct tally *tally)
{
	if (flow->brief) {
		tally_end_of_brief(tally, flow, false);
		tally->briefs_reset += reset;
	} else if (flow->state != FLOW_OPEN) {
		tally->not_opened++;
	} else {
		tally_stall(tally, flow, now_ns());
		tally->lost_of[flow->server]++;
		tally->resets += reset;
		tally->closed += !reset;
	}
	flow_end(flow);
}

int flow_open(struct flow *flow, int epoll, const struct address *from, const struct address *to,
	      struct tally *tally)
{
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = flow };
	int one = 1;

	flow->fd = socket(to->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (flow->fd < 0)
		return -errno;
	flow->state = FLOW_CONNECTING;
	flow->begun_ns = now_ns();
	flow->sent = flow->received = flow->waiting_ns = 0;
	setsockopt(flow->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(flow->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (from->size && bind(flow->fd, (const struct sockaddr *)&from->storage, from->size))
		return -errno;
	if (connect(flow->fd, (const struct sockaddr *)&to->storage, to->size) &&
	    errno != EINPROGRESS) {
		flow_lose(flow, false, tally);
		return 0;
	}
	/* Before it is connected epoll would call it hung up; it is told once something is. */
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, flow->fd, &event))
		return -errno;
	return 0;
}

void flow_send(struct flow *flow, size_t size, struct tally *tally)
{
	unsigned char bytes[1024];
	ssize_t put;

	if (flow->state != FLOW_OPEN || flow->sent - flow->received > IN_FLIGHT_MAX)
		return;
	if (size > sizeof(bytes))
		size = sizeof(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern_byte(flow->stream, flow->sent + i);
	put = send(flow->fd, bytes, size, MSG_NOSIGNAL);
	if (put < 0) {
		if (errno != EAGAIN)
			flow_lose(flow, errno == ECONNRESET || errno == EPIPE, tally);
		return;
	}
	if (!flow->waiting_ns)
		flow->waiting_ns = now_ns();
	flow->sent += put;
}

static void flow_greeted(struct flow *flow, unsigned char server, struct tally *tally)
{
	flow->server = server;
	flow->state = FLOW_OPEN;
	if (flow->brief) {
		flow_send(flow, BRIEF_BYTES, tally);
		return;
	}
	tally->opened++;
	tally->flows_of[server]++;
}

static void flow_check(struct flow *flow, const unsigned char *bytes, size_t size,
		       struct tally *tally)
{
	uint64_t now = now_ns();

	for (size_t i = 0; i < size; i++)
		tally->wrong_bytes += bytes[i] != pattern_byte(flow->stream, flow->received + i) ||
				      flow->received + i >= flow->sent;
	flow->received += size;
	tally->bytes += size;
	if (!flow->brief)
		tally_stall(tally, flow, now);
	flow->waiting_ns = flow->received < flow->sent ? now : 0;
}

static void flow_connected(struct flow *flow, int epoll, struct tally *tally)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = flow };

	flow->state = FLOW_OPENING;
	if (send(flow->fd, "?", 1, MSG_NOSIGNAL) != 1)
		flow_lose(flow, errno == ECONNRESET || errno == ECONNREFUSED, tally);
	else
		epoll_ctl(epoll, EPOLL_CTL_MOD, flow->fd, &event);
}

void flow_event(struct flow *flow, int epoll, struct tally *tally)
{
	unsigned char bytes[4096], *at = bytes;
	ssize_t got;

	if (flow->state == FLOW_OVER)
		return;
	if (flow->state == FLOW_CONNECTING) {
		flow_connected(flow, epoll, tally);
		return;
	}
	got = read(flow->fd, bytes, sizeof(bytes));
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		flow_lose(flow, got < 0 && (errno == ECONNRESET || errno == ECONNREFUSED), tally);
		return;
	}
	if (flow->state == FLOW_OPENING) {
		flow_greeted(flow, *at++, tally);
		got--;
	}
	if (got && flow->state == FLOW_OPEN)
		flow_check(flow, at, got, tally);
	if (flow->brief && flow->state == FLOW_OPEN && flow->received >= BRIEF_BYTES) {
		tally_end_of_brief(tally, flow, true);
		flow_end(flow);
	}
}

void flow_expire(struct flow *flow, struct tally *tally)
{
	tally_end_of_brief(tally, flow, false);
	tally->briefs_late++;
	flow_end(flow);
}
