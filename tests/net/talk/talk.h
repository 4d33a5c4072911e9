/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections and datagrams of which both ends know to the byte what they sent and received, and
 * how it ended. A client asks for what is to happen in the first bytes of a connection, and of each
 * datagram. Each end tells of each flow in one line of its own output:
 *
 *	PROTOCOL LOCAL REMOTE SENT RECEIVED DATAGRAMS_SENT DATAGRAMS_RECEIVED END
 *
 * bytes of payload, requests included; END is what the kernel should call it at that end. */
#ifndef TALK_H
#define TALK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum talk_kind {		/* of a connection: who ends it, and how */
	TALK_SERVER_CLOSES,	/* once it has answered */
	TALK_CLIENT_CLOSES,	/* once it has the answer */
	TALK_CLIENT_HALF,	/* it shuts its half down, and then reads the answer to the end */
	TALK_SERVER_HALF,	/* it answers and shuts its half down, and then reads to the end */
	TALK_CLIENT_RESETS,
	TALK_SERVER_RESETS,
	TALK_SERVER_UNREAD,	/* it closes while all that came lies there, which is a reset too */
	TALK_KINDS,
};

struct talk_request {		/* in network order; then `up` bytes come */
	uint32_t kind, up, down;
};

struct talk_datagram {		/* the first bytes of a datagram */
	uint16_t answer;	/* bytes of the one that answers it */
};

#define TALK_DATAGRAM_MAX 1400

struct talk_flow {
	const char *protocol, *end;
	struct sockaddr_in6 local, remote; /* IPv4 is mapped */
	uint64_t sent, received, datagrams_sent, datagrams_received;
};
void talk_tell(const struct talk_flow *flow);

/* Ends the program with a sentence. */
void talk_fail(const char *what) __attribute__((noreturn));

/* Of a socket, which is connected. */
void talk_ends(int fd, struct talk_flow *ret_flow);

/* All of it, or the program ends. */
void talk_send(int fd, uint64_t bytes, struct talk_flow *flow);
void talk_receive(int fd, uint64_t bytes, struct talk_flow *flow);
void talk_receive_end(int fd, struct talk_flow *flow); /* whatever comes, up to the end */
void talk_receive_reset(int fd);

/* Closes it by a reset. */
void talk_reset(int fd);

int talk_serve(uint16_t port);	/* serve.c */

struct talk_plan {
	struct sockaddr_in6 to;	/* an IPv4 one is mapped */
	unsigned int tcp, udp;	/* connections; flows of datagrams */
	uint16_t refused_port;	/* where nobody listens, for one more in ten; 0: none of those */
	unsigned int seed;
};
int talk_run(const struct talk_plan *plan); /* run.c */

/* Opens connections, says "held", and leaves them open until it is killed. */
int talk_hold(const struct sockaddr_in6 *to, unsigned int count, uint32_t bytes);

#endif
