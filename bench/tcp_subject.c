/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbd, and what an operator would otherwise use, each as it would be set up by somebody who wants
 * it fast. Proxies hold two sockets a connection: they have as many workers as there are CPUs, and
 * may use all ports and those in TIME_WAIT towards the containers. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>

#include "bench/cpus.h"
#include "bench/tcp_world.h"
#include "build/bench/wire.skel.h"

static const char *text(uint32_t address)
{
	struct in_addr in = { htonl(address) };

	return inet_ntoa(in);
}

static FILE *config_open(const struct tcp_world *world, const char *path, struct diag *diag)
{
	FILE *to = fopen(path, "we");

	if (!to)
		diag_add(diag, path, 0, "%s: cannot be written: %s", world->subject->name,
			 strerror(errno));
	return to;
}

/* ---- the bare program ------------------------------------------------------------------------ */

/* In the edge namespace. The program stays with its device. */
static int bare_attach(void *data)
{
	struct wire_bpf *wire = wire_bpf__open_and_load();

	(void)data;
	if (!wire)
		return -errno;
	for (int i = 1; i <= TCP_BACKENDS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "c%d", i);
		wire->bss->bare_ifindex[i] = if_nametoindex(name);
	}
	return bpf_xdp_attach(if_nametoindex("front"), bpf_program__fd(wire->progs.tcp_bare),
			      XDP_FLAGS_DRV_MODE, NULL);
}

static int bare_start(struct tcp_world *world, struct diag *diag)
{
	int err = 0;

	/* Without NAPI there, a container's end drops what is redirected to it. */
	for (int i = 0; !err && i < TCP_BACKENDS; i++)
		err = space_run(&world->containers[i], "ethtool -K eth0 gro on", diag);
	if (err)
		return err;
	err = space_call(&world->edge, bare_attach, NULL);
	if (err)
		diag_add(diag, NULL, 0, "cannot attach the bare program: %s", strerror(-err));
	return err;
}

/* ---- lbd ------------------------------------------------------------------------------------- */

static void lbd_config(const void *data, FILE *to)
{
	const struct tcp_world *world = data;
	bool nat = !world->subject->returns_direct;

	fprintf(to, "version = 1;\n"
		    "interfaces = ( { name = \"front\"; mode = \"native\"; } );\n"
		    "services = ( { name = \"tcp\"; protocol = \"tcp\"; forward = \"%s\";\n"
		    "  vips = [ \"%s\" ]; ports = [ %d ]; check: { type = \"none\"; };\n"
		    "  backends = (\n", nat ? "nat" : "dsr", text(TCP_VIP), TCP_VIP_PORT);
	for (int i = 1; i <= TCP_BACKENDS; i++)
		fprintf(to, "    { name = \"c%d\"; address = [ \"%s\" ];%s }%s\n", i,
			text(tcp_container_address(world, i)), nat ? " port = 8080;" : "",
			i < TCP_BACKENDS ? "," : "");
	fputs("  ); } );\ntuning: { hash_seed = \"edgelb bench\"; };\n", to);
}

static int lbd_start(struct tcp_world *world, struct diag *diag)
{
	char name[32];

	snprintf(name, sizeof(name), "%s%s", world->subject->name,
		 world->subject->link == TCP_WIRE ? "_wire" : "");
	return balancer_start_in(&world->edge, name, lbd_config, world, &world->lbd, diag);
}

/* ---- nftables -------------------------------------------------------------------------------- */

/* Connections in TIME_WAIT may not fill the table of those that are tracked. */
static int nft_start(struct tcp_world *world, struct diag *diag)
{
	bool hash = !strcmp(world->subject->name, "nft_jhash");
	char script[1024];
	int size = snprintf(script, sizeof(script),
		"nft -f - <<'END'\n"
		"table ip bench {\n"
		"  chain prerouting {\n"
		"    type nat hook prerouting priority dstnat;\n"
		"    ip daddr %s tcp dport %d dnat to %s map {", text(TCP_VIP), TCP_VIP_PORT,
		hash ? "jhash ip saddr . tcp sport mod 3" : "numgen inc mod 3");

	for (int i = 1; i <= TCP_BACKENDS; i++)
		size += snprintf(script + size, sizeof(script) - size, " %d : %s,", i - 1,
				 text(tcp_container_address(world, i)));
	snprintf(script + size - 1, sizeof(script) - size + 1,
		 " } : %d\n  }\n}\nEND\n"
		 "echo 1 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait\n",
		 TCP_PORT);
	return space_run(&world->edge, script, diag);
}

/* ---- proxies --------------------------------------------------------------------------------- */

static int proxy_start(struct tcp_world *world, const char *const argv[], const char *log,
		       struct diag *diag)
{
	int err = space_run(&world->edge,
			    "ip addr add 192.0.2.1/32 dev lo\n"
			    "cd /proc/sys/net\n"
			    "echo 1024 65535 >ipv4/ip_local_port_range\n"
			    "echo 1 >ipv4/tcp_tw_reuse\n"
			    "echo 16384 >core/somaxconn\n"
			    "echo 16384 >ipv4/tcp_max_syn_backlog\n", diag);

	if (!err)
		err = space_start(&world->edge, argv, log, &world->program);
	return err;
}

/* Threads share one listener each; splice() moves what is worth it without copies. */
static int haproxy_start(struct tcp_world *world, struct diag *diag)
{
	static const char config[] = GROUND_DIR "/haproxy.cfg";
	static const char *const argv[] = { "haproxy", "-db", "-f", config, NULL };
	FILE *to = config_open(world, config, diag);

	if (!to)
		return -EIO;
	fprintf(to, "global\n"
		    "  nbthread %u\n"
		    "  maxconn 4096\n"
		    "defaults\n"
		    "  mode tcp\n"
		    "  timeout connect 5s\n"
		    "  timeout client 60s\n"
		    "  timeout server 60s\n"
		    "  option splice-auto\n"
		    "frontend vip\n"
		    "  bind %s:%d shards by-thread backlog 16384\n"
		    "  default_backend containers\n"
		    "backend containers\n"
		    "  balance roundrobin\n", cpus_count(), text(TCP_VIP), TCP_VIP_PORT);
	for (int i = 1; i <= TCP_BACKENDS; i++)
		fprintf(to, "  server c%d %s:%d\n", i, text(tcp_container_address(world, i)),
			TCP_PORT);
	fclose(to);
	return proxy_start(world, argv, GROUND_DIR "/haproxy.log", diag);
}

static int nginx_start(struct tcp_world *world, struct diag *diag)
{
	static const char config[] = GROUND_DIR "/nginx.conf";
	static const char *const argv[] = { "nginx", "-p", GROUND_DIR, "-c", config, NULL };
	FILE *to = config_open(world, config, diag);

	if (!to)
		return -EIO;
	fprintf(to, "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
		    "daemon off;\n"
		    "pid " GROUND_DIR "/nginx.pid;\n"
		    "error_log " GROUND_DIR "/nginx-error.log;\n"
		    "worker_processes %u;\n"
		    "events { worker_connections 4096; }\n"
		    "stream {\n"
		    "  access_log off;\n"
		    "  upstream containers {\n", cpus_count());
	for (int i = 1; i <= TCP_BACKENDS; i++)
		fprintf(to, "    server %s:%d max_fails=0;\n",
			text(tcp_container_address(world, i)), TCP_PORT);
	fprintf(to, "  }\n"
		    "  server {\n"
		    "    listen %s:%d reuseport backlog=16384;\n"
		    "    proxy_pass containers;\n"
		    "    proxy_buffer_size 64k;\n"
		    "    tcp_nodelay on;\n"
		    "  }\n"
		    "}\n", text(TCP_VIP), TCP_VIP_PORT);
	fclose(to);
	return proxy_start(world, argv, GROUND_DIR "/nginx.log", diag);
}

/* ---- all of them ----------------------------------------------------------------------------- */

const struct tcp_subject tcp_subjects[] = {
	{ .name = "routed", .title = "routed, no balancer", .direct = true },
	{ .name = "bare", .title = "XDP redirect, no balancer", .direct = true, .by_xdp = true,
	  .start = bare_start },
	{ .name = "lbd_nat", .title = "lbd, nat", .by_xdp = true, .start = lbd_start },
	{ .name = "lbd_nat_bridge", .title = "lbd, nat, bridge", .by_xdp = true, .bridge = true,
	  .start = lbd_start },
	{ .name = "lbd_dsr", .title = "lbd, dsr", .by_xdp = true, .returns_direct = true,
	  .start = lbd_start },
	{ .name = "nft_jhash", .title = "nftables, jhash", .start = nft_start },
	{ .name = "nft_numgen", .title = "nftables, numgen", .rules_only = true,
	  .start = nft_start },
	{ .name = "haproxy", .title = "HAProxy, tcp", .start = haproxy_start },
	{ .name = "nginx", .title = "nginx, stream", .start = nginx_start },

	{ .name = "routed", .title = "routed, no balancer", .link = TCP_WIRE, .direct = true },
	{ .name = "bare", .title = "XDP redirect, no balancer", .link = TCP_WIRE, .direct = true,
	  .by_xdp = true, .start = bare_start },
	{ .name = "lbd_nat", .title = "lbd, nat", .link = TCP_WIRE, .by_xdp = true,
	  .start = lbd_start },
};
const size_t tcp_subject_count = sizeof(tcp_subjects) / sizeof(tcp_subjects[0]);
_Static_assert(sizeof(tcp_subjects) / sizeof(tcp_subjects[0]) <= TCP_SUBJECTS_MAX, "room for all");
