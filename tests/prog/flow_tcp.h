/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of TCP's flows say and find: each fails the test where it stands. */
#ifndef TESTS_PROG_FLOW_TCP_H
#define TESTS_PROG_FLOW_TCP_H

#include "tests/prog/flow_world.h"

/* All of it is received when this returns. */
void flow_bytes_send(int from, int to, size_t bytes);
void flow_end_read(int fd); /* the other end has said all */
/* The first one says no more, the second so many bytes, and no more either. */
void flow_half_close(int first, int second, size_t bytes);
void flow_reset_close(int *fd); /* SO_LINGER of 0; *fd is -1 */
void flow_error_read(int fd, int expected); /* waits for it */

struct flow_record flow_ended(struct flow_world *world, uint64_t cookie); /* once it is */
struct flow_record flow_living(struct flow_world *world, uint64_t cookie);
void assert_flow_bytes(const struct flow_record *record, uint64_t in, uint64_t out);
uint16_t flow_port(int fd);

#endif
