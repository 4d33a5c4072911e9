/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to lbd over its socket, split at the moment from which on a change is timed. */
#ifndef BENCH_CONTROL_API_H
#define BENCH_CONTROL_API_H

#include "config/diag.h"

/* Sends POST `path` with a JSON body. Returns the fd on which the answer comes, or -errno. */
int api_post(const char *path, const char *body);

/* Waits for the answer and closes fd. Returns 0, or -EREMOTEIO with what lbd said in diag. */
int api_finish(int fd, struct diag *diag);

#endif
