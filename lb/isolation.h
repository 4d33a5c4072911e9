/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's part of isolation: it finds the subjects (policy/who.h), compiles the policy for
 * them (policy/compile.h) and has the kernel judge by it (policy/kernel.h), again whenever a
 * container, a cgroup or a namespace comes or goes. Programs and tables outlive the daemon. */
#ifndef LB_ISOLATION_H
#define LB_ISOLATION_H

#include <json-c/json.h>
#include <stdio.h>

#include "lb/manager.h"

/* Without a policy in the config nothing is opened. Returns 0 or -ENOMEM. */
int isolation_open(struct manager *manager, struct isolation **ret_isolation);
void isolation_close(struct isolation *isolation); /* all goes on judging; NULL is fine */

/* Judges by this config's policy from now on, or by none: then nothing of isolation stays in the
 * kernel. Live connections that it forbids are cut by isolation_cut(), once the config is in use.
 * `config` must live until the next call. Returns 0, or -errno with sentences: all is as before. */
int isolation_apply(struct isolation *isolation, const struct config *config, struct diag *diag);
void isolation_cut(struct isolation *isolation);

/* What isolation_apply() would change: a sentence that the caller frees, NULL for nothing. Returns
 * 0, or -errno with sentences where it would refuse the policy. Nothing is done. */
int isolation_plan(struct isolation *isolation, const struct config *config, char **ret_text,
		   struct diag *diag);

/* Containers or the network have changed: soon, once for all that happens until then. */
void isolation_wake(struct isolation *isolation);

/* What no event tells is looked at: addresses of namespaces, programs that somebody took away. */
void isolation_recheck(struct isolation *isolation);

/* Whether the policy names containers: then the manager keeps a connection to the runtime. */
bool isolation_wants_runtime(const struct config *config);

/* Break-glass, kept until it is taken back. -ENOENT: there is no policy. */
int isolation_set_audit(struct isolation *isolation, bool audit, struct diag *diag);

/* Detaches all and removes the pins. */
int isolation_unload(struct isolation *isolation, struct diag *diag);

/* "front+batch": the groups of whoever is in the first of these cgroups that is in any (the own one
 * first, then what is above it), or in that namespace (its cookie; 0: not known). NULL: none.
 * Valid until the loop runs again. */
const char *isolation_groups(const struct isolation *isolation, const uint64_t *cgroups,
			     size_t count, uint64_t netns);

/* lb/isolation_show.c: for show and metrics; NULL, nothing without a policy. `seen`: the flows that
 * were judged, for "policy suggest". The caller puts the object. */
struct json_object *isolation_json(struct isolation *isolation);
struct json_object *isolation_seen_json(struct isolation *isolation, uint64_t seconds);
void isolation_metrics(struct isolation *isolation, FILE *to);

#endif
