/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy whose cost is measured: 20,000 prefixes in groups and rules, and some hundred
 * containers, of which those that talk are real and the others are only known. */
#ifndef BENCH_POLICY_RULES_H
#define BENCH_POLICY_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "policy/subject.h"

#define RULES_PREFIXES	20000
#define RULES_KNOWN	300		/* containers that are only known */

#define RULES_SERVER	0x0a5f0001	/* 10.95.0.1, host order: a prefix of its own */
#define RULES_PEERS	0x0a600000	/* 10.96.0.0/12: prefixes of 256 addresses */
#define RULES_PEER_NETS	4096

#define RULES_PORT	5432		/* TCP, to the server and to the group db */
#define RULES_PORT_CUT	5433		/* TCP, to the server; refused by RULES_CUT */

/* What is changed about the list. */
enum rules_kind { RULES_FIRST, RULES_OTHER, RULES_CUT };

/* Returns 0, or -errno with a sentence. */
int rules_make(enum rules_kind kind, struct config **ret_config, struct diag *diag);

/* A container of this name with one address, in host order; it is put last. */
struct subject *rules_subject(struct subjects *subjects, const char *name, uint64_t cgroup_id,
			      uint64_t cookie, uint32_t address);
void rules_subject_drop(struct subjects *subjects); /* the last one */
void rules_subjects_known(struct subjects *subjects, size_t first, size_t count);

#endif
