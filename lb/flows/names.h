/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who the ends of a flow are: from cgroup ids and addresses to containers, services and networks.
 * Pure: it is told of what there is, and asks nobody. */
#ifndef LB_FLOWS_NAMES_H
#define LB_FLOWS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"
#include "config/config.h"
#include "lb/model/container.h"
#include "policy/flows_abi.h"

#define FLOW_NAME_MAX 256 /* of a node, with the final NUL; longer paths are cut at the left */

enum flow_node_kind { FLOW_CONTAINER, FLOW_SERVICE, FLOW_NETWORK };
const char *flow_node_kind_name(enum flow_node_kind kind); /* "container", ... */

struct flow_node {
	enum flow_node_kind kind;
	char name[FLOW_NAME_MAX];
};

/* A container, or a cgroup that no runtime names: then `name` is its path ("/" for the root). */
struct flow_owner {
	char name[FLOW_NAME_MAX];
	char cgroup[FLOW_NAME_MAX];	/* path; "" for one that was gone before it was read */
	char id[80];			/* the container's; "": none */
};

/* Whom the flow is between, as the graph has it: from → service → to. */
struct flow_ends {
	struct flow_owner owner;	/* of this end */
	struct flow_node from, to;	/* initiator, responder; `to` is the service itself where
					 * only the backend's end knows which one it is */
	const char *service;		/* through whose vip; NULL: through none. Valid until the
					 * next flow_names_services() */
	uint16_t port;			/* the responder's, as the initiator asked for it */
	bool elsewhere;			/* its other end is a container here that is seen too, and
					 * began it: the edge from there is counted there */
};

struct flow_names;

struct flow_names *flow_names_new(void); /* never NULL */
void flow_names_free(struct flow_names *names); /* NULL is fine */

/* A cgroup whose flows are seen, with its path below the root; NULL: it was gone already. It is
 * remembered until flow_names_cgroup_forget(), also after its end: its last flows come later. */
void flow_names_cgroup(struct flow_names *names, uint64_t id, const char *path);
void flow_names_cgroup_forget(struct flow_names *names, uint64_t id);

/* All containers as the runtime tells of them now. One that is no longer listed keeps its name for
 * the flows that it had, while its cgroup is remembered. */
void flow_names_containers(struct flow_names *names, const struct container *list, size_t count);

/* What the runtime calls a container that no list has told of: it may have been gone by then. It
 * is asked for each that has flows, again and again, and knows by `first` whom it was not asked for
 * yet. NULL: it does not know. */
typedef const char *flow_names_teller(const char *id, bool first, void *data);
void flow_names_ask(struct flow_names *names, flow_names_teller *tell, void *data);

/* Whether a cgroup of a container without a name has come since it was asked. */
bool flow_names_wants(const struct flow_names *names);

/* Who had flows under the path of its cgroup before its name was told: since the last call; the
 * caller frees them. What keeps names has the second one for the first from then on: NULL
 * where a name stays as it is. */
struct flow_renamed {
	char from[FLOW_NAME_MAX], to[FLOW_NAME_MAX];
};
struct flow_renamed *flow_names_late(struct flow_names *names, size_t *ret_count);
const char *flow_renamed_to(const struct flow_renamed *list, size_t count, const char *from);

/* Services and backends of the config in use (containers resolved), and the networks from which a
 * backend of nat is reached directly: what the data plane translates nothing for. */
void flow_names_services(struct flow_names *names, const struct config *config,
			 const struct prefix *direct, size_t direct_count);

/* Addresses of containers are also learned from their own flows, by network namespace: call this
 * for each flow that is new, and for all that are before one of them is named, or both ends of one
 * could count their edge. `host_netns`: cookie of the host's own, in which an address says
 * nothing. */
void flow_names_learn(struct flow_names *names, const struct flow *flow, uint64_t host_netns);

void flow_names_owner(const struct flow_names *names, uint64_t cgroup,
		      struct flow_owner *ret_owner);

/* FLOW_OUT or FLOW_IN, also for a flow that was there before the programs: by its ports then, and
 * so that its two ends do not agree. */
enum flow_direction flow_names_direction(const struct flow *flow);

/* A network is called as the group of lb.conf by cidr whose prefix is the longest that fits, else
 * it is the /24 or /64. */
void flow_names_ends(const struct flow_names *names, const struct flow *flow,
		     struct flow_ends *ret_ends);

#endif
