/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/companions.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build/newborn.skel.h"
#include "build/tuning.skel.h"
#include "lb/kernel/pinned.h"
#include "policy/attach.h"

struct policy_companions {
	struct policy_kernel *kernel;
	struct tuning_bpf *tuning;	/* NULL: not loaded */
	struct newborn_bpf *newborn;
	bool newborn_refused, tuning_refused; /* by this kernel, once for all */
};

int policy_companions_open(struct policy_kernel *kernel, struct policy_companions **ret_companions)
{
	struct policy_companions *companions = calloc(1, sizeof(*companions));

	if (!companions)
		return -ENOMEM;
	companions->kernel = kernel;
	*ret_companions = companions;
	return 0;
}

void policy_companions_close(struct policy_companions *companions)
{
	if (!companions)
		return;
	tuning_bpf__destroy(companions->tuning);
	newborn_bpf__destroy(companions->newborn);
	free(companions);
}

static void pin_name(const struct policy_companions *companions, const char *name,
		     char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", policy_kernel_pins(companions->kernel), name);
}

/* ---- tuning ---------------------------------------------------------------------------------- */

/* What it has learned of destinations outlives the daemon, and so do its counters. */
static int tuning_load(struct policy_companions *companions)
{
	struct tuning_bpf *skel = tuning_bpf__open();
	char paths[PATH_MAX], tuned[PATH_MAX];
	int err;

	if (!skel)
		return -ENOMEM;
	pin_name(companions, "policy_paths", paths);
	pin_name(companions, "policy_tuned", tuned);
	err = policy_kernel_share(companions->kernel, skel->obj);
	if (!err)
		err = bpf_map__set_pin_path(skel->maps.policy_paths, paths);
	if (!err)
		err = bpf_map__set_pin_path(skel->maps.policy_tuned, tuned);
	if (!err)
		err = tuning_bpf__load(skel);
	if (err)
		tuning_bpf__destroy(skel);
	else
		companions->tuning = skel;
	return err;
}

int policy_tuning_attach(struct policy_companions *companions, const char *const *cgroups,
			 size_t count, struct diag *diag)
{
	struct policy_program program = { .name = "policy_tcp_ops", .type = BPF_CGROUP_SOCK_OPS };
	struct policy_stand stand = { .tables = policy_kernel_pins(companions->kernel),
				      .table = "policy_settings", .programs = &program,
				      .program_count = 1 };
	char pins[PATH_MAX];
	int err = 0;

	pin_name(companions, "tuning", pins);
	if (!count)
		return policy_detach(pins, diag);
	if (companions->tuning_refused)
		return 0; /* it was told */
	if (!companions->tuning)
		err = tuning_load(companions);
	companions->tuning_refused = err != 0;
	if (err) {
		diag_add(diag, NULL, 0, "policy: cannot load what tunes TCP: %s", strerror(-err));
		return err;
	}
	stand.pins = pins;
	program.fd = bpf_program__fd(companions->tuning->progs.policy_tcp_ops);
	return policy_attach(&stand, cgroups, count, diag);
}

void policy_tuning_counts(const struct policy_companions *companions,
			  uint64_t ret_counts[POLICY_TUNED])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t values[cpus > 0 ? cpus : 1];

	memset(ret_counts, 0, POLICY_TUNED * sizeof(*ret_counts));
	if (!companions->tuning || cpus < 0)
		return;
	for (__u32 what = 0; what < POLICY_TUNED; what++) {
		if (bpf_map_lookup_elem(bpf_map__fd(companions->tuning->maps.policy_tuned), &what,
					values))
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			ret_counts[what] += values[cpu];
	}
}

/* ---- newborn --------------------------------------------------------------------------------- */

int policy_newborn_attach(struct policy_companions *companions, struct diag *diag)
{
	const char *pins = policy_kernel_pins(companions->kernel);
	struct newborn_bpf *skel = companions->newborn;
	int err = 0;

	if (skel || companions->newborn_refused)
		return 0;
	skel = newborn_bpf__open();
	if (!skel)
		err = -errno;
	if (!err)
		err = policy_kernel_share(companions->kernel, skel->obj);
	if (!err)
		err = newborn_bpf__load(skel);
	if (!err)
		err = pinned_tracepoint_keep(skel->progs.policy_newborn, pins, "policy_unnamed");
	if (!err)
		err = pinned_tracepoint_keep(skel->progs.policy_departed, pins, "policy_unnamed");
	if (err) {
		newborn_bpf__destroy(skel);
		companions->newborn_refused = true;
		diag_add(diag, NULL, 0,
			 "policy: cannot see cgroups being made: %s; a container in a slice of "
			 "services is covered only once it is found", strerror(-err));
		return err;
	}
	companions->newborn = skel;
	return 0;
}

void policy_newborn_add(struct policy_companions *companions, const uint64_t *cgroups, size_t count)
{
	int fd = policy_kernel_map(companions->kernel, "policy_unnamed");
	uint32_t any = 1;

	for (size_t i = 0; i < count; i++)
		bpf_map_update_elem(fd, &cgroups[i], &any, BPF_ANY);
}
