/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routers' set-up. Next hops are fixed, so that nobody asks for them among what is counted. */
#include "bench/rivals.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/scenario.h"

#define FLOWS_MAX (5ULL << 18) /* a million, and a quarter more: none is turned away */

const char *const rival_names[RIVALS] = { "forward", "nft", "numgen" };

/* The device that packets come to has the MAC that they are sent to (packet.c), and GRO, without
 * which a veth does not take redirected frames. */
static const char links[] =
	"ip link add in address 02:00:00:00:00:02 type veth peer name %s-gen netns %d\n"
	"ip link add out type veth peer name %s-end netns %d\n"
	"ethtool -K in gro on\n"
	"ip link set in up\n"
	"ip link set out up\n";

/* Without the loopback there is no table of local addresses, and then no gateway is one. */
static const char routes[] =
	"ip link set lo up\n"
	"for each in all in out; do echo 0 >/proc/sys/net/ipv4/conf/$each/rp_filter; done\n"
	"echo 1 >/proc/sys/net/ipv4/ip_forward\n"
	"ip route add 10.0.0.0/12 dev in\n"
	"ip route add 10.64.0.0/12 dev out\n"
	"for n in 1 2 3 4 5 6 7 8 9 10; do\n"
	"  ip neigh add 10.64.0.$n lladdr 02:00:00:00:01:$n nud permanent dev out\n"
	"done\n"
	"ip route add " SCENARIO_VIP4 "0.0/16 via 10.64.0.1 dev out onlink\n";

static const char *const choices[RIVALS] = { NULL, "jhash ip saddr . tcp sport mod 10",
					     "numgen inc mod 10" };

static const char translation[] =
	"nft -f - <<END\n"
	"table ip bench {\n"
	"  chain in {\n"
	"    type nat hook prerouting priority dstnat\n"
	"    ip daddr " SCENARIO_VIP4 "0.0/16 tcp dport 80 dnat ip addr . port to %s map {\n"
	"      0 : 10.64.0.1 . 8080, 1 : 10.64.0.2 . 8080, 2 : 10.64.0.3 . 8080,\n"
	"      3 : 10.64.0.4 . 8080, 4 : 10.64.0.5 . 8080, 5 : 10.64.0.6 . 8080,\n"
	"      6 : 10.64.0.7 . 8080, 7 : 10.64.0.8 . 8080, 8 : 10.64.0.9 . 8080,\n"
	"      9 : 10.64.0.10 . 8080 }\n"
	"  }\n"
	"}\n"
	"END\n";

static int ends_raise(const struct space *outside, const char *name, struct diag *diag)
{
	char script[128];

	snprintf(script, sizeof(script), "ip link set %s-gen up\nip link set %s-end up", name,
		 name);
	return space_run(outside, script, diag);
}

static int rival_open(enum rival rival, const struct space *outside, struct space *ret_space,
		      struct diag *diag)
{
	const char *name = rival_names[rival];
	char script[2048];
	int err = space_make(space_idle, NULL, ret_space);

	if (err)
		return err;
	snprintf(script, sizeof(script), links, name, getpid(), name, getpid());
	err = space_run(ret_space, script, diag);
	if (!err)
		err = ends_raise(outside, name, diag);
	if (!err)
		err = space_run(ret_space, routes, diag);
	if (err || !choices[rival])
		return err;
	snprintf(script, sizeof(script), translation, choices[rival]);
	return space_run(ret_space, script, diag);
}

int rivals_open(const struct ground *ground, struct rivals *ret_rivals, struct diag *diag)
{
	const struct space outside = { .net = ground->outside };
	struct rivals *rivals = ret_rivals;

	memset(rivals, 0, sizeof(*rivals));
	for (enum rival rival = 0; rival < RIVALS; rival++)
		rivals->stands[rival] = !rival_open(rival, &outside, &rivals->spaces[rival], diag);
	rivals->flows_max = conntrack_raise(ground->origin, FLOWS_MAX, &rivals->conntrack);
	return 0;
}

void rivals_close(struct rivals *rivals)
{
	for (enum rival rival = 0; rival < RIVALS; rival++)
		space_unmake(&rivals->spaces[rival]);
	conntrack_restore(&rivals->conntrack);
}
