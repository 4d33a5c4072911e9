/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What world.c and daemon.c share. */
#ifndef TESTS_MODEL_DAEMON_H
#define TESTS_MODEL_DAEMON_H

#include "lb/model/state.h"
#include "tests/model/world.h"

#define VIP "203.0.113.10"
#define TCP_PORT 80
#define UDP_PORT 53

/* The wanted state of the members as they are now. */
struct state *daemon_desired(struct world *world, const struct state *actual);

__attribute__((noreturn)) void world_fail(const char *what, const struct diag *diag);

#endif
