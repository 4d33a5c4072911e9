/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XDP programs of ours on interfaces. With libxdp's dispatcher one stands beside other XDP
 * programs; where the kernel refuses the dispatcher (or the place is exclusive) it is the only one.
 * Either way a newer one takes the older one's place without a moment in which none is there:
 *	alone		one exchange in the kernel, bpf_xdp_attach() with the old program's fd
 *	dispatcher	two exchanges of the whole dispatcher: the new one comes to the old one,
 *			then the old one goes. In between a packet that the first of the two passes
 *			goes through the second too, which passes it as well: both ask the same
 *			tables. One that is sent on or dropped ends with the first.
 * One that uses our tables is ours. So one that stands there twice, because we died between two
 * exchanges, is seen the next time, and the older is taken away. */
#include "lb/kernel/xdp_attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "lb/kernel/program.h"

#define PLACES	10		/* of libxdp's dispatcher */

struct attached {
	struct program ours[PLACES]; /* several only where an upgrade was cut short */
	size_t ours_count;
	bool dispatcher, generic;
	uint32_t rival_id;	/* of one of its name that is not ours; 0: none */
	uint32_t foreign_id;	/* of a program of another name; 0: none */
	char foreign_name[16];
};

/* Looks at one attached program; several are there only with the dispatcher. */
static void attached_note(const struct xdp_kind *kind, struct attached *attached,
			  struct xdp_program *standing)
{
	struct program *program = &attached->ours[attached->ours_count];

	if (!standing)
		return;
	if (strcmp(xdp_program__name(standing), kind->program)) {
		attached->foreign_id = xdp_program__id(standing);
		snprintf(attached->foreign_name, sizeof(attached->foreign_name), "%s",
			 xdp_program__name(standing));
	} else if (attached->ours_count < PLACES &&
		   !program_of_id(xdp_program__id(standing), program) &&
		   program_uses(program, kind->pin, kind->table)) {
		attached->ours_count++;
	} else {
		attached->rival_id = xdp_program__id(standing);
	}
}

static void attached_read(const struct xdp_kind *kind, unsigned int ifindex,
			  struct attached *ret_attached)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *standing = NULL;

	memset(ret_attached, 0, sizeof(*ret_attached));
	if (!all || libxdp_get_error(all))
		return;
	ret_attached->generic = xdp_multiprog__attach_mode(all) == XDP_MODE_SKB;
	ret_attached->dispatcher = !xdp_multiprog__is_legacy(all);
	if (ret_attached->dispatcher)
		while ((standing = xdp_multiprog__next_prog(standing, all)))
			attached_note(kind, ret_attached, standing);
	else
		attached_note(kind, ret_attached, xdp_multiprog__main_prog(all));
	xdp_multiprog__close(all);
}

bool xdp_is_ours(const struct xdp_kind *kind, unsigned int ifindex, bool *ret_generic)
{
	struct attached attached;

	attached_read(kind, ifindex, &attached);
	if (ret_generic)
		*ret_generic = attached.generic;
	return attached.ours_count > 0;
}

/* ---- attaching ------------------------------------------------------------------------------ */

static int object_load(struct bpf_object *object, const struct xdp_kind *kind, int *ret_fd)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, kind->program);
	int err = program ? bpf_object__load(object) : -ENOENT;

	if (!err)
		*ret_fd = bpf_program__fd(program);
	return err;
}

/* By libxdp: beside others where the kernel can. */
static int attach_shared(const struct xdp_kind *kind, unsigned int ifindex,
			 enum xdp_attach_mode mode, struct program *ret_program)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .prog_name = kind->program);
	struct bpf_object *object = kind->open(kind->context);
	struct xdp_program *program;
	int err;

	if (!object)
		return -errno;
	options.obj = object;
	program = xdp_program__create(&options);
	err = libxdp_get_error(program);
	if (!err) {
		err = xdp_program__attach(program, ifindex, mode, 0);
		if (!err)
			err = program_of_fd(xdp_program__fd(program), ret_program);
		xdp_program__close(program);
	}
	bpf_object__close(object);
	return err;
}

/* The only program of the interface, put in the place of `old` (NULL: of none). */
static int attach_alone(const struct xdp_kind *kind, unsigned int ifindex,
			enum xdp_attach_mode mode, const struct program *old)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, options);
	struct bpf_object *object = kind->open(kind->context);
	__u32 flags = mode == XDP_MODE_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	int err, fd = -1;

	if (!object)
		return -errno;
	err = object_load(object, kind, &fd);
	if (!err && old && program_is_current(old, fd, kind->pin, kind->table))
		goto out;
	if (!err && old) {
		options.old_prog_fd = bpf_prog_get_fd_by_id(old->id);
		flags |= XDP_FLAGS_REPLACE;
	} else {
		flags |= XDP_FLAGS_UPDATE_IF_NOEXIST;
	}
	if (!err)
		err = bpf_xdp_attach(ifindex, fd, flags, old ? &options : NULL);
	if (options.old_prog_fd > 0)
		close(options.old_prog_fd);
out:
	bpf_object__close(object);
	return err;
}

static int detach_one(unsigned int ifindex, uint32_t id)
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

/* Takes those of ours out of the dispatcher that were in it when `attached` was read; `keep` (0:
 * none) stays. */
static int detach_shared(unsigned int ifindex, const struct attached *attached, uint32_t keep)
{
	int err = 0;

	for (size_t i = 0; !err && i < attached->ours_count; i++)
		if (attached->ours[i].id != keep)
			err = detach_one(ifindex, attached->ours[i].id);
	return err;
}

/* The one of ours that is what we would attach: a freplace program has the same instructions.
 * NULL: none is, or it cannot be known. */
static const struct program *attached_current(const struct xdp_kind *kind,
					      const struct attached *attached)
{
	struct bpf_object *object = kind->open(kind->context);
	const struct program *found = NULL;
	int fd;

	if (object && !object_load(object, kind, &fd))
		for (size_t i = 0; !found && i < attached->ours_count; i++)
			if (program_is_current(&attached->ours[i], fd, kind->pin, kind->table))
				found = &attached->ours[i];
	bpf_object__close(object);
	return found;
}

static int attach_in_mode(const struct xdp_kind *kind, unsigned int ifindex, bool exclusive,
			  enum xdp_attach_mode mode, const struct attached *old)
{
	const struct program *current;
	struct program made;
	int err;

	if (!old->ours_count)
		return exclusive ? attach_alone(kind, ifindex, mode, NULL)
				 : attach_shared(kind, ifindex, mode, &made);
	if (!old->dispatcher)
		return attach_alone(kind, ifindex, mode, &old->ours[0]);
	current = attached_current(kind, old);
	if (current)
		return detach_shared(ifindex, old, current->id);
	err = attach_shared(kind, ifindex, mode, &made);
	return err ? err : detach_shared(ifindex, old, made.id);
}

static int refuse_others(const struct xdp_kind *kind, const struct xdp_place *place,
			 const struct attached *attached, struct diag *diag)
{
	bool room = attached->dispatcher && (!place->exclusive || attached->ours_count);

	if (attached->rival_id && !attached->ours_count) {
		diag_add(diag, NULL, 0, "interface %s: %s (program %s, id %u)", place->name,
			 kind->rival, kind->program, attached->rival_id);
		return -EBUSY;
	}
	if (attached->foreign_id && !room) {
		diag_add(diag, NULL, 0,
			 "interface %s: an XDP program that is not ours leaves no room (%s, id "
			 "%u); detach it first: ip link set dev %s xdp off",
			 place->name, attached->foreign_name, attached->foreign_id, place->name);
		return -EBUSY;
	}
	return 0;
}

int xdp_attach(const struct xdp_kind *kind, const struct xdp_place *place, bool *ret_generic,
	       struct diag *diag)
{
	bool generic = place->mode == CONFIG_MODE_GENERIC;
	struct attached old;
	int err;

	attached_read(kind, place->ifindex, &old);
	err = refuse_others(kind, place, &old, diag);
	if (err)
		return err;
	if (old.ours_count && place->mode == CONFIG_MODE_AUTO)
		generic = old.generic;
	if (old.ours_count && generic != old.generic) { /* an interface has one mode at a time */
		err = xdp_detach(kind, place->ifindex, diag);
		if (err)
			return err;
		memset(&old, 0, sizeof(old));
	}
	err = attach_in_mode(kind, place->ifindex, place->exclusive,
			     generic ? XDP_MODE_SKB : XDP_MODE_NATIVE, &old);
	if (err && !generic && place->mode == CONFIG_MODE_AUTO && err != -EPERM) {
		generic = true;
		err = attach_in_mode(kind, place->ifindex, place->exclusive, XDP_MODE_SKB, &old);
	}
	if (err) {
		diag_add(diag, NULL, 0, "interface %s: cannot attach %s: %s", place->name,
			 kind->program, strerror(-err));
		return err;
	}
	*ret_generic = generic;
	return 0;
}

int xdp_detach(const struct xdp_kind *kind, unsigned int ifindex, struct diag *diag)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, options);
	struct attached attached;
	int err = 0;

	attached_read(kind, ifindex, &attached);
	if (attached.ours_count && attached.dispatcher) {
		err = detach_shared(ifindex, &attached, 0);
	} else if (attached.ours_count) {
		options.old_prog_fd = bpf_prog_get_fd_by_id(attached.ours[0].id);
		err = bpf_xdp_detach(ifindex, attached.generic ? XDP_FLAGS_SKB_MODE
							       : XDP_FLAGS_DRV_MODE,
				     &options);
		if (options.old_prog_fd > 0)
			close(options.old_prog_fd);
	}
	if (err)
		diag_add(diag, NULL, 0, "interface #%u: cannot detach %s: %s", ifindex,
			 kind->program, strerror(-err));
	return err;
}
