/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backend of the TCP measurements: what listens in a container. A client says with the first
 * byte of its request what it wants, and closes the connection when it has had enough. */
#ifndef BENCH_TCP_SERVER_H
#define BENCH_TCP_SERVER_H

#include <stdatomic.h>
#include <stdint.h>

#define TCP_REQUEST_BYTES 64	/* of a request, and of an answer */
#define TCP_VIP_PORT	  80	/* the server listens here for who is not translated, */
#define TCP_PORT	  8080	/* and here */

enum tcp_wish {
	TCP_ANSWER = 'a',	/* an answer of TCP_REQUEST_BYTES */
	TCP_DOWNLOAD = 'd',	/* bytes without end */
	TCP_UPLOAD = 'u',	/* nothing: the client sends bytes without end */
};

/* Shared with the bench. */
struct tcp_served {
	_Atomic uint64_t received;	/* bytes, without requests for an answer */
};

/* A space_life; `data` is a struct tcp_served. */
void tcp_serve(int ready, void *data);

#endif
