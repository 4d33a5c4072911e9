/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways by io_uring, where not one system call names a socket: the kernel makes it, connects it,
 * sends and receives for us. With a thread of the kernel's that polls, or without. */
#include "tests/net/reach/reach.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES	     4
#define POLL_IDLE_MS 1000

static struct ring {
	int fd;
	unsigned int *submit_tail, *submit_mask, *submit_array;
	unsigned int *complete_head, *complete_tail, *complete_mask;
	struct io_uring_sqe *entries;
	struct io_uring_cqe *completions;
	unsigned int flags;
} ring;

static int ring_map(const struct io_uring_params *params)
{
	size_t submit = params->sq_off.array + params->sq_entries * sizeof(unsigned int);
	size_t complete = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	size_t size = submit > complete ? submit : complete;
	char *both = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
			  IORING_OFF_SQ_RING);
	void *entries = mmap(NULL, params->sq_entries * sizeof(struct io_uring_sqe),
			     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
			     IORING_OFF_SQES);

	if (both == MAP_FAILED || entries == MAP_FAILED)
		return -errno;
	ring.submit_tail = (unsigned int *)(both + params->sq_off.tail);
	ring.submit_mask = (unsigned int *)(both + params->sq_off.ring_mask);
	ring.submit_array = (unsigned int *)(both + params->sq_off.array);
	ring.complete_head = (unsigned int *)(both + params->cq_off.head);
	ring.complete_tail = (unsigned int *)(both + params->cq_off.tail);
	ring.complete_mask = (unsigned int *)(both + params->cq_off.ring_mask);
	ring.completions = (struct io_uring_cqe *)(both + params->cq_off.cqes);
	ring.entries = entries;
	return 0;
}

static int ring_open(unsigned int flags)
{
	struct io_uring_params params = { .flags = flags, .sq_thread_idle = POLL_IDLE_MS };

	ring.fd = syscall(SYS_io_uring_setup, ENTRIES, &params);
	if (ring.fd < 0)
		return -errno;
	ring.flags = flags;
	return ring_map(&params);
}

/* Hands in one operation and waits for its end: what the call would have returned, or -errno. */
static int ring_run(const struct io_uring_sqe *operation, long timeout_ms)
{
	struct __kernel_timespec time = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
	struct io_uring_getevents_arg wait = { .ts = (uintptr_t)&time };
	unsigned int tail = *ring.submit_tail, at = tail & *ring.submit_mask;
	unsigned int head = *ring.complete_head;
	unsigned int flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;

	if (ring.flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	ring.entries[at] = *operation;
	ring.submit_array[at] = at;
	__atomic_store_n(ring.submit_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, flags, &wait, sizeof(wait)) < 0 &&
	    errno != ETIME)
		return -errno;
	if (__atomic_load_n(ring.complete_tail, __ATOMIC_ACQUIRE) == head)
		return -ETIMEDOUT;
	at = head & *ring.complete_mask;
	__atomic_store_n(ring.complete_head, head + 1, __ATOMIC_RELEASE);
	return ring.completions[at].res;
}

static int uring_open(struct attempt *attempt)
{
	struct io_uring_sqe operation = { .opcode = IORING_OP_SOCKET,
					  .fd = attempt->to.any.sa_family,
					  .off = attempt->way->type,
					  .len = attempt->way->protocol };
	int result = ring_open(attempt->way->option);

	if (result)
		return result;
	result = ring_run(&operation, attempt->timeout_ms);
	if (result < 0)
		return result;
	attempt->fd = result;
	return socket_bind(attempt->fd, &attempt->from);
}

static int uring_connect(struct attempt *attempt)
{
	struct io_uring_sqe operation = { .opcode = IORING_OP_CONNECT, .fd = attempt->fd,
					  .addr = (uintptr_t)&attempt->to,
					  .off = address_size(&attempt->to) };

	return ring_run(&operation, attempt->timeout_ms);
}

static int uring_answer(struct attempt *attempt)
{
	char answer[TEXT_MAX];
	size_t size = strlen(attempt->text);
	struct io_uring_sqe operation = { .opcode = IORING_OP_SEND, .fd = attempt->fd,
					  .addr = (uintptr_t)attempt->text, .len = size,
					  .msg_flags = MSG_NOSIGNAL };
	int result = ring_run(&operation, attempt->timeout_ms);

	if (result < 0)
		return result;
	operation.opcode = IORING_OP_RECV;
	operation.addr = (uintptr_t)answer;
	operation.msg_flags = MSG_WAITALL;
	result = ring_run(&operation, attempt->timeout_ms);
	if (result < 0)
		return result;
	return result == (int)size && !memcmp(answer, attempt->text, size) ? 0 : -EBADMSG;
}

/* The last: flags of the ring. */
static const struct way ways[] = {
	{ "uring", SOCK_STREAM, IPPROTO_TCP, uring_open, uring_connect, uring_answer, 0 },
	{ "uring_poll", SOCK_STREAM, IPPROTO_TCP, uring_open, uring_connect, uring_answer,
	  IORING_SETUP_SQPOLL },
};

const struct way *uring_way(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	return NULL;
}
