/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon as one value: its sources, the actual state, and the doors to the kernel. The way of
 * every change is the same: a source is updated, the manager is marked dirty, and reconcile makes
 * wanted → plan → tables. */
#ifndef LB_MANAGER_H
#define LB_MANAGER_H

#include <event2/event.h>
#include <time.h>

#include "lb/events.h"
#include "lb/kernel/dataplane.h"
#include "lb/model/desired.h"
#include "lb/model/plan.h"
#include "lb/watch/addr_index.h"

struct options {
	const char *config, *pin, *socket, *state; /* pin, socket: NULL where not given */
};

struct runtime;		/* lb/watch/runtime.h */
struct link_state;	/* lb/hops.c: what was found out about a device, */
struct neighbour_state;	/* and the neighbours that are kept resolved */
struct locals;		/* lb/local.c: local clients of a vip */

struct container;	/* lb/model/container.h */
struct isolation;	/* lb/isolation.c */
struct flows;		/* lb/flows/flows.c */

struct manager {
	struct options options;
	char *pin, *socket;		/* in use: command line, config, built in */
	struct event_base *loop;
	struct event *net_event, *burst_timer, *resync_timer, *motion_timer;

	struct config *written;		/* in use, as the file has it */
	struct config *config;		/* the same, with containers resolved; borrows from it */
	char *text;			/* what it was read from */
	char *previous_name, *previous_text; /* before the last reload; NULL: none */
	bool previous_includes;		/* its text is not all of it */
	const char *source;		/* "-c", "once" or "previous" */
	struct timespec loaded, started;
	uint64_t reloads_done, reloads_refused;
	struct overrides overrides;
	uint64_t hash_key[LB_HASH_KEYS];

	struct net *net;
	struct net_view view;
	struct link_state *links;
	size_t link_count;
	struct neighbour_state *neighbours;
	size_t neighbour_count;
	struct addr_index neighbour_index;

	struct locals *locals;

	struct health *health;
	struct container_source *containers; /* lb/containers.c; NULL: nobody asks for any */
	struct isolation *isolation;
	struct flows *flows;
	struct events *events;

	struct dataplane *dataplane;
	bool followed;			/* actual is all that the sources said when last asked */
	struct state *actual;
	char *trouble;			/* what the last reconciling could not do; told once */
	bool unloaded;			/* asked to take everything away */
};

/* Everything up to the first tables. Returns 0 or -errno with sentences in diag. */
int manager_start(const struct options *options, struct event_base *loop,
		  struct manager **ret_manager, struct diag *diag);
void manager_stop(struct manager *manager); /* the data plane goes on */

struct reload {
	const char *name, *text;	/* NULL: the -c file */
	bool previous;			/* back to the config before the last reload */
	const char **breaks;		/* services whose flows may break */
	size_t break_count;
};

/* What a reload would do. */
struct preview {
	struct config *written, *config; /* as in struct manager */
	char *text;			/* what the config was read from */
	struct state *wanted;
	struct plan *plan;
	char *policy;			/* what changes in isolation; NULL: nothing */
	char *flows;			/* and in the seeing of flows */
};
int manager_preview(struct manager *manager, const struct reload *reload,
		    struct preview *ret_preview, struct diag *diag);

/* The config and its text alone, without a plan. */
int manager_read(struct manager *manager, const struct reload *reload,
		 struct preview *ret_preview, struct diag *diag);
void preview_clear(struct preview *preview);

/* Carries it out, all or nothing; the preview shows what was done. */
typedef void preview_visitor(const struct preview *preview, void *data);
int manager_reload(struct manager *manager, const struct reload *reload, preview_visitor *visit,
		   void *data, struct diag *diag);

/* The first one of a daemon's life: takes what was read of the -c file over whatever the tables
 * hold. What that breaks is meant: the operator stopped lbd, edited and started it. */
int manager_start_config(struct manager *manager, struct preview *read, struct diag *diag);

/* One override, kept in the state directory, then applied. `state`: -1 leaves it; `weight`: -1
 * leaves it. */
int manager_override(struct manager *manager, const char *service, const char *backend, int state,
		     int weight, struct diag *diag);
int manager_override_reset(struct manager *manager, const char *service, const char *backend,
			   struct diag *diag); /* NULL, NULL: all */

/* Isolation stays in force unless `all` is to go; flows are seen no more. */
int manager_unload(struct manager *manager, bool all, struct diag *diag);

/* Has manager_reconcile() called soon, once for all that happens until then. */
void manager_wake(struct manager *manager);

/* Settles what has come to rest, and ends drains that nobody needs any more. */
void manager_settle(struct manager *manager);

/* Looks for what no message tells: routes are asked for again, and hooks of lb_reply that somebody
 * removed are not in the actual state any more, so that the next reconciling puts them back. */
void manager_recheck(struct manager *manager);

/* Brings the kernel up to date with the sources now. */
int manager_reconcile(struct manager *manager, struct diag *diag);

/* The same where one service of the config in use is all that a source has changed its mind about:
 * if nothing else has happened meanwhile the other services are not looked at, so that this takes
 * the time of one. */
int manager_reconcile_service(struct manager *manager, const struct config_service *service,
			      struct diag *diag);

/* ---- lb/changes.c: what has changed, for the log and as events ------------------------------- */

void plan_tell(struct manager *manager, const struct plan *plan);
void changes_tell(struct manager *manager, const struct state *before, const struct state *now);
void front_lost_tell(struct manager *manager, const struct front *front);
void settled_tell(struct manager *manager, const struct service *service, uint64_t seconds);

/* The config in use was loaded, by this plan; of the preview what it says of other parts. */
void reload_tell(struct manager *manager, const struct plan *plan, const struct preview *preview);

/* Whoever asked for the reload writes the log. */
void refusal_add_event(struct manager *manager, const struct reload *reload,
		       const struct diag *diag);

/* What could not be done is another thing than before, or over (then diag is empty). `well`: what
 * the object is without any; `was`: it was in trouble. The log has lines of its own. */
void trouble_add_event(struct manager *manager, enum event_kind kind, const char *object,
		       const char *well, bool was, const struct diag *diag);

/* ---- lb/containers.c: backends that are containers ------------------------------------------- */

/* The config with its containers resolved, by config_resolve(). A runtime that was not asked yet is
 * asked now, and waited for two seconds at the most. */
struct config *containers_resolve(struct manager *manager, const struct config *written);

/* The config in use, resolved anew; NULL: it is as it was, or nothing new is known. */
struct config *containers_refresh(struct manager *manager);

/* How much of the containers is known. */
enum containers_known {
	CONTAINERS_NONE,	/* the runtime has never told of any */
	CONTAINERS_LAST,	/* as it was last told; the runtime is away */
	CONTAINERS_ALL,		/* every one, as of now */
};

/* The containers for isolation, also while no backend asks for them; the first time it waits a
 * moment for the runtime. Valid until the loop runs again. */
const struct container *containers_list(struct manager *manager, const struct config *config,
					size_t *ret_count, enum containers_known *ret_known);

/* The same without asking or waiting: CONTAINERS_NONE where that runtime is not watched. */
const struct container *containers_watched(const struct manager *manager,
					   const struct config *config, size_t *ret_count,
					   enum containers_known *ret_known);

/* Watches the runtime if the config in use needs it, and wakes the manager when something changes.
 * Returns 0 or -ENOMEM. */
int containers_watch(struct manager *manager);
struct runtime *containers_runtime(const struct manager *manager); /* NULL: it is not watched */
void containers_release(struct manager *manager);

/* ---- lb/parts.c: isolation and flows --------------------------------------------------------- */

/* As this config has them; what it does not have stays until parts_remove(). `config` must live
 * until the next call. Returns 0, or -errno with sentences: all is as before. */
int parts_apply(struct manager *manager, const struct config *config, struct diag *diag);

/* Takes that back where the rest of the config could not be applied. */
void parts_return(struct manager *manager, const struct config *config, struct diag *diag);

/* What the config in use does not have is taken from the kernel. */
void parts_remove(struct manager *manager, struct diag *diag);

/* ---- lb/checks.c: what the checks say -------------------------------------------------------- */

/* Checks the backends of this config from now on. */
int checks_set(struct manager *manager, const struct config *config);

/* Tells the checks what was known of the recovered state's backends before the restart. */
void checks_assume(struct manager *manager);

/* One result for each row; the caller frees it. A row that was never checked is down, or, for a
 * hopeful reader, up. Where `only` is given, the rows of all other services are left empty.
 * NULL: no memory. */
struct row_health *checks_read(struct manager *manager, const struct config *config,
			       const struct config_service *only, bool hopeful);

/* ---- lb/connections.c: live connections that a plan touches ---------------------------------- */

struct count {
	bool known;
	uint64_t count;
};
struct connections {
	struct count live;	/* of the service now */
	struct count lost;	/* of those: that the plan loses */
};

/* One for each service of the preview's plan, in its order; the caller frees them. A service is
 * counted where all its backends that have flows are containers of this host whose sockets can be
 * listed; UDP has no connections. Takes a third of a second at the most, and the time of one dump.
 * Connections that do not come by the vip but straight to the backend are counted with them. */
struct connections *connections_count(struct manager *manager, const struct preview *preview);

/* ---- lb/local.c: local clients of a vip ------------------------------------------------------ */

/* Who they are, as the manager's view and this config have it. */
void locals_find(struct manager *manager, const struct config *config);

/* Their ways are asked for again, and programs that could not be attached are tried again. */
void locals_recheck(struct manager *manager);

/* As found last, in the order of ifindexes. */
const struct local_client *locals_list(const struct manager *manager, size_t *ret_count);

/* Attaches the programs while some service of the actual state has a nat backend, detaches them
 * else, and tells them whom to help. What fails is a warning: all others are balanced. */
void locals_follow(struct manager *manager);
void locals_close(struct manager *manager); /* they stay attached */

struct locals_told {
	bool attached;
	size_t namespaces;	/* that are helped, our own among them */
	const char *trouble;	/* why they are not attached; NULL: nothing is wrong */
};
struct locals_told locals_tell(const struct manager *manager);

/* ---- lb/hops.c: next hops of every row of a config ------------------------------------------- */

/* Finds them in the manager's view; `touch` makes what is missing (NAPI at a container's end).
 * Where `only` is given, the rows of all other services are left empty. The caller frees
 * *ret_hops. */
int hops_find(struct manager *manager, const struct config *config,
	      const struct config_service *only, bool touch, struct row_hop **ret_hops);

/* Reads the view anew and has unknown neighbours resolved by the kernel; waits for at most wait_ms
 * until every one is known or has failed. */
int hops_settle(struct manager *manager, const struct config *config, long wait_ms);

/* The kernel need not keep our neighbours resolved any longer. */
void hops_release(struct manager *manager);

#endif
