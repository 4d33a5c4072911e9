/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which flows are asked for: from the words of a command line to the daemon's query. Pure. */
#ifndef LB_CTL_FLOW_QUERY_H
#define LB_CTL_FLOW_QUERY_H

#include <stdint.h>

#include "config/diag.h"

struct flow_query {
	const char *container, *peer;	/* NULL: all */
	uint16_t port;			/* of either end; 0: all */
	uint64_t since_s;		/* those too that ended in so many seconds; 0: live ones */
};

/* Each reads what stands behind its option. Returns 0, or -EINVAL with a sentence. */
int since_parse(const char *text, uint64_t *ret_seconds, struct diag *diag); /* rounded up */
int port_parse(const char *text, uint16_t *ret_port, struct diag *diag);
/* An address, a prefix, or the name of a node; what looks like one of the first two must be it. */
int peer_check(const char *text, struct diag *diag);

/* "/v1/flows?container=...&since=..."; the caller frees it. */
char *flow_query_path(const struct flow_query *query);

#endif
