/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One lb.conf on its way from text to struct config; inside config/. load.c runs the steps in
 * this order: scan (the text), libconfig's parser, vet (each value by the schema), build (values
 * into structs), check (what contradicts what). A step never stops at its first error. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include <libconfig.h>

#include "config/config.h"
#include "config/scan.h"

struct load {
	const char *name;
	config_t tree;
	struct scan scan;
	const config_setting_t *services; /* NULL: none, or not a list */
	unsigned int *flaws;	/* by index in services: enum schema_flaw of what was refused */
	const config_setting_t *policy;	/* NULL: none, or not a group */
	const config_setting_t *flows;	/* NULL: none, or not a group */
	unsigned int policy_flaws;	/* the same of what was refused in policy */
	struct config *config;	/* services and backends have the indices that they have in tree */
	struct diag *diag;
};

/* A finding at the place where the setting stands. */
__attribute__((format(printf, 3, 4)))
void load_report(const struct load *load, const config_setting_t *setting, const char *format, ...);

/* "line 12", or "FILE:12" if the setting stands in another file than `from`; into where[]. */
#define LOAD_WHERE_MAX 160
const char *load_where(const struct load *load, const config_setting_t *setting,
		       const config_setting_t *from, char *where);
int load_line(const struct load *load, const config_setting_t *setting);
const struct scan_file *load_file(const struct load *load, const config_setting_t *setting);

/* The members that a service and its backends come from, for the places of findings. */
const config_setting_t *load_service(const struct load *load, size_t service);
const config_setting_t *load_service_key(const struct load *load, size_t service, const char *key);
const config_setting_t *load_vip(const struct load *load, size_t service, size_t vip);
const config_setting_t *load_ports(const struct load *load, size_t service, size_t ports);
const config_setting_t *load_backend(const struct load *load, size_t service, size_t backend);

/* The element of a list or array; NULL for what is neither or shorter. */
const config_setting_t *load_element(const config_setting_t *setting, size_t index);

void load_vet(struct load *load);
void load_build(struct load *load);
void load_build_policy(struct load *load);	/* after services */
void load_build_flows(struct load *load);
void load_check(const struct load *load);
void load_check_between(const struct load *load);
void load_check_claims(const struct load *load);
void load_check_policy(const struct load *load);
void load_check_flows(const struct load *load);

/* Whom a text names in a rule, once it was found good. False for a group or service that there is
 * none of; *ret_party then tells of which kind. */
bool load_party(const struct load *load, const char *text, struct config_party *ret_party);

/* The group of that name. */
bool load_group_find(const struct load *load, const char *name, size_t *ret_group);

#endif
