/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb on the front interfaces: what makes it one of ours, and how it is had. */
#include "lb/kernel/attach.h"

#include <bpf/libbpf.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "build/lb.skel.h"
#include "lb/kernel/xdp_attach.h"
#include "lb/watch/ethtool.h"

struct lb_place {
	const struct dataplane *dataplane;
	unsigned int ifindex;
};

static bool is_veth(unsigned int ifindex)
{
	char name[IFNAMSIZ], driver[ETHTOOL_DRIVER_MAX] = "";
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool veth = fd >= 0 && if_indextoname(ifindex, name) &&
		    !ethtool_driver(fd, name, driver) && !strcmp(driver, "veth");

	if (fd >= 0)
		close(fd);
	return veth;
}

/* What lb is told of the front that it is loaded for. */
static void lb_tell(struct bpf_object *object, unsigned int ifindex)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	size_t size;
	struct lb_bpf__rodata *rodata =
		map ? (struct lb_bpf__rodata *)bpf_map__initial_value(map, &size) : NULL;

	if (rodata)
		rodata->lb_turns_by_redirect = is_veth(ifindex);
}

static struct bpf_object *lb_open(const void *context)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "lb_bpf");
	const struct lb_place *place = context;
	struct bpf_object *object;
	const void *elf;
	size_t size;

	elf = lb_bpf__elf_bytes(&size);
	object = bpf_object__open_mem(elf, size, &options);
	if (object && dataplane_share(place->dataplane, object)) {
		bpf_object__close(object);
		return NULL;
	}
	if (object)
		lb_tell(object, place->ifindex);
	return object;
}

static struct xdp_kind lb_kind(const struct lb_place *place)
{
	return (struct xdp_kind){
		.program = "lb", .pin = place->dataplane->pin,
		.table = "lb_settings", /* every packet that lb sees begins with it */
		.rival = "another lbd balances it", .open = lb_open, .context = place,
	};
}

bool front_is_ours(const struct dataplane *dataplane, unsigned int ifindex, bool *ret_generic)
{
	struct lb_place lb = { dataplane, ifindex };
	struct xdp_kind kind = lb_kind(&lb);

	return xdp_is_ours(&kind, ifindex, ret_generic);
}

int front_attach(struct dataplane *dataplane, const struct front *front, bool exclusive,
		 bool *ret_generic, struct diag *diag)
{
	struct lb_place lb = { dataplane, front->ifindex };
	struct xdp_kind kind = lb_kind(&lb);
	struct xdp_place place = { .ifindex = front->ifindex, .name = front->name,
				   .mode = front->mode, .exclusive = exclusive };

	return xdp_attach(&kind, &place, ret_generic, diag);
}

int front_detach(struct dataplane *dataplane, unsigned int ifindex, struct diag *diag)
{
	struct lb_place lb = { dataplane, ifindex };
	struct xdp_kind kind = lb_kind(&lb);

	return xdp_detach(&kind, ifindex, diag);
}
