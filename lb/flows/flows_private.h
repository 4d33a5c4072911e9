/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files lb/flows/flows*.c share. Nobody else includes this. */
#ifndef LB_FLOWS_PRIVATE_H
#define LB_FLOWS_PRIVATE_H

#include "lb/flows/flows.h"
#include "lb/influx.h"
#include "policy/flows.h"

#define NS_PER_S	1000000000ULL
#define NS_PER_MS	1000000ULL

/* ---- lb/flows/places.c: cgroups and namespaces as they were when their flows were seen ------- */

struct places;

/* Never NULL. `names` learns of every cgroup. */
struct places *places_new(struct flow_names *names);
void places_free(struct places *places); /* NULL is fine */

/* A cgroup that has or had flows. Its path is read the first time. */
void places_meet(struct places *places, uint64_t cgroup);

/* One flow of it lives, as of this pass over the records (places_recount() begins one). */
void places_recount(struct places *places);
void places_count(struct places *places, uint64_t cgroup);

/* Those that are gone and had no flow in the last pass are forgotten the second time that they are
 * found so, for the name of a container may come after its end; each is told first. */
void places_tidy(struct places *places, void (*forgotten)(uint64_t cgroup, void *data), void *data);

/* Its own id and those above it, as far as they are known. Valid until the next call of another of
 * these functions. */
const uint64_t *places_line(const struct places *places, uint64_t cgroup, size_t *ret_count);

/* The same of a path, read now: as many as there are, PLACES_LINE_MAX at the most. `root`: where
 * cgroup v2 stands. */
#define PLACES_LINE_MAX 16	/* deeper ones are in the groups of the nearest of these alone */
size_t places_line_read(const char *root, const char *path, uint64_t line[PLACES_LINE_MAX]);

/* "web", as /run/netns has it, "host", or its cookie in text[24]; NULL for 0. One that nobody has
 * named is looked for once, and again after places_tidy(). */
const char *places_netns(struct places *places, uint64_t cookie, char text[24]);

/* ---- lb/flows/calls.c: flows that processes of the host itself began ------------------------- */

struct calls;

struct calls *calls_new(size_t records); /* never NULL */
void calls_free(struct calls *calls);	 /* NULL is fine */
void calls_note(struct calls *calls, size_t number, const struct flow *flow);
bool calls_began(const struct calls *calls, const struct flow *flow); /* seen from its other end */

/* ---- lb/flows/rows.c: a flow with the names of its ends -------------------------------------- */

struct flow_row {		/* NULL: not known, or it does not apply */
	struct flow flow;
	const char *container, *cgroup, *group, *netns, *service;
	const char *peer;	/* the other end's node */
};

struct row_room {		/* what a row points into */
	struct flow_ends ends;
	char netns[24];
};

/* Of the flow in that record. `room` must live as long as the row. */
struct flow_row row_make(struct flows *flows, size_t number, const struct flow *flow,
			 struct row_room *room);
struct flow_row *row_copy(const struct flow_row *row); /* in one piece, for free() */

bool row_matches(const struct flow_row *row, const struct flow_filter *filter);
struct json_object *row_json(const struct flow_row *row); /* the caller puts it */

const char *flow_outcome_name(enum flow_outcome outcome); /* "refused", "timed-out", ... */
bool flow_outcome_is_failure(enum flow_outcome outcome);
const char *flow_protocol_name(uint8_t protocol, char text[8]); /* "tcp", or its number */

/* ---- lb/flows/ended.c: flows that ended, the newest of them ---------------------------------- */

struct ended {
	struct flow_row **rows;	/* a ring: the newest at (count - 1) */
	size_t room;
	uint64_t count, forgotten;
};

/* The newest of those that are there stay. */
void ended_resize(struct ended *ended, size_t room);
/* Who has a name by now, also as the other end. */
void ended_rename(struct ended *ended, const struct flow_renamed *list, size_t count);
void ended_keep(struct ended *ended, const struct flow_row *row);
size_t ended_kept(const struct ended *ended);
/* From the oldest (0) to the newest that is kept. */
const struct flow_row *ended_at(const struct ended *ended, size_t index);

/* ---- the whole ------------------------------------------------------------------------------- */

struct flows {
	struct manager *manager;
	const struct config_flows *config; /* NULL: none are seen, and all below is empty */
	struct flow_kernel *kernel;
	struct flow_record *records;	/* mapped */
	size_t record_count;
	uint64_t *met;			/* by record: which flow of it was met; see flow_meet() */
	const char **services;		/* by record: that flow's, once it was known; it stays when
					 * the backend goes. One of the names below */
	char **service_names;
	size_t service_name_count;
	uint32_t *found;		/* room for the numbers of all records */
	struct flow_names *names;
	struct places *places;
	struct calls *calls;
	struct accounts *accounts;
	struct ended ended;
	unsigned int age;		/* another one: records or those that ended are others */
	struct influx *influx;		/* NULL: nobody wants lines */

	uint64_t host_netns;		/* cookie of our own */
	uint64_t *stands;		/* ids of the config's cgroups as attached; 0: it is away */
	size_t live;			/* records that live, as of the last pass */
	bool blind;			/* the kernel gives none, which was told */
	uint64_t sample_ns;		/* what the last sample took, with all that follows of it */
	uint32_t last_sample;		/* number at the end of the last interval, and when */
	uint64_t last_sample_ns;	/* it began; 0: not yet */
	uint64_t exported_ns, exported_all_ns;
	unsigned int seconds;		/* since the last look for what no message tells */
	unsigned int told;		/* events in this second, */
	uint64_t untold;		/* and what was one too many */
	char *trouble;			/* what the last second could not do; told once */
	struct event *news_event, *second_timer, *interval_timer, *soon_timer;
};

uint64_t flows_ns_before(uint64_t seconds); /* that long ago, or at the beginning */

/* lb/flows/flows_json.c: what found no record since the tables were made; the caller puts it. */
struct json_object *flows_other_json(const struct flows *flows);

/* lb/flows/sample.c: reads the records that ended, and frees them; those that live too if `whole`,
 * after a sample of the kernel's figures. */
void flows_harvest(struct flows *flows);
void flows_sample(struct flows *flows);
/* Its service: the first that it was known to come through, else the one of now; NULL: none. */
const char *flows_service(struct flows *flows, size_t number, const struct flow *flow,
			  const char *now);
/* The end of an interval: sockets that are gone are found out. */
void flows_turn(struct flows *flows);
/* An event that counts those for which there was no room; each second. */
void flows_untold(struct flows *flows);

/* Whether lines go to another place, or to none. */
bool flows_target_differs(const struct config_flows *a, const struct config_flows *b);

/* lb/flows/flows_metrics.c: containers, those of one name added up; the caller frees them. */
struct account_container *flows_by_name(struct flows *flows, size_t *ret_count);

/* lb/flows/flows_influx.c */
void flows_export(struct flows *flows);

#endif
