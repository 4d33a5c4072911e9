/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who stands between clients and containers, each with a world of its own, so that none of them
 * meets another's rules or programs and all can be measured in turn:
 *
 *     client                   edge                              containers
 *     eth0 ─────────────────── front   the subject   c1..c3 ────── eth0
 *
 * All links are veths of MTU 1500. The client's offloads are off: its packets have the wire's size
 * and complete checksums. GRO is on at `front`, as it is with NICs. Everything is on all CPUs of
 * the bench, unpinned, for every subject alike.
 *
 * A veth client's packets are copied for an XDP program on `front`, where a kernel that routes is
 * handed the client's own. No NIC does the one or the other, so uploads are measured once more over
 * a wire: a namespace between client and edge where an XDP program hands on what the client sends
 * (and copies it there, for every subject), so that it comes to `front` as from a NIC's driver, as
 * raw frames in pages of their own. What goes to the client is bridged there, as it is. */
#ifndef BENCH_TCP_WORLD_H
#define BENCH_TCP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/balancer.h"
#include "bench/space.h"
#include "bench/tcp_server.h"

#define TCP_BACKENDS 3
#define TCP_PIDS_MAX 128
#define TCP_VIP	     0xc0000201 /* 192.0.2.1 */

struct tcp_world;

enum tcp_link { TCP_VETH, TCP_WIRE };

struct tcp_subject {
	const char *name;	/* in figures */
	const char *title;
	enum tcp_link link;	/* between client and edge */
	bool bridge;		/* the containers stand behind one */
	bool direct;		/* clients go to the containers, not to the vip */
	bool returns_direct;	/* containers answer as the vip */
	bool rules_only;	/* as the one before, but for how it chooses */
	bool by_xdp;		/* which forwards partial checksums as they are */
	int (*start)(struct tcp_world *world, struct diag *diag); /* NULL: nothing to start */
};

extern const struct tcp_subject tcp_subjects[];
extern const size_t tcp_subject_count;
#define TCP_SUBJECTS_MAX 16

struct tcp_world {
	const struct tcp_subject *subject;
	struct space client, wire, edge, containers[TCP_BACKENDS];
	struct tcp_served *served;		/* one a container, shared with it */
	uint32_t targets[TCP_BACKENDS];		/* where clients connect to */
	size_t target_count;
	uint16_t port;
	struct balancer lbd;
	pid_t program;				/* another balancer */
	pid_t pids[TCP_PIDS_MAX];		/* of containers and balancer, with its workers */
	size_t pid_count;
};

/* Returns once the subject answers. 0, or -errno with a sentence. */
int tcp_world_make(const struct tcp_subject *subject, struct tcp_world *ret_world,
		   struct diag *diag);
void tcp_world_unmake(struct tcp_world *world);

/* Of the client's end: off, as on a wire, or as veths have them. */
int tcp_world_offload(const struct tcp_world *world, bool on, struct diag *diag);

uint32_t tcp_container_address(const struct tcp_world *world, unsigned int number);

#endif
