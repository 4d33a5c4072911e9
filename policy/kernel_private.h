/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of policy/kernel.h share: kernel.c opens and pins, apply.c and patch.c write
 * generations, backstop.c attaches to interfaces, tell.c reads. */
#ifndef POLICY_KERNEL_PRIVATE_H
#define POLICY_KERNEL_PRIVATE_H

#include "policy/kernel.h"

struct policy_bpf;
struct ring_buffer;

/* Tables with a map for each half. */
enum policy_table {
	TABLE_CGROUPS, TABLE_NETNS, TABLE_PARENTS, TABLE_PAIRS, TABLE_PLACES, TABLE_UNIONS,
	TABLE_CELLS, TABLE_SPANS, TABLE_SOCKETS, TABLE_TCP, TABLE_PORTS,
	POLICY_TABLES,
};

struct policy_halves {
	int outer;		/* fd */
	uint32_t type, key_size, value_size, flags; /* of a half */
};

struct policy_kernel {
	char *pins;			/* PIN/policy */
	struct policy_bpf *skel;
	struct policy_settings *settings; /* mapped */
	struct policy_halves halves[POLICY_TABLES];
	struct policy_backstop *ports;	/* as applied, in the order of ifindex */
	size_t port_count;
	unsigned int *attached;		/* interfaces with the backstop; unsorted */
	size_t attached_count;
	bool looked;			/* `attached` is known: a daemon before us left some */
	struct ring_buffer *ring;
	policy_event_function *tell;
	void *context;
};

const char *policy_table_name(enum policy_table table);

/* The map of a half, a new fd, or -errno. */
int policy_half_open(const struct policy_kernel *kernel, enum policy_table table, uint32_t half);

/* Changes the half in use from what `before` and the kernel's ports say to `tables` and `ports`
 * (sorted). -ESTALE: they differ in more than a patch can do. After a failure it is as it was. */
int policy_patch(struct policy_kernel *kernel, const struct policy_tables *before,
		 const struct policy_tables *tables, const struct policy_backstop *ports,
		 size_t port_count);

/* One entry into a map of a half; 0 or -errno. patch.c; items are those of struct policy_tables. */
int policy_put_member(int fd, const void *member);
int policy_put_parent(int fd, const void *id);
int policy_put_prefix(int fd, const void *prefix);
int policy_put_port(int fd, const void *backstop);

int policy_ring_open(struct policy_kernel *kernel);

/* Takes the backstop off every interface of this network namespace. */
void policy_backstop_remove(const char *pins);

#endif
