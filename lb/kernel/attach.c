/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb on the front interfaces. With libxdp's dispatcher it stands beside other XDP programs; where
 * the kernel refuses the dispatcher (or tuning.exclusive says so) it is the only one. Either way
 * a newer lb takes the older one's place without a moment in which none is there:
 * bpf_xdp_attach() with the old program's fd, or a second place in the dispatcher before the
 * first is given up. */
#include "lb/kernel/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "build/lb.skel.h"

#define PROGRAM "lb"

struct attached {
	uint32_t id;		/* of an lb; 0: none */
	char tag[8];
	bool ours, dispatcher, generic;
	uint32_t foreign_id;	/* of a program that is not lb and leaves no room; 0: none */
	char foreign_name[16];
};

static void front_pin_path(const struct dataplane *dataplane, unsigned int ifindex, char *path)
{
	snprintf(path, PATH_MAX, "%s/front_%u", dataplane->pin, ifindex);
}

static int program_info(int fd, struct bpf_prog_info *ret_info)
{
	__u32 size = sizeof(*ret_info);

	memset(ret_info, 0, sizeof(*ret_info));
	return bpf_obj_get_info_by_fd(fd, ret_info, &size);
}

static uint32_t pinned_id(const struct dataplane *dataplane, unsigned int ifindex)
{
	struct bpf_prog_info info = { 0 };
	char path[PATH_MAX];
	int fd;

	front_pin_path(dataplane, ifindex, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (program_info(fd, &info))
		info.id = 0;
	close(fd);
	return info.id;
}

/* Looks at one attached program; several are there only with the dispatcher. */
static void attached_note(struct attached *attached, struct xdp_program *program, uint32_t ours)
{
	if (!program)
		return;
	if (strcmp(xdp_program__name(program), PROGRAM)) {
		attached->foreign_id = xdp_program__id(program);
		snprintf(attached->foreign_name, sizeof(attached->foreign_name), "%s",
			 xdp_program__name(program));
	} else if (!attached->ours) {
		attached->id = xdp_program__id(program);
		attached->ours = attached->id == ours;
		memcpy(attached->tag, xdp_program__tag(program), sizeof(attached->tag));
	}
}

static struct attached attached_read(const struct dataplane *dataplane, unsigned int ifindex)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	uint32_t ours = pinned_id(dataplane, ifindex);
	struct attached attached = { 0 };
	struct xdp_program *program = NULL;

	if (!all || libxdp_get_error(all))
		return attached;
	attached.generic = xdp_multiprog__attach_mode(all) == XDP_MODE_SKB;
	attached.dispatcher = !xdp_multiprog__is_legacy(all);
	if (attached.dispatcher)
		while ((program = xdp_multiprog__next_prog(program, all)))
			attached_note(&attached, program, ours);
	else
		attached_note(&attached, xdp_multiprog__main_prog(all), ours);
	if (attached.dispatcher)
		attached.foreign_id = 0; /* it leaves room */
	xdp_multiprog__close(all);
	return attached;
}

bool front_is_ours(const struct dataplane *dataplane, unsigned int ifindex, bool *ret_generic)
{
	struct attached attached = attached_read(dataplane, ifindex);

	if (ret_generic)
		*ret_generic = attached.generic;
	return attached.ours;
}

/* ---- attaching ------------------------------------------------------------------------------ */

static struct lb_bpf *program_open(const struct dataplane *dataplane)
{
	struct lb_bpf *skel = lb_bpf__open();

	if (skel && dataplane_share(dataplane, skel->obj)) {
		lb_bpf__destroy(skel);
		return NULL;
	}
	return skel;
}

/* By libxdp: beside others where the kernel can. On success the program is pinned. */
static int attach_shared(const struct dataplane *dataplane, unsigned int ifindex,
			 enum xdp_attach_mode mode)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .prog_name = PROGRAM);
	struct lb_bpf *skel = program_open(dataplane);
	struct xdp_program *program;
	char path[PATH_MAX];
	int err;

	if (!skel)
		return -errno;
	options.obj = skel->obj;
	program = xdp_program__create(&options);
	err = libxdp_get_error(program);
	if (!err) {
		err = xdp_program__attach(program, ifindex, mode, 0);
		front_pin_path(dataplane, ifindex, path);
		if (!err) {
			unlink(path);
			err = bpf_obj_pin(xdp_program__fd(program), path) ? -errno : 0;
		}
		xdp_program__close(program);
	}
	lb_bpf__destroy(skel);
	return err;
}

/* The only program of the interface, put in the place of `old_id` (0: of none). */
static int attach_alone(const struct dataplane *dataplane, unsigned int ifindex,
			enum xdp_attach_mode mode, uint32_t old_id, const char *old_tag)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, options);
	struct lb_bpf *skel = program_open(dataplane);
	struct bpf_prog_info info;
	char path[PATH_MAX];
	__u32 flags = mode == XDP_MODE_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	int err;

	if (!skel)
		return -errno;
	err = lb_bpf__load(skel);
	if (!err)
		err = program_info(bpf_program__fd(skel->progs.lb), &info);
	if (!err && old_id && !memcmp(info.tag, old_tag, sizeof(info.tag)))
		goto out; /* the same program is there already */
	if (!err && old_id) {
		options.old_prog_fd = bpf_prog_get_fd_by_id(old_id);
		flags |= XDP_FLAGS_REPLACE;
	} else {
		flags |= XDP_FLAGS_UPDATE_IF_NOEXIST;
	}
	if (!err)
		err = bpf_xdp_attach(ifindex, bpf_program__fd(skel->progs.lb), flags,
				     old_id ? &options : NULL);
	if (options.old_prog_fd > 0)
		close(options.old_prog_fd);
	front_pin_path(dataplane, ifindex, path);
	if (!err) {
		unlink(path);
		err = bpf_program__pin(skel->progs.lb, path);
	}
out:
	lb_bpf__destroy(skel);
	return err;
}

static int detach_shared(unsigned int ifindex, uint32_t id)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;
	int err = -ENOENT;

	if (!all || libxdp_get_error(all))
		return -ENOENT;
	while ((program = xdp_multiprog__next_prog(program, all)))
		if (xdp_program__id(program) == id) {
			err = xdp_program__detach(program, ifindex,
						  xdp_multiprog__attach_mode(all), 0);
			break;
		}
	xdp_multiprog__close(all);
	return err;
}

/* The tag that this daemon's lb has here: a freplace program has the same instructions. */
static bool tag_is_current(const struct dataplane *dataplane, const char *tag)
{
	struct lb_bpf *skel = program_open(dataplane);
	struct bpf_prog_info info;
	bool same = skel && !lb_bpf__load(skel) &&
		    !program_info(bpf_program__fd(skel->progs.lb), &info) &&
		    !memcmp(info.tag, tag, sizeof(info.tag));

	lb_bpf__destroy(skel);
	return same;
}

static int attach_in_mode(const struct dataplane *dataplane, unsigned int ifindex, bool exclusive,
			  enum xdp_attach_mode mode, const struct attached *old)
{
	int err;

	if (!old->ours)
		return exclusive ? attach_alone(dataplane, ifindex, mode, 0, NULL)
				 : attach_shared(dataplane, ifindex, mode);
	if (!old->dispatcher)
		return attach_alone(dataplane, ifindex, mode, old->id, old->tag);
	if (tag_is_current(dataplane, old->tag))
		return 0;
	err = attach_shared(dataplane, ifindex, mode);
	return err ? err : detach_shared(ifindex, old->id);
}

static int refuse_others(const struct front *front, const struct attached *attached,
			 bool exclusive, struct diag *diag)
{
	if (attached->id && !attached->ours) {
		diag_add(diag, NULL, 0,
			 "interface %s: another lbd balances it (program %s, id %u)", front->name,
			 PROGRAM, attached->id);
		return -EBUSY;
	}
	if (attached->foreign_id || (exclusive && attached->dispatcher && !attached->ours)) {
		diag_add(diag, NULL, 0,
			 "interface %s: an XDP program that is not ours leaves no room (%s, id "
			 "%u); detach it first: ip link set dev %s xdp off",
			 front->name, attached->foreign_name, attached->foreign_id, front->name);
		return -EBUSY;
	}
	return 0;
}

int front_attach(struct dataplane *dataplane, const struct front *front, bool exclusive,
		 bool *ret_generic, struct diag *diag)
{
	struct attached old = attached_read(dataplane, front->ifindex);
	bool generic = front->mode == CONFIG_MODE_GENERIC;
	int err = refuse_others(front, &old, exclusive, diag);

	if (err)
		return err;
	if (old.ours && front->mode == CONFIG_MODE_AUTO)
		generic = old.generic;
	if (old.ours && generic != old.generic) { /* an interface has one mode at a time */
		err = front_detach(dataplane, front->ifindex, diag);
		if (err)
			return err;
		memset(&old, 0, sizeof(old));
	}
	err = attach_in_mode(dataplane, front->ifindex, exclusive,
			     generic ? XDP_MODE_SKB : XDP_MODE_NATIVE, &old);
	if (err && !generic && front->mode == CONFIG_MODE_AUTO && err != -EPERM) {
		generic = true;
		err = attach_in_mode(dataplane, front->ifindex, exclusive, XDP_MODE_SKB, &old);
	}
	if (err) {
		diag_add(diag, NULL, 0, "interface %s: cannot attach lb: %s", front->name,
			 strerror(-err));
		return err;
	}
	*ret_generic = generic;
	return 0;
}

int front_detach(struct dataplane *dataplane, unsigned int ifindex, struct diag *diag)
{
	struct attached attached = attached_read(dataplane, ifindex);
	LIBBPF_OPTS(bpf_xdp_attach_opts, options);
	char path[PATH_MAX];
	int err = 0;

	if (attached.ours && attached.dispatcher) {
		err = detach_shared(ifindex, attached.id);
	} else if (attached.ours) {
		options.old_prog_fd = bpf_prog_get_fd_by_id(attached.id);
		err = bpf_xdp_detach(ifindex, attached.generic ? XDP_FLAGS_SKB_MODE
							       : XDP_FLAGS_DRV_MODE,
				     &options);
		if (options.old_prog_fd > 0)
			close(options.old_prog_fd);
	}
	front_pin_path(dataplane, ifindex, path);
	unlink(path);
	if (err)
		diag_add(diag, NULL, 0, "interface #%u: cannot detach lb: %s", ifindex,
			 strerror(-err));
	return err;
}
