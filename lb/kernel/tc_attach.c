/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/kernel/tc_attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <netlink/route/classifier.h>
#include <netlink/route/tc.h>
#include <string.h>

#include "lb/kernel/program.h"
#include "lb/model/siphash.h"

static struct bpf_tc_hook hook_of(const struct tc_kind *kind, unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = kind->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);

	return hook;
}

static struct bpf_tc_opts options_of(const struct tc_kind *kind)
{
	static const uint64_t key[2] = { 0, 0 };
	LIBBPF_OPTS(bpf_tc_opts, options, .priority = kind->priority);

	options.handle = (siphash(key, kind->pin, strlen(kind->pin)) & 0x7fffffff) | 1;
	return options;
}

static bool is_current(const struct tc_kind *kind, const struct bpf_tc_hook *hook, int fd)
{
	struct bpf_tc_opts options = options_of(kind);
	struct program standing;

	return !bpf_tc_query(hook, &options) && !program_of_id(options.prog_id, &standing) &&
	       program_is_current(&standing, fd, kind->pin, kind->table);
}

int tc_attach(const struct tc_kind *kind, unsigned int ifindex, int fd)
{
	struct bpf_tc_hook hook = hook_of(kind, ifindex);
	struct bpf_tc_opts options = options_of(kind);
	int err = bpf_tc_hook_create(&hook);

	if (err && err != -EEXIST)
		return err;
	if (is_current(kind, &hook, fd))
		return 0;
	options.prog_fd = fd;
	options.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&hook, &options);
}

bool tc_is_ours(const struct tc_kind *kind, unsigned int ifindex)
{
	struct bpf_tc_hook hook = hook_of(kind, ifindex);
	struct bpf_tc_opts options = options_of(kind);

	return !bpf_tc_query(&hook, &options);
}

/* Filters of others on this device keep its clsact qdisc; without any it goes too. */
static bool has_filters(unsigned int ifindex)
{
	static const uint32_t parents[] = { TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
					    TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) };
	struct nl_sock *sock = nl_socket_alloc();
	struct nl_cache *cache;
	bool found = true;

	if (!sock)
		return true;
	if (!nl_connect(sock, NETLINK_ROUTE)) {
		found = false;
		for (int i = 0; i < 2; i++)
			if (!rtnl_cls_alloc_cache(sock, ifindex, parents[i], &cache)) {
				found |= nl_cache_nitems(cache) > 0;
				nl_cache_free(cache);
			}
	}
	nl_socket_free(sock);
	return found;
}

int tc_detach(const struct tc_kind *kind, unsigned int ifindex)
{
	struct bpf_tc_hook hook = hook_of(kind, ifindex);
	struct bpf_tc_opts options = options_of(kind);
	int err = bpf_tc_detach(&hook, &options);

	if (has_filters(ifindex))
		return err;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
	return err;
}
