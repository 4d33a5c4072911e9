/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs on cgroups, by links that are pinned and so outlive the daemon. Links stand beside those
 * of others (BPF_F_ALLOW_MULTI); every program has its say. */
#ifndef POLICY_ATTACH_H
#define POLICY_ATTACH_H

#include <bpf/libbpf.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diag.h"

struct policy_program {
	const char *name;	/* part of the pin's name */
	int fd;
	enum bpf_attach_type type;
};

struct policy_stand {
	const char *pins;	/* directory on a BPF file system with these links and no others;
				 * made if it is not there */
	const char *tables, *table; /* directory, and the map pinned there that they all use */
	const struct policy_program *programs;
	size_t program_count;
};

/* Every program on exactly these cgroups, as policy_kernel_attach() says. */
int policy_attach(const struct policy_stand *stand, const char *const *cgroups, size_t count,
		  struct diag *diag);

/* Detaches all links of a directory and removes it. 0 also where none is. */
int policy_detach(const char *pins, struct diag *diag);

/* The ids of cgroups that the directory has links for, each once; how many. */
size_t policy_attached(const char *pins, uint64_t *ret_ids, size_t room);

#endif
