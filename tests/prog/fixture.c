/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables from a config, both copies of both programs over them, and one packet through both. */
#include "tests/prog/fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build/lb.skel.h"
#include "build/reply.skel.h"
#include "lb/kernel/sink.h"
#include "lb/kernel/stats.h"
#include "lb/model/desired.h"

#define LOOPBACK 1

enum { COUNTING, PRIVATE };

/* ---- tables from a config ------------------------------------------------------------------- */

static const struct ground_hop *hop_named(const struct ground_hop *hops, const char *service,
					  const char *backend)
{
	char name[2 * LB_NAME_MAX];

	snprintf(name, sizeof(name), "%s/%s", service, backend);
	for (; hops && hops->backend; hops++)
		if (!strcmp(hops->backend, name))
			return hops;
	return NULL;
}

static struct row_hop row_hop_of(const struct ground_hop *hop, size_t row, bool ipv6)
{
	unsigned int ifindex = hop ? hop->ifindex : BACK;
	const uint8_t dst_mac[6] = { 2, 0xbb, 0, 0, row >> 8, row & 0xff };
	struct row_hop made = { .known = ifindex != 0, .reason = "not known" };

	made.hop.ifindex = made.hop.via = ifindex;
	made.hop.local = !hop || !hop->remote;
	made.hop.mtu = 1500;
	made.hop.has_source = true;
	addr_parse(ipv6 ? "2001:db8:2::1" : "192.0.2.1", &made.hop.source);
	memcpy(made.hop.dst_mac, dst_mac, 6);
	memcpy(made.hop.src_mac, ifindex == FRONT ? front_mac : back_mac, 6);
	return made;
}

static struct row_hop *row_hops(const struct config *config, const struct ground_hop *hops)
{
	struct row_hop *rows = calloc(desired_row_count(config) + 1, sizeof(*rows));
	size_t row = 0;

	assert_non_null(rows);
	for (size_t s = 0; s < config->service_count; s++) {
		const struct config_service *service = &config->services[s];

		for (size_t b = 0; b < service->backend_count; b++)
			for (int family = 0; family < FAMILIES; family++)
				if (service->backends[b].has_address[family]) {
					rows[row] = row_hop_of(hop_named(hops, service->name,
									 service->backends[b].name),
							       row, family == IPV6);
					row++;
				}
	}
	return rows;
}

/* What this host's addresses and the backends' networks make of lb_direct. */
static struct net_view view_of_world(struct net_address *addresses)
{
	static const struct {
		unsigned int ifindex;
		const char *addr, *network;
	} rows[] = {
		{ FRONT, "192.0.2.1", "192.0.2.0/24" },
		{ FRONT, "2001:db8:2::1", "2001:db8:2::/64" },
		{ BACK, "10.1.0.1", "10.1.0.0/24" },
		{ BACK, "fd00::1", "fd00::/64" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		addresses[i].ifindex = rows[i].ifindex;
		assert_int_equal(addr_parse(rows[i].addr, &addresses[i].addr), 0);
		assert_int_equal(prefix_parse(rows[i].network, &addresses[i].network), 0);
	}
	return (struct net_view){ .addresses = addresses, .address_count = ARRAY_SIZE(rows) };
}

static void devices_fill(const struct dataplane *dataplane)
{
	static const uint32_t devices[] = { FRONT, BACK, SLIM };

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		struct bpf_devmap_val value = { .ifindex = devices[i] };

		assert_int_equal(bpf_map_update_elem(dataplane->devices, &devices[i], &value, 0),
				 0);
	}
}

static void tables_fill(struct ground *ground, const struct ground_hop *hops, struct diag *diag)
{
	struct overrides none = { 0 };
	struct net_address addresses[8] = { 0 };
	struct net_view view = view_of_world(addresses);
	struct row_hop *rows = row_hops(ground->config, hops);
	struct sources sources = { .config = ground->config, .overrides = &none, .view = &view,
				   .hops = rows };

	hash_keys_of(ground->config->hash_seed ? ground->config->hash_seed : "",
		     sources.hash_key);
	assert_int_equal(desired(&sources, NULL, &ground->state), 0);
	assert_int_equal(state_write_private(ground->dataplane, ground->state, diag), 0);
	free(rows);
	devices_fill(ground->dataplane);
}

static void programs_load(struct ground *ground, int copy)
{
	ground->lb[copy] = lb_bpf__open();
	ground->reply[copy] = reply_bpf__open();
	assert_non_null(ground->lb[copy]);
	assert_non_null(ground->reply[copy]);
	ground->lb[copy]->rodata->lb_private = copy == PRIVATE;
	ground->reply[copy]->rodata->lb_private = copy == PRIVATE;
	assert_int_equal(dataplane_share(ground->dataplane, ground->lb[copy]->obj), 0);
	assert_int_equal(dataplane_share(ground->dataplane, ground->reply[copy]->obj), 0);
	assert_int_equal(lb_bpf__load(ground->lb[copy]), 0);
	assert_int_equal(reply_bpf__load(ground->reply[copy]), 0);
}

struct ground *ground_open(const char *config, const struct ground_hop *hops)
{
	struct ground *ground = calloc(1, sizeof(*ground));
	struct diag diag = { 0 };

	assert_non_null(ground);
	if (config_load_text("test.conf", config, &ground->config, &diag)) {
		diag_print(&diag, stderr);
		fail_msg("the test's own config is refused");
	}
	assert_int_equal(dataplane_open_private(ground->config->max_slots, &ground->dataplane,
						&diag), 0);
	tables_fill(ground, hops, &diag);
	programs_load(ground, COUNTING);
	programs_load(ground, PRIVATE);
	diag_clear(&diag);
	return ground;
}

void ground_close(struct ground *ground)
{
	if (!ground)
		return;
	for (int copy = 0; copy < 2; copy++) {
		lb_bpf__destroy(ground->lb[copy]);
		reply_bpf__destroy(ground->reply[copy]);
	}
	state_free(ground->state);
	dataplane_close(ground->dataplane);
	config_free(ground->config);
	free(ground);
}

const struct backend *ground_backend(const struct ground *ground, const char *name, bool ipv6)
{
	char full[2 * LB_NAME_MAX + 1];

	for (size_t s = 0; s < ground->state->service_count; s++) {
		const struct service *service = &ground->state->services[s];

		for (size_t b = 0; b < service->backend_count; b++) {
			snprintf(full, sizeof(full), "%s/%s", service->name,
				 service->backends[b].name);
			if (service->backends[b].family == (ipv6 ? IPV6 : IPV4) &&
			    !strcmp(full, name))
				return &service->backends[b];
		}
	}
	fail_msg("the test's own config has no backend %s", name);
	return NULL;
}

/* ---- running -------------------------------------------------------------------------------- */

static enum lb_action action_of_xdp(uint32_t returned)
{
	switch (returned) {
	case XDP_PASS:
		return LB_PASS;
	case XDP_DROP:
		return LB_DROP;
	case XDP_TX:
		return LB_TX;
	case XDP_REDIRECT:
		return LB_REDIRECT;
	}
	fail_msg("lb returned %u", returned);
	return LB_DROP;
}

static enum lb_action action_of_tc(uint32_t returned)
{
	switch ((int)returned) {
	case TC_ACT_UNSPEC:
		return LB_PASS;
	case TC_ACT_SHOT:
		return LB_DROP;
	case TC_ACT_REDIRECT:
		return LB_REDIRECT;
	}
	fail_msg("lb_reply returned %d", (int)returned);
	return LB_DROP;
}

static enum lb_action lb_run(struct lb_bpf *lb, unsigned int ifindex, const struct frame *in,
			     struct frame *ret_out)
{
	struct xdp_md context = { .data_end = in->size, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->bytes, .data_size_in = in->size,
		    .data_out = ret_out->bytes, .data_size_out = FRAME_MAX, .repeat = 1,
		    .ctx_in = &context, .ctx_size_in = sizeof(context));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(lb->progs.lb), &options), 0);
	ret_out->size = options.data_size_out;
	return action_of_xdp(options.retval);
}

static enum lb_action reply_run(struct reply_bpf *reply, unsigned int ifindex,
				const struct frame *in, struct frame *ret_out)
{
	struct __sk_buff context = { .ifindex = ifindex, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->bytes, .data_size_in = in->size,
		    .data_out = ret_out->bytes, .data_size_out = FRAME_MAX, .repeat = 1,
		    .ctx_in = &context, .ctx_size_in = sizeof(context));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(reply->progs.lb_reply), &options),
			 0);
	ret_out->size = options.data_size_out;
	return action_of_tc(options.retval);
}

static enum lb_action program_run(struct ground *ground, int copy, enum program program,
				  unsigned int ifindex, const struct frame *in,
				  struct frame *ret_out)
{
	memset(ret_out, 0, sizeof(*ret_out));
	trace_clear(ground->dataplane->trace);
	return program == LB ? lb_run(ground->lb[copy], ifindex, in, ret_out)
			     : reply_run(ground->reply[copy], ifindex, in, ret_out);
}

static void trace_read(const struct ground *ground, struct outcome *outcome)
{
	const struct lb_trace *trace = ground->dataplane->trace;

	outcome->verdict = trace->verdict;
	outcome->service = trace->service;
	outcome->backend = trace->backend;
	outcome->slot = trace->slot;
	outcome->name[0] = 0;
	if (trace->service)
		snprintf(outcome->name, sizeof(outcome->name), "%s%s%s",
			 ground->dataplane->service_info[trace->service].name,
			 trace->backend ? "/" : "",
			 ground->dataplane->backend_info[trace->backend].name);
}

/* The one verdict that is counted once more than before. */
static enum lb_verdict verdict_counted(const uint64_t *before, const uint64_t *after)
{
	int counted = -1;

	for (int i = 0; i < LB_VERDICT_COUNT; i++) {
		if (after[i] == before[i])
			continue;
		if (counted >= 0 || after[i] != before[i] + 1)
			fail_msg("counted more than once: %s", verdict_name(i));
		counted = i;
	}
	if (counted < 0)
		fail_msg("not counted at all");
	return counted;
}

static bool is_encapsulated(enum lb_verdict verdict)
{
	return verdict == LB_REDIRECT_IPIP || verdict == LB_TX_IPIP || verdict == LB_REDIRECT_GUE ||
	       verdict == LB_TX_GUE || verdict == LB_PASS_ENCAP_FRAGMENT;
}

/* A private copy asks no route and no device; but for what only they know, it says what the
 * counting one says, and sends the same bytes, replies' MACs excepted. */
static void copies_agree(enum lb_verdict live, const struct frame *live_out,
			 const struct outcome *copy)
{
	switch (live) {
	case LB_PASS_REPLY_SLOW:
	case LB_PASS_REPLY_TOO_BIG:
	case LB_DROP_REPLY_NO_ROUTE:
	case LB_DROP_REPLY_FORWARDING:
	case LB_TX_REPLY:
		assert_verdict(copy->verdict, LB_REDIRECT_REPLY);
		return;
	case LB_REDIRECT_REPLY:
		assert_verdict(copy->verdict, LB_REDIRECT_REPLY);
		assert_memory_equal(live_out->bytes + 12, copy->out.bytes + 12,
				    live_out->size - 12);
		return;
	case LB_TX_PMTU:
	case LB_REDIRECT_PMTU:
		assert_int_equal(live_out->size, copy->out.size);
		assert_memory_equal(live_out->bytes + 12, copy->out.bytes + 12,
				    live_out->size - 12);
		return;
	case LB_DROP_NO_NEXT_HOP:
		if (copy->verdict != live)
			assert_int_equal(verdict_action(copy->verdict), LB_REDIRECT);
		return;
	case LB_DROP_NO_BACKEND: /* a private copy has as many answers as it wants */
		if (copy->verdict == LB_TX_REJECT)
			return;
		/* fall through */
	case LB_DROP_TOO_BIG:
		if (copy->verdict == LB_TX_TOO_BIG || copy->verdict == LB_REDIRECT_PMTU)
			return;
		/* fall through */
	default:
		assert_verdict(copy->verdict, live);
		if (is_encapsulated(live)) /* IPv4 identifications may be drawn */
			assert_int_equal(copy->out.size, live_out->size);
		else
			assert_frame(&copy->out, live_out);
	}
}

/* What must hold of any packet that leaves, whatever its row says. What is encapsulated is no plain
 * frame any more: its rows compare all of it. */
static void output_check(enum lb_verdict verdict, const struct frame *in, const struct frame *out)
{
	enum lb_action action = verdict_action(verdict);

	if (is_encapsulated(verdict))
		return;
	if (action == LB_PASS || action == LB_DROP)
		assert_frame(out, in);
	else if (frame_checksums_right(in))
		assert_true(frame_checksums_right(out));
}

void ground_run(struct ground *ground, enum program program, unsigned int ifindex,
		const struct frame *in, struct outcome *ret_outcome)
{
	uint64_t before[LB_VERDICT_COUNT], after[LB_VERDICT_COUNT];
	enum lb_verdict verdict;
	enum lb_action action;
	struct frame out;

	stats_verdicts(ground->dataplane, before);
	action = program_run(ground, COUNTING, program, ifindex, in, &out);
	stats_verdicts(ground->dataplane, after);
	verdict = verdict_counted(before, after);
	assert_string_equal(action_name(action), action_name(verdict_action(verdict)));

	program_run(ground, PRIVATE, program, ifindex, in, &ret_outcome->out);
	trace_read(ground, ret_outcome);
	copies_agree(verdict, &out, ret_outcome);
	ret_outcome->verdict = verdict;
	ret_outcome->out = out;
	output_check(verdict, in, &out);
}

void ground_trace(struct ground *ground, const struct frame *in, struct outcome *ret_outcome)
{
	program_run(ground, PRIVATE, LB, LOOPBACK, in, &ret_outcome->out);
	trace_read(ground, ret_outcome);
}

/* ---- what a row expects --------------------------------------------------------------------- */

void assert_verdict(enum lb_verdict actual, enum lb_verdict expected)
{
	assert_string_equal(verdict_name(actual), verdict_name(expected));
}

void assert_frame(const struct frame *actual, const struct frame *expected)
{
	assert_int_equal(actual->size, expected->size);
	assert_memory_equal(actual->bytes, expected->bytes, expected->size);
}
