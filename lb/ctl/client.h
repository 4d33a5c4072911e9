/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's HTTP API, from the outside: one request, one answer in JSON. */
#ifndef LB_CTL_CLIENT_H
#define LB_CTL_CLIENT_H

#include "config/diag.h"

struct json_object;

struct client {
	const char *socket;	/* path of the daemon's Unix socket */
	long timeout_ms;	/* for the whole exchange */
};

/* Sends `body` (NULL: none) to `path` ("/v1/show") and gives the answer, which the caller puts.
 * Returns 0; -ENOTCONN if nobody answers at the socket; -EREMOTEIO if the daemon refused, with
 * its own findings in diag; another -errno. On failure diag says why. */
int client_call(const struct client *client, const char *method, const char *path,
		struct json_object *body, struct json_object **ret_reply, struct diag *diag);

#endif
