/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_backstop on the host's ends of veths. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build/policy.skel.h"
#include "lb/kernel/tc_attach.h"
#include "policy/kernel_private.h"

static struct tc_kind backstop_kind(const char *pins)
{
	return (struct tc_kind){ .pin = pins, .table = "policy_settings",
				 .priority = TC_PRIORITY_POLICY };
}

static bool is_listed(const unsigned int *list, size_t count, unsigned int ifindex)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == ifindex)
			return true;
	return false;
}

/* Every interface of this network namespace that has it. */
static int standing_find(struct policy_kernel *kernel)
{
	struct tc_kind kind = backstop_kind(kernel->pins);
	struct if_nameindex *all = if_nameindex();
	size_t count = 0;
	unsigned int *list;

	if (!all)
		return -errno;
	while (all[count].if_index)
		count++;
	list = calloc(count + 1, sizeof(*list));
	for (size_t i = 0; list && i < count; i++)
		if (tc_is_ours(&kind, all[i].if_index))
			list[kernel->attached_count++] = all[i].if_index;
	if_freenameindex(all);
	kernel->attached = list;
	kernel->looked = list != NULL;
	return list ? 0 : -ENOMEM;
}

static int port_attach(struct policy_kernel *kernel, unsigned int ifindex, struct diag *diag)
{
	struct tc_kind kind = backstop_kind(kernel->pins);
	char name[IFNAMSIZ];
	int err;

	if (!if_indextoname(ifindex, name))
		return -ENODEV;
	err = tc_attach(&kind, ifindex, bpf_program__fd(kernel->skel->progs.policy_backstop));
	if (err && !if_indextoname(ifindex, name))
		return -ENODEV;
	if (err)
		diag_add(diag, NULL, 0, "%s: cannot attach policy_backstop to tc ingress: %s",
			 name, strerror(-err));
	return err;
}

/* One that could not be attached does not keep the others from it. The program stays where nobody's
 * interface it is any more: there it lets all pass, and to make or to remove a qdisc loses packets,
 * because the kernel stops the device for a moment. */
int policy_kernel_ports(struct policy_kernel *kernel, const struct policy_backstop *ports,
			size_t count, bool check, struct diag *diag)
{
	struct tc_kind kind = backstop_kind(kernel->pins);
	int err = 0, found = kernel->looked ? 0 : standing_find(kernel);
	unsigned int *now = calloc(count + kernel->attached_count + 1, sizeof(*now));
	size_t now_count = 0;

	if (!now || found) {
		free(now);
		return now ? found : -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		unsigned int ifindex = ports[i].ifindex;
		int result = 0;

		if (check || !is_listed(kernel->attached, kernel->attached_count, ifindex))
			result = port_attach(kernel, ifindex, diag);
		if (!result)
			now[now_count++] = ifindex;
		else if (result != -ENODEV)
			err = result;
	}
	for (size_t i = 0; i < kernel->attached_count; i++)
		if (!is_listed(now, now_count, kernel->attached[i]) &&
		    tc_is_ours(&kind, kernel->attached[i]))
			now[now_count++] = kernel->attached[i];
	free(kernel->attached);
	kernel->attached = now;
	kernel->attached_count = now_count;
	return err;
}

void policy_backstop_remove(const char *pins)
{
	struct tc_kind kind = backstop_kind(pins);
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *at = all; at && at->if_index; at++)
		if (tc_is_ours(&kind, at->if_index))
			tc_detach(&kind, at->if_index);
	if_freenameindex(all);
}
