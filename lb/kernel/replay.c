/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private copies of lb and lb_reply, and one packet at a time through them. The copies are loaded
 * with lb_private set: they count nothing, ask no route and tell their verdict in lb_trace. */
#include "lb/kernel/replay.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "build/lb.skel.h"
#include "build/reply.skel.h"
#include "lb/kernel/sink.h"
#include "lb/model/desired.h"

#define LOOPBACK 1	/* the ifindex by which test runs come in */
#define ELSEWHERE 2	/* some other one: nothing is sent */

struct replay {
	struct dataplane *dataplane;
	struct state *state;
	struct lb_bpf *lb;
	struct reply_bpf *reply;
	struct config *config;	/* borrowed; NULL: the live tables */
	unsigned int ifindex;	/* by which frames come in; 0: LOOPBACK */
	struct overrides none;
	struct net_view nothing;
};

/* ---- names ---------------------------------------------------------------------------------- */

#define VERDICT_ROW(name, action, text) { #name, action, text },
static const struct {
	const char *name;
	enum lb_action action;
	const char *text;
} verdicts[] = { LB_VERDICTS(VERDICT_ROW) };

const char *verdict_name(enum lb_verdict verdict)
{
	return verdicts[verdict].name;
}

const char *verdict_text(enum lb_verdict verdict)
{
	return verdicts[verdict].text;
}

enum lb_action verdict_action(enum lb_verdict verdict)
{
	return verdicts[verdict].action;
}

const char *action_name(enum lb_action action)
{
	static const char *const names[] = { "pass", "drop", "tx", "redirect" };

	return names[action];
}

/* ---- loading -------------------------------------------------------------------------------- */

static int programs_load(struct replay *replay, struct diag *diag)
{
	int err;

	replay->lb = lb_bpf__open();
	replay->reply = reply_bpf__open();
	if (!replay->lb || !replay->reply)
		return -ENOMEM;
	replay->lb->rodata->lb_private = true;
	replay->reply->rodata->lb_private = true;
	replay->reply->rodata->lb_readonly = !replay->config;
	replay->lb->rodata->lb_readonly = !replay->config; /* the tables are the live ones */
	err = dataplane_share(replay->dataplane, replay->lb->obj);
	if (!err)
		err = dataplane_share(replay->dataplane, replay->reply->obj);
	if (!err)
		err = lb_bpf__load(replay->lb);
	if (!err)
		err = reply_bpf__load(replay->reply);
	if (err)
		diag_add(diag, NULL, 0, "cannot load the programs: %s%s", strerror(-err),
			 err == -EPERM ? " (this needs root)" : "");
	return err;
}

/* ---- private tables -------------------------------------------------------------------------- */

/* A front interface stands for the one by which test runs come in; every other device is some
 * other one. Without a network there is nothing to look up, so what the config does not say is
 * taken to be a container of this host with an invented MAC, and encapsulated packets come from
 * an address that documentation owns. */
static void row_invent(const struct config *config, const struct config_backend *backend,
		       int family, struct row_hop *hop)
{
	static const unsigned char unknown[6] = { 0x02, 0, 0, 0, 0, 0x01 };

	hop->known = true;
	hop->hop.mtu = 1500;
	hop->hop.has_source = true;
	addr_parse(family == IPV6 ? "2001:db8::1" : "192.0.2.1", &hop->hop.source);
	hop->hop.local = true;
	hop->hop.ifindex = ELSEWHERE;
	memcpy(hop->hop.dst_mac, backend->has_mac ? backend->mac : unknown, 6);
	memcpy(hop->hop.src_mac, unknown, 6);
	for (size_t i = 0; backend->interface && i < config->interface_count; i++)
		if (!strcmp(config->interfaces[i].name, backend->interface)) {
			hop->hop.ifindex = LOOPBACK;
			hop->hop.local = false;
		}
}

static struct row_hop *rows_invent(const struct config *config)
{
	struct row_hop *hops = calloc(desired_row_count(config) + 1, sizeof(*hops));
	size_t count = 0;

	for (size_t s = 0; hops && s < config->service_count; s++)
		for (size_t b = 0; b < config->services[s].backend_count; b++)
			for (int family = 0; family < FAMILIES; family++)
				if (config->services[s].backends[b].has_address[family])
					row_invent(config, &config->services[s].backends[b],
						   family, &hops[count++]);
	return hops;
}

static int tables_fill(struct replay *replay, struct diag *diag)
{
	struct sources sources = { .config = replay->config, .overrides = &replay->none,
				   .view = &replay->nothing };
	int err;

	hash_keys_of(replay->config->hash_seed ? replay->config->hash_seed : "",
		     sources.hash_key);
	sources.hops = rows_invent(replay->config);
	if (!sources.hops)
		return -ENOMEM;
	err = desired(&sources, NULL, &replay->state);
	free((void *)sources.hops);
	if (!err)
		err = state_write_private(replay->dataplane, replay->state, diag);
	return err;
}

int replay_open_config(struct config *config, struct replay **ret_replay, struct diag *diag)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int err;

	if (!replay)
		return -ENOMEM;
	replay->config = config;
	err = dataplane_open_private(config->max_slots, &replay->dataplane, diag);
	if (!err)
		err = tables_fill(replay, diag);
	if (!err)
		err = programs_load(replay, diag);
	if (err)
		replay_close(replay);
	else
		*ret_replay = replay;
	return err;
}

int replay_open_pins(const char *pin, struct replay **ret_replay, struct diag *diag)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int err;

	if (!replay)
		return -ENOMEM;
	err = dataplane_open_existing(pin, &replay->dataplane, diag);
	if (!err)
		err = programs_load(replay, diag);
	if (err)
		replay_close(replay);
	else
		*ret_replay = replay;
	return err;
}

void replay_close(struct replay *replay)
{
	if (!replay)
		return;
	lb_bpf__destroy(replay->lb);
	reply_bpf__destroy(replay->reply);
	state_free(replay->state);
	dataplane_close(replay->dataplane);
	free(replay);
}

/* ---- one packet ------------------------------------------------------------------------------ */

/* Where the packet was going; of what a backend behind NAT says: what the backend stands behind. */
static void vip_fill(const struct replay *replay, const struct lb_trace *trace,
		     struct replay_result *result)
{
	const struct lb_backend *backend = &replay->dataplane->backends[trace->backend];
	bool reply = trace->backend && backend->forward == LB_FORWARD_NAT &&
		     !memcmp(&trace->src, &backend->address, sizeof(trace->src));
	const union lb_addr *vip = reply ? &backend->vip : &trace->dst;
	__be16 port = reply ? (backend->port ? backend->vip_port : trace->sport) : trace->dport;

	memcpy(result->vip.byte, vip->byte, sizeof(result->vip.byte));
	result->vip_port = ntohs(port);
}

static void result_fill(const struct replay *replay, struct replay_result *result)
{
	const struct dataplane *dataplane = replay->dataplane;
	const struct lb_trace *trace = dataplane->trace;

	memset(result, 0, sizeof(*result));
	result->verdict = (enum lb_verdict)trace->verdict;
	result->action = verdict_action(result->verdict);
	if (trace->service)
		result->service = dataplane->service_info[trace->service].name;
	if (trace->backend)
		result->backend = dataplane->backend_info[trace->backend].name;
	result->has_vip = trace->service != 0;
	result->protocol = trace->protocol;
	vip_fill(replay, trace, result);
}

void replay_come_in(struct replay *replay, unsigned int ifindex)
{
	replay->ifindex = ifindex;
}

const struct dataplane *replay_dataplane(const struct replay *replay)
{
	return replay->dataplane;
}

int replay_run(struct replay *replay, bool reply, const void *frame, size_t size, void *out,
	       size_t *ret_size, struct replay_result *ret_result)
{
	struct xdp_md md = { .data_end = (__u32)size, .ingress_ifindex = replay->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = size,
		    .data_out = out, .data_size_out = REPLAY_OUT_MAX, .repeat = 1);
	int fd = bpf_program__fd(reply ? replay->reply->progs.lb_reply : replay->lb->progs.lb);
	int err;

	if (size < 14 || size > (reply ? REPLAY_REPLY_MAX : REPLAY_PACKET_MAX))
		return -EMSGSIZE;
	if (replay->ifindex && !reply) {
		options.ctx_in = &md;
		options.ctx_size_in = sizeof(md);
	}
	trace_clear(replay->dataplane->trace);
	err = bpf_prog_test_run_opts(fd, &options);
	if (err)
		return err == -EINVAL && options.ctx_in ? -ENODEV : err;
	*ret_size = options.data_size_out;
	result_fill(replay, ret_result);
	return 0;
}
