/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb_reply in tc ingress. Each pin directory has a handle of its own, so that the daemons of one
 * host can stand on the same veth; the priority leaves room before it for isolation, whose
 * program ends in TC_ACT_UNSPEC. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netlink/route/classifier.h>
#include <netlink/route/tc.h>
#include <linux/pkt_sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <fcntl.h>
#include <unistd.h>

#include "build/reply.skel.h"
#include "lb/kernel/attach.h"
#include "lb/kernel/program.h"
#include "lb/model/siphash.h"

#define PRIORITY 0xed1b

static uint32_t handle_of(const struct dataplane *dataplane)
{
	static const uint64_t key[2] = { 0, 0 };

	return (siphash(key, dataplane->pin, strlen(dataplane->pin)) & 0x7fffffff) | 1;
}

int reply_load(struct dataplane *dataplane, struct diag *diag)
{
	int err = 0;

	if (dataplane->reply)
		return 0;
	dataplane->reply = reply_bpf__open();
	if (!dataplane->reply)
		err = -errno;
	if (!err)
		err = dataplane_share(dataplane, dataplane->reply->obj);
	if (!err)
		err = reply_bpf__load(dataplane->reply);
	if (err) {
		reply_bpf__destroy(dataplane->reply);
		dataplane->reply = NULL;
		diag_add(diag, NULL, 0, "cannot load lb_reply: %s", strerror(-err));
	}
	return err;
}

static void device_name(unsigned int ifindex, char name[IFNAMSIZ])
{
	if (!if_indextoname(ifindex, name))
		snprintf(name, IFNAMSIZ, "#%u", ifindex);
}

static bool reply_is_current(const struct dataplane *dataplane, const struct bpf_tc_hook *hook)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle_of(dataplane), .priority = PRIORITY);
	int fd = bpf_program__fd(dataplane->reply->progs.lb_reply);
	struct program standing;

	return !bpf_tc_query(hook, &options) && !program_of_id(options.prog_id, &standing) &&
	       program_is_current(&standing, fd, dataplane->pin, "lb_settings");
}

int reply_attach(struct dataplane *dataplane, unsigned int ifindex, struct diag *diag)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle_of(dataplane), .priority = PRIORITY,
		    .flags = BPF_TC_F_REPLACE);
	char name[IFNAMSIZ];
	int err = reply_load(dataplane, diag);

	if (err)
		return err;
	err = bpf_tc_hook_create(&hook);
	if (err == -EEXIST)
		err = 0;
	if (!err && reply_is_current(dataplane, &hook))
		return 0;
	options.prog_fd = bpf_program__fd(dataplane->reply->progs.lb_reply);
	if (!err)
		err = bpf_tc_attach(&hook, &options);
	if (err) {
		device_name(ifindex, name);
		diag_add(diag, NULL, 0, "%s: cannot attach lb_reply to tc ingress: %s", name,
			 strerror(-err));
	}
	return err;
}

bool reply_is_ours(const struct dataplane *dataplane, unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle_of(dataplane), .priority = PRIORITY);

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

int reply_detach(struct dataplane *dataplane, unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle_of(dataplane), .priority = PRIORITY);
	int err = bpf_tc_detach(&hook, &options);

	if (has_filters(ifindex))
		return err;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
	return err;
}

/* ---- without a daemon ----------------------------------------------------------------------- */

static void programs_detach(struct dataplane *dataplane, struct diag *diag)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *at = all; at && at->if_index; at++) {
		if (front_is_ours(dataplane, at->if_index, NULL))
			front_detach(dataplane, at->if_index, diag);
		if (reply_is_ours(dataplane, at->if_index))
			reply_detach(dataplane, at->if_index);
	}
	if_freenameindex(all);
}

int unload_pins(const char *pin, struct diag *diag)
{
	struct dataplane dataplane = { .pin = (char *)pin };
	int lock = open(pin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = lock < 0 ? -errno : 0;

	if (err) {
		diag_add(diag, NULL, 0, "pins %s: %s", pin,
			 err == -ENOENT ? "there are none" : strerror(-err));
		return err;
	}
	if (flock(lock, LOCK_EX | LOCK_NB)) {
		diag_add(diag, NULL, 0, "pins %s: an lbd works with them; stop it first", pin);
		close(lock);
		return -EBUSY;
	}
	programs_detach(&dataplane, diag);
	err = dataplane_unpin(pin, diag);
	close(lock);
	return err;
}
