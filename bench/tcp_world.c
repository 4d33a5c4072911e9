/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Namespaces and links of one subject. */
#include "bench/tcp_world.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/tcp_load.h"
#include "build/bench/wire.skel.h"
#include "config/mem.h"

/* 10.64.N.2 behind a veth of its own, 10.64.0.N+1 behind the bridge; number from 1. */
uint32_t tcp_container_address(const struct tcp_world *world, unsigned int number)
{
	return world->subject->bridge ? 0x0a400001 + number : 0x0a400002 + number * 256;
}

/* ---- links ----------------------------------------------------------------------------------- */

static void containers_join(const struct tcp_world *world, FILE *to)
{
	if (world->subject->bridge)
		fputs("ip link add br0 type bridge\n"
		      "ip addr add 10.64.0.1/24 dev br0\n"
		      "ip link set br0 up\n", to);
	for (int i = 1; i <= TCP_BACKENDS; i++) {
		fprintf(to, "ip link add c%d address 02:00:00:00:00:%02x type veth peer name eth0 "
			    "address 02:00:00:00:01:%02x netns %d\n"
			    "ip link set c%d up\n", i, i, i, world->containers[i - 1].holder, i);
		if (world->subject->bridge)
			fprintf(to, "ip link set c%d master br0\n", i);
		else
			fprintf(to, "ip addr add 10.64.%d.1/24 dev c%d\n", i, i);
	}
}

static int edge_join(const struct tcp_world *world, struct diag *diag)
{
	bool wire = world->subject->link == TCP_WIRE;
	char *script = NULL;
	size_t size;
	FILE *to = mem_must(open_memstream(&script, &size));
	int err;

	fprintf(to, "ip link add front type veth peer name %s netns %d\n"
		    "ip addr add 10.9.0.1/24 dev front\n"
		    "ip link set lo up\n"
		    "ip link set front up\n"
		    "ethtool -K front gro on\n"
		    "ip route add " TCP_CLIENT_NET " via 10.9.0.2\n"
		    "echo 1 >/proc/sys/net/ipv4/ip_forward\n", wire ? "to-edge" : "eth0",
		wire ? world->wire.holder : world->client.holder);
	containers_join(world, to);
	fclose(to);
	err = space_run(&world->edge, script, diag);
	free(script);
	return err;
}

/* With a queue before its device, as NICs have one: a veth that is full makes it wait. */
static int client_join(const struct tcp_world *world, struct diag *diag)
{
	return space_run(&world->client,
			 "ip addr add 10.9.0.2/24 dev eth0\n"
			 "ip link set lo up\n"
			 "ip link set eth0 up\n"
			 "tc qdisc add dev eth0 root pfifo limit 1000\n"
			 "ip route add default via 10.9.0.1\n"
			 "ip route add local " TCP_CLIENT_NET " dev lo\n"
			 "echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range\n", diag);
}

static int container_join(const struct tcp_world *world, unsigned int number, struct diag *diag)
{
	uint32_t address = tcp_container_address(world, number);
	char script[512];

	snprintf(script, sizeof(script),
		 "ip link set lo up\n"
		 "ip addr add 10.64.%u.%u/24 dev eth0\n"
		 "ip link set eth0 up\n"
		 "ip route add default via 10.64.%u.1\n%s",
		 address >> 8 & 255, address & 255, address >> 8 & 255,
		 world->subject->returns_direct ? "ip addr add 192.0.2.1/32 dev lo\n" : "");
	return space_run(&world->containers[number - 1], script, diag);
}

int tcp_world_offload(const struct tcp_world *world, bool on, struct diag *diag)
{
	return space_run(&world->client, on ? "ethtool -K eth0 tx on tso on gso on sg on" :
					      "ethtool -K eth0 tx off tso off gso off", diag);
}

/* ---- the wire -------------------------------------------------------------------------------- */

/* In the namespace of the wire. The program stays with its device. */
static int wire_attach(void *data)
{
	struct wire_bpf *wire = wire_bpf__open_and_load();

	(void)data;
	if (!wire)
		return -errno;
	wire->bss->wire_ifindex = if_nametoindex("to-edge");
	return bpf_xdp_attach(if_nametoindex("to-client"), bpf_program__fd(wire->progs.wire),
			      XDP_FLAGS_DRV_MODE, NULL);
}

static int wire_join(const struct tcp_world *world, struct diag *diag)
{
	char script[512];
	int err;

	snprintf(script, sizeof(script),
		 "ip link add to-client type veth peer name eth0 netns %d\n"
		 "ip link add back type bridge\n"
		 "ip link set to-client master back\n"
		 "ip link set to-edge master back\n"
		 "ip link set to-client up\n"
		 "ip link set to-edge up\n"
		 "ip link set back up\n", world->client.holder);
	err = space_run(&world->wire, script, diag);
	if (!err) {
		err = space_call(&world->wire, wire_attach, NULL);
		if (err)
			diag_add(diag, NULL, 0, "cannot attach the wire's program: %s",
				 strerror(-err));
	}
	return err;
}

/* ---- the world ------------------------------------------------------------------------------- */

static int spaces_make(struct tcp_world *world)
{
	int err = space_make(space_idle, NULL, &world->client);

	world->served = mmap(NULL, TCP_BACKENDS * sizeof(*world->served), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world->served == MAP_FAILED) {
		world->served = NULL;
		return -ENOMEM;
	}
	if (!err)
		err = space_make(space_idle, NULL, &world->edge);
	if (!err && world->subject->link == TCP_WIRE)
		err = space_make(space_idle, NULL, &world->wire);
	for (int i = 0; !err && i < TCP_BACKENDS; i++)
		err = space_make(tcp_serve, &world->served[i], &world->containers[i]);
	return err;
}

static void targets_set(struct tcp_world *world)
{
	world->targets[0] = TCP_VIP;
	world->target_count = 1;
	world->port = TCP_VIP_PORT;
	if (!world->subject->direct)
		return;
	for (int i = 1; i <= TCP_BACKENDS; i++)
		world->targets[i - 1] = tcp_container_address(world, i);
	world->target_count = TCP_BACKENDS;
	world->port = TCP_PORT;
}

/* A short run, until one gets through: programs take a while to listen. */
static int answer_await(const struct tcp_world *world, struct diag *diag)
{
	const struct tcp_load load = {
		.wish = TCP_ANSWER, .parallel = 2 * TCP_BACKENDS, .targets = world->targets,
		.target_count = world->target_count, .port = world->port, .run_ms = 20,
	};
	struct tcp_result result;
	int err = -EPROTO;

	for (int tries = 0; err == -EPROTO && tries < 250; tries++) {
		err = tcp_load_run(&world->client, &load, &result);
		if (!err && result.failed)
			err = -EPROTO;
	}
	if (err)
		diag_add(diag, NULL, 0, "%s: no connection gets through: %s",
			 world->subject->name, strerror(-err));
	return err;
}

static void pid_note(struct tcp_world *world, pid_t pid)
{
	if (pid > 0 && world->pid_count < TCP_PIDS_MAX)
		world->pids[world->pid_count++] = pid;
}

/* Once the balancer answers, all its workers are there. */
static void pids_note(struct tcp_world *world)
{
	char path[64];
	FILE *file;
	int child;

	for (int i = 0; i < TCP_BACKENDS; i++)
		pid_note(world, world->containers[i].holder);
	pid_note(world, world->lbd.pid);
	pid_note(world, world->program);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", world->program, world->program);
	file = fopen(path, "re");
	while (file && fscanf(file, "%d", &child) == 1)
		pid_note(world, child);
	if (file)
		fclose(file);
}

int tcp_world_make(const struct tcp_subject *subject, struct tcp_world *ret_world,
		   struct diag *diag)
{
	struct tcp_world *world = ret_world;
	int err;

	memset(world, 0, sizeof(*world));
	world->subject = subject;
	targets_set(world);
	err = spaces_make(world);
	if (err)
		diag_add(diag, NULL, 0, "cannot make network namespaces: %s", strerror(-err));
	if (!err)
		err = edge_join(world, diag);
	if (!err && subject->link == TCP_WIRE)
		err = wire_join(world, diag);
	if (!err)
		err = client_join(world, diag);
	for (int i = 1; !err && i <= TCP_BACKENDS; i++)
		err = container_join(world, i, diag);
	if (!err)
		err = tcp_world_offload(world, false, diag);
	if (!err && subject->start)
		err = subject->start(world, diag);
	if (!err)
		err = answer_await(world, diag);
	pids_note(world);
	if (err)
		tcp_world_unmake(world);
	return err;
}

void tcp_world_unmake(struct tcp_world *world)
{
	space_kill(&world->program);
	balancer_stop(&world->lbd);
	for (int i = 0; i < TCP_BACKENDS; i++)
		space_unmake(&world->containers[i]);
	space_unmake(&world->edge);
	space_unmake(&world->wire);
	space_unmake(&world->client);
	if (world->served)
		munmap(world->served, TCP_BACKENDS * sizeof(*world->served));
	world->served = NULL;
}
