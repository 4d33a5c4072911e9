/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb on the front interfaces. With libxdp's dispatcher it stands beside other XDP programs; where
 * the kernel refuses the dispatcher (or tuning.exclusive says so) it is the only one. Either way
 * a newer lb takes the older one's place without a moment in which none is there:
 *	alone		one exchange in the kernel, bpf_xdp_attach() with the old program's fd
 *	dispatcher	two exchanges of the whole dispatcher: the new lb comes to the old one, then
 *			the old one goes. In between a packet that the first of the two passes
 *			goes through the second too, which passes it as well: both ask the same
 *			tables. One that is sent on or dropped ends with the first.
 * An lb that uses our tables is ours. So one that stands there twice, because a daemon died between
 * two exchanges, is seen by the next one, which takes the older away. */
#include "lb/kernel/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "build/lb.skel.h"
#include "lb/kernel/program.h"

#define PROGRAM "lb"
#define TABLE	"lb_settings"	/* every packet that lb sees begins with it */
#define PLACES	10		/* of libxdp's dispatcher */

struct attached {
	struct program ours[PLACES]; /* several only where an upgrade was cut short */
	size_t ours_count;
	bool dispatcher, generic;
	uint32_t rival_id;	/* of an lb that is another daemon's; 0: none */
	uint32_t foreign_id;	/* of a program that is no lb; 0: none */
	char foreign_name[16];
};

/* Looks at one attached program; several are there only with the dispatcher. */
static void attached_note(const struct dataplane *dataplane, struct attached *attached,
			  struct xdp_program *standing)
{
	struct program *program = &attached->ours[attached->ours_count];

	if (!standing)
		return;
	if (strcmp(xdp_program__name(standing), PROGRAM)) {
		attached->foreign_id = xdp_program__id(standing);
		snprintf(attached->foreign_name, sizeof(attached->foreign_name), "%s",
			 xdp_program__name(standing));
	} else if (attached->ours_count < PLACES &&
		   !program_of_id(xdp_program__id(standing), program) &&
		   program_uses(program, dataplane->pin, TABLE)) {
		attached->ours_count++;
	} else {
		attached->rival_id = xdp_program__id(standing);
	}
}

static void attached_read(const struct dataplane *dataplane, unsigned int ifindex,
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
			attached_note(dataplane, ret_attached, standing);
	else
		attached_note(dataplane, ret_attached, xdp_multiprog__main_prog(all));
	xdp_multiprog__close(all);
}

bool front_is_ours(const struct dataplane *dataplane, unsigned int ifindex, bool *ret_generic)
{
	struct attached attached;

	attached_read(dataplane, ifindex, &attached);
	if (ret_generic)
		*ret_generic = attached.generic;
	return attached.ours_count > 0;
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

/* By libxdp: beside others where the kernel can. */
static int attach_shared(const struct dataplane *dataplane, unsigned int ifindex,
			 enum xdp_attach_mode mode, struct program *ret_program)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .prog_name = PROGRAM);
	struct lb_bpf *skel = program_open(dataplane);
	struct xdp_program *program;
	int err;

	if (!skel)
		return -errno;
	options.obj = skel->obj;
	program = xdp_program__create(&options);
	err = libxdp_get_error(program);
	if (!err) {
		err = xdp_program__attach(program, ifindex, mode, 0);
		if (!err)
			err = program_of_fd(xdp_program__fd(program), ret_program);
		xdp_program__close(program);
	}
	lb_bpf__destroy(skel);
	return err;
}

/* The only program of the interface, put in the place of `old` (NULL: of none). */
static int attach_alone(const struct dataplane *dataplane, unsigned int ifindex,
			enum xdp_attach_mode mode, const struct program *old)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, options);
	struct lb_bpf *skel = program_open(dataplane);
	__u32 flags = mode == XDP_MODE_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	int err, fd;

	if (!skel)
		return -errno;
	err = lb_bpf__load(skel);
	fd = bpf_program__fd(skel->progs.lb);
	if (!err && old && program_is_current(old, fd, dataplane->pin, TABLE))
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
	lb_bpf__destroy(skel);
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

/* The one of ours that is what this daemon would attach: a freplace program has the same
 * instructions. NULL: none is, or it cannot be known. */
static const struct program *attached_current(const struct dataplane *dataplane,
					      const struct attached *attached)
{
	struct lb_bpf *skel = program_open(dataplane);
	const struct program *found = NULL;

	if (skel && !lb_bpf__load(skel))
		for (size_t i = 0; !found && i < attached->ours_count; i++)
			if (program_is_current(&attached->ours[i],
					       bpf_program__fd(skel->progs.lb), dataplane->pin,
					       TABLE))
				found = &attached->ours[i];
	lb_bpf__destroy(skel);
	return found;
}

static int attach_in_mode(const struct dataplane *dataplane, unsigned int ifindex, bool exclusive,
			  enum xdp_attach_mode mode, const struct attached *old)
{
	const struct program *current;
	struct program made;
	int err;

	if (!old->ours_count)
		return exclusive ? attach_alone(dataplane, ifindex, mode, NULL)
				 : attach_shared(dataplane, ifindex, mode, &made);
	if (!old->dispatcher)
		return attach_alone(dataplane, ifindex, mode, &old->ours[0]);
	current = attached_current(dataplane, old);
	if (current)
		return detach_shared(ifindex, old, current->id);
	err = attach_shared(dataplane, ifindex, mode, &made);
	return err ? err : detach_shared(ifindex, old, made.id);
}

static int refuse_others(const struct front *front, const struct attached *attached,
			 bool exclusive, struct diag *diag)
{
	bool room = attached->dispatcher && (!exclusive || attached->ours_count);

	if (attached->rival_id && !attached->ours_count) {
		diag_add(diag, NULL, 0,
			 "interface %s: another lbd balances it (program %s, id %u)", front->name,
			 PROGRAM, attached->rival_id);
		return -EBUSY;
	}
	if (attached->foreign_id && !room) {
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
	bool generic = front->mode == CONFIG_MODE_GENERIC;
	struct attached old;
	int err;

	attached_read(dataplane, front->ifindex, &old);
	err = refuse_others(front, &old, exclusive, diag);
	if (err)
		return err;
	if (old.ours_count && front->mode == CONFIG_MODE_AUTO)
		generic = old.generic;
	if (old.ours_count && generic != old.generic) { /* an interface has one mode at a time */
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
	LIBBPF_OPTS(bpf_xdp_attach_opts, options);
	struct attached attached;
	int err = 0;

	attached_read(dataplane, ifindex, &attached);
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
		diag_add(diag, NULL, 0, "interface #%u: cannot detach lb: %s", ifindex,
			 strerror(-err));
	return err;
}
