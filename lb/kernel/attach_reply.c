/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb_reply in tc ingress, and what is taken away without a daemon. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "build/reply.skel.h"
#include "lb/kernel/attach.h"
#include "lb/kernel/tc_attach.h"

static struct tc_kind reply_kind(const struct dataplane *dataplane)
{
	return (struct tc_kind){ .pin = dataplane->pin, .table = "lb_settings",
				 .priority = TC_PRIORITY_LB };
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

int reply_attach(struct dataplane *dataplane, unsigned int ifindex, struct diag *diag)
{
	struct tc_kind kind = reply_kind(dataplane);
	char name[IFNAMSIZ];
	int err = reply_load(dataplane, diag);

	if (err)
		return err;
	err = tc_attach(&kind, ifindex, bpf_program__fd(dataplane->reply->progs.lb_reply));
	if (err) {
		device_name(ifindex, name);
		diag_add(diag, NULL, 0, "%s: cannot attach lb_reply to tc ingress: %s", name,
			 strerror(-err));
	}
	return err;
}

bool reply_is_ours(const struct dataplane *dataplane, unsigned int ifindex)
{
	struct tc_kind kind = reply_kind(dataplane);

	return tc_is_ours(&kind, ifindex);
}

int reply_detach(struct dataplane *dataplane, unsigned int ifindex)
{
	struct tc_kind kind = reply_kind(dataplane);

	return tc_detach(&kind, ifindex);
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
	/* A directory that has only that of decap inside is not a daemon's. */
	bool of_decap = lock >= 0 && !faccessat(lock, "decap", F_OK, 0) &&
			faccessat(lock, "lb_layout", F_OK, 0);
	int err = of_decap ? -ENOENT : lock < 0 ? -errno : 0;

	if (err) {
		diag_add(diag, NULL, 0, "pins %s: %s", pin,
			 err == -ENOENT ? "there are none" : strerror(-err));
		if (lock >= 0)
			close(lock);
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
