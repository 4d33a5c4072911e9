/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/policy_skb.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spent {
	uint64_t ns, runs;
};

/* ---- the programs ---------------------------------------------------------------------------- */

static int empty_load(enum bpf_attach_type type)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);

	return bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "empty", "GPL", pass, 2, &options);
}

static int empty_attach(struct skb_watch *watch, int cgroup, int number)
{
	enum bpf_attach_type type = number ? BPF_CGROUP_INET_INGRESS : BPF_CGROUP_INET_EGRESS;
	int fd = empty_load(type);

	if (fd < 0)
		return fd;
	watch->programs[SKB_EMPTY_OUT + number] = fd;
	watch->links[number] = bpf_link_create(fd, cgroup, type, NULL);
	return watch->links[number] < 0 ? watch->links[number] : 0;
}

static bool uses_map(int fd, uint32_t map)
{
	uint32_t maps[64];
	struct bpf_prog_info info = { .nr_map_ids = 64, .map_ids = (uintptr_t)maps };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return false;
	for (uint32_t i = 0; i < info.nr_map_ids && i < 64; i++)
		if (maps[i] == map)
			return true;
	return false;
}

/* The machine may have others of that name: ours is the one over these tables. */
static int program_find(const struct policy_lab *lab, const char *name, int *ret_fd)
{
	struct bpf_map_info map = { 0 };
	uint32_t size = sizeof(map), id = 0;
	int err = bpf_obj_get_info_by_fd(policy_kernel_map(lab->kernel, "policy_settings"), &map,
					 &size);

	while (!err && !(err = bpf_prog_get_next_id(id, &id))) {
		struct bpf_prog_info info = { 0 };
		int fd = bpf_prog_get_fd_by_id(id);

		size = sizeof(info);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
		    !strcmp(info.name, name) && uses_map(fd, map.id)) {
			*ret_fd = fd;
			return 0;
		}
		if (fd >= 0)
			close(fd);
	}
	return err;
}

int skb_watch_begin(const struct policy_lab *lab, struct skb_watch *ret_watch, struct diag *diag)
{
	static const char *const names[] = { "policy_egress", "policy_ingress", "policy_backstop" };
	struct skb_watch watch = { .lab = lab, .links = { -1, -1 }, .stats = -1 };
	int cgroup = lab_open_parent(), err = cgroup < 0 ? cgroup : 0;

	memset(watch.programs, -1, sizeof(watch.programs));
	for (int i = 0; !err && i < 2; i++)
		err = empty_attach(&watch, cgroup, i);
	for (int i = 0; !err && i < SKB_EMPTY_OUT; i++)
		err = program_find(lab, names[i], &watch.programs[i]);
	if (!err) {
		watch.stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
		err = watch.stats < 0 ? watch.stats : 0;
	}
	if (cgroup >= 0)
		close(cgroup);
	if (!err) {
		*ret_watch = watch;
		return 0;
	}
	diag_add(diag, NULL, 0, "cannot watch isolation's programs: %s", strerror(-err));
	skb_watch_end(&watch);
	return err;
}

void skb_watch_end(struct skb_watch *watch)
{
	for (int i = 0; i < SKB_PROGRAMS; i++)
		if (watch->programs[i] >= 0)
			close(watch->programs[i]);
	for (int i = 0; i < 2; i++)
		if (watch->links[i] >= 0)
			close(watch->links[i]);
	if (watch->stats >= 0)
		close(watch->stats);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static int spent_read(const struct skb_watch *watch, struct spent ret_spent[SKB_PROGRAMS])
{
	for (int i = 0; i < SKB_PROGRAMS; i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);
		int err = bpf_obj_get_info_by_fd(watch->programs[i], &info, &size);

		if (err)
			return err;
		ret_spent[i] = (struct spent){ info.run_time_ns, info.run_cnt };
	}
	return 0;
}

/* What was judged: connections and flows that were allowed, and whatever was refused. */
static int judged_read(const struct skb_watch *watch, uint64_t *ret_allowed, uint64_t *ret_refused)
{
	struct policy_count *counts = calloc(POLICY_RULES, sizeof(*counts));
	uint64_t current = policy_kernel_current(watch->lab->kernel);
	int err = counts ? policy_kernel_counts(watch->lab->kernel, current, counts) : -ENOMEM;

	*ret_allowed = *ret_refused = 0;
	for (size_t i = 0; !err && i < POLICY_RULES; i++) {
		*ret_allowed += counts[i].allowed;
		*ret_refused += counts[i].refused + counts[i].audited;
	}
	free(counts);
	return err;
}

/* Each new flow was judged, and of the others (almost) none was anew. */
static bool is_as_told(enum talk talk, unsigned int count, uint64_t judged)
{
	return talk == TALK_NEW ? judged == 2 * (uint64_t)count : judged <= count / 100;
}

int skb_measure(const struct skb_watch *watch, const struct talker *talker, enum talk talk,
		unsigned int count, double ret_ns[SKB_PROGRAMS])
{
	struct spent before[SKB_PROGRAMS], after[SKB_PROGRAMS];
	uint64_t judged[2], refused[2];
	double ns;
	int err = 0;

	if (talk != TALK_NEW) /* until what can be remembered is */
		err = talker_do(talker, talk, TALK_PEERS, &ns);
	if (!err)
		err = judged_read(watch, &judged[0], &refused[0]);
	if (!err)
		err = spent_read(watch, before);
	if (!err)
		err = talker_do(talker, talk, count, &ns);
	if (!err)
		err = spent_read(watch, after);
	if (!err)
		err = judged_read(watch, &judged[1], &refused[1]);
	if (!err && (refused[1] != refused[0] || !is_as_told(talk, count, judged[1] - judged[0])))
		err = -EPROTO;
	for (int i = SKB_EGRESS; !err && i <= SKB_INGRESS; i++)
		err = after[i].runs - before[i].runs < count ? -EPROTO : 0;
	for (int i = 0; !err && i < SKB_PROGRAMS; i++) {
		uint64_t runs = after[i].runs - before[i].runs;

		ret_ns[i] = runs ? (double)(after[i].ns - before[i].ns) / (double)runs : 0;
	}
	return err;
}
