/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Isolation in the kernel: its tables and programs, pinned under PIN/policy so that they outlive
 * the daemon. The only writer of those tables. The daemon compiles (policy/compile.h), applies a
 * generation here, and then attaches; whatever fails leaves the generation in use as it was.
 *
 * Functions return 0 or -errno with a sentence in diag. One thread calls them. */
#ifndef POLICY_KERNEL_H
#define POLICY_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diag.h"
#include "policy/compile.h"
#include "policy/policy_abi.h"

struct bpf_object;
struct policy_kernel;

/* Loads the programs over the tables under PIN/policy, or over new ones that are pinned there then.
 * Tables that were there go on with what was applied last; new ones judge nothing. `pin` itself is
 * a directory that exists (pin_dir_make(), lb/kernel/dataplane.h), and who holds its lock may call.
 * -EPROTO: tables of another layout, which stay as they are. */
int policy_kernel_open(const char *pin, struct policy_kernel **ret_kernel, struct diag *diag);
void policy_kernel_close(struct policy_kernel *kernel); /* all goes on judging; NULL is fine */

/* Detaches every program, the backstop in this network namespace included, and removes PIN/policy.
 * Needs no daemon; one that has it open closes it first. 0 also where nothing is. */
int policy_unload(const char *pin, struct diag *diag);

/* Whether something of isolation stands under `pin`. */
bool policy_is_loaded(const char *pin);

/* ---- a generation --------------------------------------------------------------------------- */

/* What stands behind an interface of this network namespace, with a number of the tables' sets. */
struct policy_backstop {
	unsigned int ifindex;
	struct policy_port port;
};

/* Makes `tables` and the ports the generation that judges. `before`: the tables that judge now, if
 * this daemon applied them; NULL: not known.
 * Where only subjects came or went, the half in use is patched, as if they came one after the other
 * and never so that something passes that both the state before and the one after refuse. Else the
 * other half is made anew and `current` turned: every packet is judged by all of the old or all of
 * the new.
 * The counters of rules begin at zero with a half, and those of the half that was in use until now
 * stand still when this returns (see policy_kernel_counts()); after a patch they go on.
 * -E2BIG, -ENOMEM, ...: a sentence says what was too large; nothing has changed. */
int policy_kernel_apply(struct policy_kernel *kernel, const struct policy_tables *before,
			const struct policy_tables *tables, const struct policy_backstop *ports,
			size_t port_count, struct diag *diag);

/* policy_settings.current: epoch << 1 | half; 0: nothing was applied yet. */
uint64_t policy_kernel_current(const struct policy_kernel *kernel);

/* Break-glass: everything passes and is told, from the next packet on. Outlives the daemon. */
void policy_kernel_set_audit(struct policy_kernel *kernel, bool audit);
bool policy_kernel_audit(const struct policy_kernel *kernel);

/* ---- where the programs stand ---------------------------------------------------------------- */

/* The programs on exactly these cgroups: paths below the root of cgroup v2, "" is the root itself.
 * Links are made before others are taken away, and are pinned. What stands already stays, with its
 * program exchanged at once if it was an older one; a cgroup that was removed and made again has
 * another id and gets new links. A path that does not exist is passed over: it is nobody's until it
 * is made, which is the caller's to see. After a failure all that stood before stands. */
int policy_kernel_attach(struct policy_kernel *kernel, const char *const *cgroups, size_t count,
			 struct diag *diag);

/* The ids of cgroups at which programs stand, or stood while those were there. */
size_t policy_kernel_stands(const struct policy_kernel *kernel, uint64_t *ret_ids, size_t room);

/* The backstop on these interfaces, in tc before lb_reply. Where it has once been it stays until
 * policy_unload(), and lets all pass. Interfaces that this daemon has attached to already are
 * looked at only with `check`: whether somebody took the program away.
 * What it knows of an interface comes from policy_kernel_apply(); without that it lets all pass.
 * An interface that is gone is passed over. */
int policy_kernel_ports(struct policy_kernel *kernel, const struct policy_backstop *ports,
			size_t count, bool check, struct diag *diag);

/* Every table of an opened, not yet loaded object that has the name of one of ours becomes it: for
 * programs that other files load (policy/attach.h attaches them). */
int policy_kernel_share(const struct policy_kernel *kernel, struct bpf_object *object);

/* The directory of pins, "PIN/policy"; and the fd of one of the tables, or -ENOENT. */
const char *policy_kernel_pins(const struct policy_kernel *kernel);
int policy_kernel_map(const struct policy_kernel *kernel, const char *name);

/* ---- what they tell -------------------------------------------------------------------------- */

typedef void policy_event_function(const struct policy_event *event, void *context);

/* Who is told; an fd that is readable while something is to be told; and the telling. */
void policy_kernel_listen(struct policy_kernel *kernel, policy_event_function *tell, void *context);
int policy_kernel_fd(const struct policy_kernel *kernel);
void policy_kernel_drain(struct policy_kernel *kernel);

/* Sums over CPUs, by rule, of the half of that `current`. After a swap those of the old one can be
 * read until the next. `window` and `in_window` are zero. */
int policy_kernel_counts(const struct policy_kernel *kernel, uint64_t current,
			 struct policy_count ret_counts[POLICY_RULES]);

int policy_kernel_lost(const struct policy_kernel *kernel, uint64_t ret_lost[POLICY_LOSSES]);

#endif
