/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another user of XDP on the same interface, by libxdp's own rules:
 *	beside attach INTERFACE OBJECT [PINS]
 *					puts the program of an object file there, over the tables
 *					that are pinned in that directory
 *	beside detach INTERFACE		takes it away
 *	beside list INTERFACE		what stands there: "dispatcher" or "alone", then name and id
 *					of each program, in the order in which they run */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <xdp/libxdp.h>

static int list(int ifindex)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;

	if (!all || libxdp_get_error(all)) {
		printf("nothing\n");
		return 0;
	}
	if (xdp_multiprog__is_legacy(all)) {
		program = xdp_multiprog__main_prog(all);
		printf("alone\n%s %u\n", xdp_program__name(program), xdp_program__id(program));
	} else {
		printf("dispatcher\n");
		while ((program = xdp_multiprog__next_prog(program, all)))
			printf("%s %u\n", xdp_program__name(program), xdp_program__id(program));
	}
	xdp_multiprog__close(all);
	return 0;
}

static int tables_share(struct bpf_object *object, const char *pins)
{
	struct bpf_map *map;
	char path[256];
	int err = 0;

	bpf_object__for_each_map(map, object) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", pins, bpf_map__name(map));
		fd = bpf_obj_get(path);
		if (fd >= 0 && !err)
			err = bpf_map__reuse_fd(map, fd);
	}
	return err;
}

static int attach(int ifindex, const char *object, const char *pins)
{
	struct xdp_program *program = xdp_program__open_file(object, NULL, NULL);

	if (!program || libxdp_get_error(program))
		return -ENOENT;
	if (pins && tables_share(xdp_program__bpf_obj(program), pins))
		return -EINVAL;
	return xdp_program__attach(program, ifindex, XDP_MODE_NATIVE, 0);
}

static int detach(int ifindex)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;

	if (!all || libxdp_get_error(all))
		return -ENOENT;
	while ((program = xdp_multiprog__next_prog(program, all)))
		if (!strcmp(xdp_program__name(program), "beside"))
			return xdp_program__detach(program, ifindex, XDP_MODE_NATIVE, 0);
	return -ENOENT;
}

int main(int argc, char **argv)
{
	int ifindex = argc > 2 ? (int)if_nametoindex(argv[2]) : 0, err = -EINVAL;

	if (ifindex && !strcmp(argv[1], "list"))
		err = list(ifindex);
	else if (ifindex && !strcmp(argv[1], "attach") && argc > 3)
		err = attach(ifindex, argv[3], argv[4]);
	else if (ifindex && !strcmp(argv[1], "detach"))
		err = detach(ifindex);
	if (err)
		fprintf(stderr, "beside: %s\n", strerror(-err));
	return err ? 1 : 0;
}
