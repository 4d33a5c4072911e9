/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program of somebody else's on a front interface. One that is alone there leaves no room for
 * lb, and lbd refuses to start; those under libxdp's dispatcher stand beside it. */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "lb/ctl/doctor.h"

#define OURS "lb"

/* The id of the bpf_link that holds the program there; 0: it was attached by netlink. Only who
 * holds the link can detach it, `ip link` cannot. */
static __u32 link_of(unsigned int ifindex, __u32 program)
{
	__u32 id = 0, found = 0;

	while (!found && !bpf_link_get_next_id(id, &id)) {
		struct bpf_link_info info = { 0 };
		__u32 size = sizeof(info);
		int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.type == BPF_LINK_TYPE_XDP &&
		    info.xdp.ifindex == ifindex && info.prog_id == program)
			found = id;
		close(fd);
	}
	return found;
}

static const char *mode_word(enum xdp_attach_mode mode)
{
	switch (mode) {
	case XDP_MODE_SKB:
		return "xdpgeneric";
	case XDP_MODE_HW:
		return "xdpoffload";
	default:
		return "xdp";
	}
}

static char *detach_command(const struct doctor_front *front, __u32 program,
			    enum xdp_attach_mode mode)
{
	__u32 link = link_of(front->ifindex, program);
	char name[SHELL_WORD_MAX];

	if (link)
		return text_new("bpftool link detach id %u", link);
	return text_new("ip link set dev %s %s off", shell_word(front->name, name),
			mode_word(mode));
}

static void front_check(const struct doctor_front *front, struct findings *findings)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex((int)front->ifindex);
	struct xdp_program *program;

	if (!all || libxdp_get_error(all))
		return;
	program = xdp_multiprog__is_legacy(all) ? xdp_multiprog__main_prog(all) : NULL;
	if (program && strcmp(xdp_program__name(program), OURS) != 0) {
		const char *name = xdp_program__name(program);
		__u32 id = xdp_program__id(program);

		findings_add(findings, "foreign_xdp", front->name,
			     text_new("an XDP program that is not ours stands there alone (%s, "
				      "id %u): packets are not balanced, and lbd will not start "
				      "in its place", *name ? name : "without a name", id),
			     detach_command(front, id, xdp_multiprog__attach_mode(all)));
	}
	xdp_multiprog__close(all);
}

void check_foreign_xdp(const struct doctor *doctor, struct findings *findings)
{
	for (size_t i = 0; i < doctor->front_count; i++)
		if (doctor->fronts[i].ifindex)
			front_check(&doctor->fronts[i], findings);
}
