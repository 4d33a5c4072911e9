/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One attempt to reach somebody, and the ways in which a process can try. An attempt takes three
 * steps, each of which policy may refuse: a socket, a connection, an answer to what was said. */
#ifndef TESTS_NET_REACH_H
#define TESTS_NET_REACH_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define MARK	  "reach-"	/* every text begins with it, so that the server knows ours */
#define TEXT_MAX  64
#define FRAME_MAX 2048

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(*(array)))

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

enum step { STEP_SOCKET, STEP_CONNECT, STEP_ANSWER };

struct attempt {
	const struct way *way;
	union address to;
	union address from;	/* its family is 0 where nobody asked for a source */
	int device;		/* for packet sockets: index of the link, and the neighbour on it */
	unsigned char mac[6];
	long timeout_ms;
	char text[TEXT_MAX];	/* what is said; another one each time */
	int fd;
	int answer_fd;		/* where an answer to headers of ours comes, or -1: at fd */
	const char *fact;	/* what the way tells besides, or NULL */
	int fact_value;
};

/* How to try. Each step returns 0 or -errno; a way may do without any but the first. */
struct way {
	const char *name;
	int type, protocol;
	int (*open)(struct attempt *attempt);
	int (*connect)(struct attempt *attempt);
	int (*answer)(struct attempt *attempt);
	int option;		/* what sets it apart from others by the same functions */
};

/* NULL if there is none of that name. */
const struct way *socket_way(const char *name);
const struct way *header_way(const char *name);
const struct way *uring_way(const char *name);

/* A socket of the way's kind, bound if a source is wanted; waits no longer than the timeout. */
int socket_open(struct attempt *attempt);
int socket_open_as(struct attempt *attempt, int family, int type, int protocol, int *ret_fd);
int socket_bind(int fd, const union address *from);

/* One's complement sum of bytes, in wire order as they are; what a header says of a whole sum. */
uint32_t sum_add(uint32_t sum, const void *from, size_t size);
uint16_t sum_fold(uint32_t sum);

/* -errno of the call that just failed; where only our patience ended, -ETIMEDOUT. */
int failure(void);

/* Reads until something holds the text. 0 or -errno. */
int text_await(int fd, const char *text);

socklen_t address_size(const union address *address);

/* Such as 192.0.2.1, ::ffff:192.0.2.1, fe80::1%eth0. 0 or -EINVAL. */
int address_parse(const char *text, int port, union address *ret_address);

/* Passes a descriptor to whoever waits at this path; waits there for one. 0 or -errno. */
int descriptor_give(const char *path, int fd, long timeout_ms);
int descriptor_take(const char *path, long timeout_ms, int *ret_fd);

/* Answers whatever comes to that port until it is ended. The exit status. */
int serve(int port, int protocol);

#endif
