/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The test runs. The canary before the packet is XDP metadata, which stands right before it in
 * memory and comes back with it; a program that grows a packet moves the metadata along. */
#include "tests/fuzz/passes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "build/lb.skel.h"
#include "build/reply.skel.h"
#include "tests/fuzz/judge.h"
#include "tests/fuzz/memory.h"

#define CANARY		0xa5
#define CANARY_BYTES	32	/* as much metadata as every kernel allows; behind: as many */

enum { COUNTING, PRIVATE };

void passes_open(struct ground *ground, struct passes *ret_passes)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	memset(ret_passes, 0, sizeof(*ret_passes));
	ret_passes->ground = ground;
	ret_passes->memory = memory_make();
	assert_non_null(ret_passes->memory);
	for (uint32_t id = 1; id < LB_MAX_BACKENDS; id++)
		if (ground->dataplane->backend_info[id].name[0]) {
			assert_true(ret_passes->backend_count < FUZZ_BACKENDS_MAX);
			ret_passes->backends[ret_passes->backend_count++] = id;
		}
}

void passes_close(struct passes *passes)
{
	memory_free(passes->memory);
}

/* ---- one run -------------------------------------------------------------------------------- */

struct run {
	int fd;
	size_t before;		/* bytes of canary before the packet */
	union {
		struct xdp_md xdp;
		struct __sk_buff skb;
	} context;
	size_t context_size;
};

static struct run run_of(const struct passes *passes, int copy, const struct packet_in *in)
{
	const struct ground *ground = passes->ground;
	struct run run = { 0 };

	if (in->program == LB) {
		run.fd = bpf_program__fd(ground->lb[copy]->progs.lb);
		run.before = CANARY_BYTES;
		run.context.xdp = (struct xdp_md){ .data = CANARY_BYTES,
						   .data_end = CANARY_BYTES + in->frame.size,
						   .ingress_ifindex = in->ifindex };
		run.context_size = sizeof(run.context.xdp);
	} else {
		run.fd = bpf_program__fd(ground->reply[copy]->progs.lb_reply);
		run.context.skb = (struct __sk_buff){ .ifindex = in->ifindex,
						      .ingress_ifindex = in->ifindex };
		run.context_size = sizeof(run.context.skb);
	}
	return run;
}

static bool is_canary(const uint8_t *bytes)
{
	for (size_t i = 0; i < CANARY_BYTES; i++)
		if (bytes[i] != CANARY)
			return false;
	return true;
}

/* Returns 0 with what the program returned, -errno, or 1 where a canary died. */
static int packet_run(const struct passes *passes, int copy, const struct packet_in *in,
		      struct frame *ret_out, uint32_t *ret_returned)
{
	uint8_t data[CANARY_BYTES + FRAME_MAX], out[2 * CANARY_BYTES + FRAME_MAX];
	struct run run = run_of(passes, copy, in);
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = data,
		    .data_size_in = run.before + in->frame.size, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1, .ctx_in = &run.context,
		    .ctx_size_in = run.context_size);
	int err;

	memset(data, CANARY, run.before);
	memcpy(data + run.before, in->frame.bytes, in->frame.size);
	memset(out, CANARY, sizeof(out));
	err = bpf_prog_test_run_opts(run.fd, &options);
	if (err)
		return err;
	*ret_returned = options.retval;
	if (options.data_size_out < run.before ||
	    options.data_size_out > run.before + FRAME_MAX ||
	    (run.before && !is_canary(out)) || !is_canary(out + options.data_size_out))
		return 1;
	ret_out->size = options.data_size_out - run.before;
	memcpy(ret_out->bytes, out + run.before, ret_out->size);
	return 0;
}

/* Aborted, or what else no program may return, is no action. */
static bool action_of(enum program program, uint32_t returned, enum lb_action *ret_action)
{
	static const struct {
		enum program program;
		int returned;
		enum lb_action action;
	} rows[] = {
		{ LB, XDP_PASS, LB_PASS },
		{ LB, XDP_DROP, LB_DROP },
		{ LB, XDP_TX, LB_TX },
		{ LB, XDP_REDIRECT, LB_REDIRECT },
		{ LB_REPLY, TC_ACT_UNSPEC, LB_PASS },
		{ LB_REPLY, TC_ACT_SHOT, LB_DROP },
		{ LB_REPLY, TC_ACT_REDIRECT, LB_REDIRECT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].program == program && rows[i].returned == (int)returned) {
			*ret_action = rows[i].action;
			return true;
		}
	return false;
}

/* ---- counters ------------------------------------------------------------------------------- */

/* The sums over CPUs, each of the 8 bytes at the beginning of a value of `words` words. */
static uint64_t counter_read(int fd, uint32_t key, size_t words)
{
	static uint64_t each[4 * 1024];
	uint64_t sum = 0;

	assert_true((size_t)libbpf_num_possible_cpus() * words <= ARRAY_SIZE(each));
	assert_int_equal(bpf_map_lookup_elem(fd, &key, each), 0);
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		sum += each[cpu * words];
	return sum;
}

static void counters_read(const struct passes *passes, uint64_t *ret_counted)
{
	const struct dataplane *dataplane = passes->ground->dataplane;

	for (uint32_t verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
		ret_counted[verdict] = counter_read(dataplane->verdicts, verdict, 1);
	for (size_t i = 0; i < passes->backend_count; i++)
		ret_counted[LB_VERDICT_COUNT + i] =
			counter_read(dataplane->counters, passes->backends[i],
				     sizeof(struct lb_counters) / sizeof(uint64_t));
}

/* The verdict that the one counter which moved stands for. */
static enum lb_verdict sent_verdict(const struct lb_backend *backend, enum lb_action action)
{
	bool back = action == LB_TX;

	switch (backend->forward) {
	case LB_FORWARD_NAT:
		return back ? LB_TX_NAT : LB_REDIRECT_NAT;
	case LB_FORWARD_IPIP:
		return back ? LB_TX_IPIP : LB_REDIRECT_IPIP;
	case LB_FORWARD_GUE:
		return back ? LB_TX_GUE : LB_REDIRECT_GUE;
	default:
		return back ? LB_TX_DSR : LB_REDIRECT_DSR;
	}
}

static const char *counted_verdict(struct passes *passes, enum lb_action action,
				   struct passed *passed)
{
	uint64_t now[ARRAY_SIZE(passes->counted)] = { 0 };
	size_t moved = 0, which = 0;

	counters_read(passes, now);
	for (size_t i = 0; i < LB_VERDICT_COUNT + passes->backend_count; i++)
		if (now[i] != passes->counted[i]) {
			moved += now[i] - passes->counted[i];
			which = i;
		}
	memcpy(passes->counted, now, sizeof(now));
	if (moved != 1)
		return moved ? "counted more than once" : "not counted";
	passed->backend = NULL;
	if (which >= LB_VERDICT_COUNT) {
		passed->backend = &passes->ground->dataplane->backends[
			passes->backends[which - LB_VERDICT_COUNT]];
		passed->verdict = sent_verdict(passed->backend, action);
	} else {
		passed->verdict = which;
	}
	return verdict_action(passed->verdict) == action ? NULL
							 : "counted as what it did not do";
}

/* ---- two copies ----------------------------------------------------------------------------- */

static bool frames_equal(const struct frame *a, const struct frame *b, size_t from)
{
	return a->size == b->size && !memcmp(a->bytes + from, b->bytes + from, a->size - from);
}

/* A private copy asks no route and has no ration; MACs of replies are not known to it. */
static bool copies_agree(const struct passed *live, const struct passed *private)
{
	switch (live->verdict) {
	case LB_PASS_REPLY_SLOW:
	case LB_PASS_REPLY_TOO_BIG:
	case LB_DROP_REPLY_NO_ROUTE:
	case LB_DROP_REPLY_FORWARDING:
		return private->verdict == LB_REDIRECT_REPLY || private->verdict == live->verdict;
	case LB_TX_REPLY:
	case LB_REDIRECT_REPLY:
		return private->verdict == LB_REDIRECT_REPLY &&
		       frames_equal(&live->out, &private->out, 12);
	case LB_TX_PMTU:
	case LB_REDIRECT_PMTU:
		return private->verdict == LB_REDIRECT_PMTU || private->verdict == live->verdict;
	case LB_DROP_NO_BACKEND:
		return private->verdict == live->verdict || private->verdict == LB_TX_REJECT;
	case LB_DROP_TOO_BIG:
		return private->verdict == live->verdict || private->verdict == LB_TX_TOO_BIG ||
		       private->verdict == LB_REDIRECT_PMTU;
	case LB_REDIRECT_IPIP:
	case LB_TX_IPIP:
	case LB_REDIRECT_GUE:
	case LB_TX_GUE:
	case LB_PASS_ENCAP_FRAGMENT: /* IPv4 identifications are drawn */
		return private->verdict == live->verdict &&
		       private->out.size == live->out.size;
	default:
		return private->verdict == live->verdict &&
		       frames_equal(&live->out, &private->out, 0);
	}
}

static const char *passed_judge(struct passes *passes, const struct packet_in *in,
				const struct passed *passed, bool live)
{
	struct passage passage = { in->program, live, passed->verdict, passed->backend,
				   &in->frame, &passed->out };
	const char *flaw = judge(&passage);

	if (flaw || !passed->backend)
		return flaw;
	return memory_judge(passes->memory, &passage,
			    passed->backend - passes->ground->dataplane->backends);
}

const char *passes_run(struct passes *passes, const struct packet_in *in,
		       struct passed *ret_passed)
{
	const struct lb_trace *trace = passes->ground->dataplane->trace;
	struct passed private = { 0 };
	enum lb_action action;
	const char *flaw;
	uint32_t returned;
	int err = packet_run(passes, COUNTING, in, &ret_passed->out, &returned);

	ret_passed->ran = !err;
	if (err == -EINVAL)
		return NULL;
	if (err)
		return err > 0 ? "written outside of the packet" : strerror(-err);
	if (!action_of(in->program, returned, &action))
		return "returned no action";
	flaw = counted_verdict(passes, action, ret_passed);
	if (flaw)
		return flaw;

	err = packet_run(passes, PRIVATE, in, &private.out, &returned);
	if (err)
		return err > 0 ? "written outside of the packet" : strerror(-err);
	private.verdict = trace->verdict;
	private.backend = trace->backend ? &passes->ground->dataplane->backends[trace->backend]
					 : NULL;
	if (!action_of(in->program, returned, &action) ||
	    action != verdict_action(private.verdict))
		return "the private copy did not do what it says";
	if (!copies_agree(ret_passed, &private))
		return "the two copies do not agree";
	if (!ret_passed->backend)
		ret_passed->backend = private.backend;
	flaw = passed_judge(passes, in, ret_passed, true);
	return flaw ? flaw : passed_judge(passes, in, &private, false);
}
