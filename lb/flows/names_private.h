/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What flow_names holds, for the files that make it up: names.c has cgroups and containers,
 * names_addresses.c whose an address is, names_services.c what lb.conf says, names_ends.c what
 * follows from it all for a flow. */
#ifndef LB_FLOWS_NAMES_PRIVATE_H
#define LB_FLOWS_NAMES_PRIVATE_H

#include "lb/flows/hash.h"
#include "lb/flows/names.h"
#include "lb/flows/networks.h"

#define CONTAINER_ID_DIGITS 64

/* A container of which the runtime or a cgroup's path has told. */
struct known_container {
	char *id;
	char *name;		/* NULL: the runtime has not told of it */
	bool listed;		/* the runtime tells of it now */
	size_t cgroups;		/* that are remembered and belong to it */
	bool late;		/* it had such ones before its name, which was not told yet */
};

struct known_cgroup {
	uint64_t id;
	char *path;		/* as it is told; NULL: it was gone before it was read */
	size_t length;		/* of the path as far as its container's own cgroup; of all of it
				 * where it is in none */
	bool asked;		/* the runtime was, for its container's name */
	struct known_container *container; /* NULL: none */
};

struct flow_names {
	uint64_t key[2];	/* of every hash here */

	struct hash cgroups;	/* struct known_cgroup by id */
	struct hash containers;	/* struct known_container by id */
	bool wants;		/* a container that was not asked for has no name */
	bool late;		/* of some container */

	struct hash told;	/* struct told_address: as the runtime has it */
	struct hash learned;	/* struct learned_address: as flows had it */
	bool learned_full;	/* and each of them is of a cgroup that is known */

	struct named_service *services;
	size_t service_count;
	struct hash vips, backends; /* struct place */
	struct hash vip_addresses; /* struct place, of which only the address counts */
	struct networks direct, groups;
	struct hash group_names; /* struct named_network: of the prefixes in `groups` */
};

uint64_t names_hash(const struct flow_names *names, const void *data, size_t size);

/* ---- names.c --------------------------------------------------------------------------------- */

const struct known_cgroup *names_cgroup_find(const struct flow_names *names, uint64_t id);
struct known_container *names_container_find(const struct flow_names *names, const char *id);
void names_owner_of_cgroup(const struct known_cgroup *cgroup, struct flow_owner *ret_owner);

/* As much of its end as there is room for. */
void names_copy(char ret_name[FLOW_NAME_MAX], const char *text);

/* ---- names_addresses.c ----------------------------------------------------------------------- */

/* The runtime tells of all its containers anew: what it tells of from here on is as of now. */
void names_addresses_begin(struct flow_names *names);
void names_address_told(struct flow_names *names, const struct addr *addr,
			struct known_container *container);
void names_addresses_forget_container(struct flow_names *names,
				      const struct known_container *container);
void names_addresses_forget_cgroup(struct flow_names *names, uint64_t cgroup);
void names_addresses_clear(struct flow_names *names);

/* Whose address it is: its container's name, and whether flows of it are seen here. False: no
 * container's. */
bool names_address_owner(const struct flow_names *names, const struct addr *addr,
			 char ret_name[FLOW_NAME_MAX], bool *ret_seen);

/* ---- names_services.c ------------------------------------------------------------------------ */

void names_services_clear(struct flow_names *names);
bool names_is_vip(const struct flow_names *names, const struct addr *addr);

/* The service at a vip's port, or that a nat backend serves at its own; NULL: none. */
const struct named_service *names_vip_service(const struct flow_names *names,
					      const struct addr *addr, uint16_t port,
					      uint8_t protocol);
const struct named_service *names_backend_service(const struct flow_names *names,
						  const struct addr *addr, uint16_t port,
						  uint8_t protocol);

/* The group of lb.conf that has exactly this prefix; NULL: none. */
const char *names_group_name(const struct flow_names *names, const struct prefix *prefix);

const char *named_service_name(const struct named_service *service);

/* For which port of the vip a packet came to `port` of a backend; where several could be meant,
 * the backend's own. */
uint16_t named_service_port(const struct named_service *service, uint16_t port);

#endif
