/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network namespace of fixture.h. It goes with the process, however that ends. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/prog/fixture.h"

#define MAC(byte) { 2, 0, 0, 0, 0, byte }

const uint8_t front_mac[6] = MAC(0xf0), back_mac[6] = MAC(0xb0), slim_mac[6] = MAC(0x50);
const uint8_t front_router_mac[6] = MAC(0xfe), back_router_mac[6] = MAC(0xbe),
	      slim_router_mac[6] = MAC(0x5e);

/* Interface INDEX with a router behind it (host 254, MAC MAC_ROUTER) that leads to clients N. */
#define LINK(name, index, mac, mtu, v4, v6, n, mac_router)                                        \
	"link add " name " index " index " address 02:00:00:00:00:" mac " mtu " mtu               \
	" type veth peer name " name "p mtu " mtu "\n"                                            \
	"link set " name " up\n"                                                                  \
	"link set " name "p up\n"                                                                 \
	"address add " v4 ".1/24 dev " name "\n"                                                  \
	"address add " v6 "::1/64 dev " name " nodad\n"                                           \
	"neighbour add " v4 ".254 lladdr 02:00:00:00:00:" mac_router " dev " name "\n"            \
	"neighbour add " v6 "::fe lladdr 02:00:00:00:00:" mac_router " dev " name "\n"            \
	"route add 198.51.10" n ".0/24 via " v4 ".254\n"                                          \
	"route add 2001:db8:c" n "::/64 via " v6 "::fe dev " name "\n"

/* For "ip -batch". */
static const char network[] =
	LINK("front", "11", "f0", "1500", "192.0.2", "2001:db8:2", "0", "fe")
	LINK("back", "13", "b0", "1500", "10.1.0", "fd00", "1", "be")
	LINK("slim", "15", "50", "1280", "10.2.0", "fd02", "2", "5e")
	LINK("quiet", "17", "70", "1500", "10.3.0", "fd03", "3", "7e")
	"route add 198.51.104.0/24 via 192.0.2.253\n"
	"route add 2001:db8:c4::/64 via 2001:db8:2::fd dev front\n"
	"route add unreachable 198.51.105.0/24\n"
	"route add unreachable 2001:db8:c5::/64\n";

static int network_make(void)
{
	FILE *ip = popen("ip -batch -", "w");

	if (!ip)
		return -1;
	fputs(network, ip);
	return pclose(ip);
}

static int forwarding_set(const char *family, const char *interface, char value)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/forwarding", family, interface);
	fd = open(path, O_WRONLY);
	err = fd < 0 || write(fd, &value, 1) != 1 ? -1 : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

/* All but QUIET forward. */
static int forwarding_make(void)
{
	return forwarding_set("ipv4", "all", '1') | forwarding_set("ipv6", "all", '1') |
	       forwarding_set("ipv4", "quiet", '0') | forwarding_set("ipv6", "quiet", '0');
}

/* A device takes part in XDP test runs once a program stands on it; this one passes everything. */
static int xdp_open(int ifindex)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, ARRAY_SIZE(pass), NULL);
	int err = fd < 0 ? fd : bpf_xdp_attach(ifindex, fd, 0, NULL);

	if (fd >= 0)
		close(fd);
	return err;
}

void world_enter(void)
{
	if (geteuid() != 0) {
		printf("skipped: running BPF programs needs root\n");
		exit(77);
	}
	if (unshare(CLONE_NEWNET) || network_make() || forwarding_make() || xdp_open(FRONT) ||
	    xdp_open(BACK) || xdp_open(QUIET)) {
		printf("Bail out! cannot make the network namespace\n");
		exit(1);
	}
}
