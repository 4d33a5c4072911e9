/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Subjects that came or went, written into the half in use while programs read it.
 *
 * Between two entries a program can see some of the old and some of the new. What it does then must
 * not be weaker than both: so who goes is unknown (POLICY_SET_NEW, or not touched) before his
 * addresses change hands, and who comes is known after all addresses are right. Each address
 * changes its place at once. Who is in another set than before would need more than an order: that
 * takes a swap. The epoch grows after the last entry, so that nothing which was concluded meanwhile
 * stands. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "policy/kernel_private.h"

/* One column of a generation: items in order, each one an entry of its table. */
struct column {
	enum policy_table table;
	size_t size;				/* of an item */
	int (*compare)(const void *, const void *); /* of keys */
	bool (*same)(const void *, const void *);   /* values, the keys being equal */
	int (*put)(int fd, const void *item);
	int (*drop)(int fd, const void *item);
	bool fixed;				/* a value that changes takes a swap */
};

struct items {
	const void *at;
	size_t count;
};

/* ---- entries --------------------------------------------------------------------------------- */

static int put(int fd, const void *key, const void *value)
{
	return bpf_map_update_elem(fd, key, value, BPF_ANY) ? -errno : 0;
}

static int drop(int fd, const void *key)
{
	return bpf_map_delete_elem(fd, key) && errno != ENOENT ? -errno : 0;
}

int policy_put_member(int fd, const void *member)
{
	const struct policy_member *at = member;
	uint32_t set = at->set;

	return put(fd, &at->id, &set);
}

int policy_put_parent(int fd, const void *id)
{
	uint32_t any = 1;

	return put(fd, id, &any);
}

static struct policy_key key_of(const struct policy_prefix *at)
{
	struct policy_key key = { .prefix_len = at->prefix.len };

	memcpy(key.address, at->prefix.addr.byte, sizeof(key.address));
	return key;
}

int policy_put_prefix(int fd, const void *prefix)
{
	const struct policy_prefix *at = prefix;
	struct policy_key key = key_of(at);

	return put(fd, &key, &at->place);
}

int policy_put_port(int fd, const void *backstop)
{
	const struct policy_backstop *at = backstop;

	return put(fd, &at->ifindex, &at->port);
}

static int drop_member(int fd, const void *member)
{
	return drop(fd, &((const struct policy_member *)member)->id);
}

static int drop_prefix(int fd, const void *prefix)
{
	struct policy_key key = key_of(prefix);

	return drop(fd, &key);
}

static int drop_port(int fd, const void *backstop)
{
	return drop(fd, &((const struct policy_backstop *)backstop)->ifindex);
}

/* ---- order ----------------------------------------------------------------------------------- */

static int member_compare(const void *a, const void *b)
{
	uint64_t x = ((const struct policy_member *)a)->id;
	uint64_t y = ((const struct policy_member *)b)->id;

	return (x > y) - (x < y);
}

static int prefix_compare(const void *a, const void *b)
{
	const struct prefix *x = &((const struct policy_prefix *)a)->prefix;
	const struct prefix *y = &((const struct policy_prefix *)b)->prefix;
	int order = addr_compare(&x->addr, &y->addr);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int port_compare(const void *a, const void *b)
{
	unsigned int x = ((const struct policy_backstop *)a)->ifindex;
	unsigned int y = ((const struct policy_backstop *)b)->ifindex;

	return (x > y) - (x < y);
}

static bool member_same(const void *a, const void *b)
{
	return ((const struct policy_member *)a)->set == ((const struct policy_member *)b)->set;
}

static bool prefix_same(const void *a, const void *b)
{
	const struct policy_place *x = &((const struct policy_prefix *)a)->place;
	const struct policy_place *y = &((const struct policy_prefix *)b)->place;

	return x->class == y->class && x->netns == y->netns &&
	       x->as.initiator == y->as.initiator && x->as.responder == y->as.responder;
}

static bool port_same(const void *a, const void *b)
{
	const struct policy_port *x = &((const struct policy_backstop *)a)->port;
	const struct policy_port *y = &((const struct policy_backstop *)b)->port;

	return x->netns == y->netns && x->set == y->set && x->strict == y->strict &&
	       !memcmp(x->mac, y->mac, sizeof(x->mac));
}

#define MEMBERS(which, is_fixed)                                                                  \
	{ .table = (which), .size = sizeof(struct policy_member), .compare = member_compare,      \
	  .same = member_same, .put = policy_put_member, .drop = drop_member, .fixed = (is_fixed) }

static const struct column cgroups = MEMBERS(TABLE_CGROUPS, true);
static const struct column namespaces = MEMBERS(TABLE_NETNS, true);
static const struct column places = {
	.table = TABLE_PLACES, .size = sizeof(struct policy_prefix), .compare = prefix_compare,
	.same = prefix_same, .put = policy_put_prefix, .drop = drop_prefix,
};
static const struct column ports_of_host = {
	.table = TABLE_PORTS, .size = sizeof(struct policy_backstop), .compare = port_compare,
	.same = port_same, .put = policy_put_port, .drop = drop_port, .fixed = true,
};

/* ---- differences ----------------------------------------------------------------------------- */

typedef int entry_function(int fd, const void *item);

/* Each may be NULL. A value that changed is visited as it is in `to`. */
struct visits {
	entry_function *gone, *changed, *came;
};

static int visit(entry_function *function, int fd, const void *item)
{
	return function ? function(fd, item) : 0;
}

static int differences(const struct column *column, struct items from, struct items to,
		       struct visits visits, int fd)
{
	const char *a = from.at, *a_end = a + from.count * column->size;
	const char *b = to.at, *b_end = b + to.count * column->size;
	int err = 0;

	while (!err && (a < a_end || b < b_end)) {
		int order = a == a_end ? 1 : b == b_end ? -1 : column->compare(a, b);

		if (order < 0)
			err = visit(visits.gone, fd, a);
		else if (order > 0)
			err = visit(visits.came, fd, b);
		else if (!column->same(a, b))
			err = visit(visits.changed, fd, b);
		a += order <= 0 ? column->size : 0;
		b += order >= 0 ? column->size : 0;
	}
	return err;
}

static int refuse(int fd, const void *item)
{
	(void)fd;
	(void)item;
	return -ESTALE;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* What is patched, of one state. */
struct moment {
	struct items items[POLICY_TABLES];
};

static struct moment moment_of(const struct policy_tables *tables,
			       const struct policy_backstop *ports, size_t port_count)
{
	return (struct moment){ .items = {
		[TABLE_CGROUPS] = { tables->cgroups, tables->cgroup_count },
		[TABLE_NETNS] = { tables->namespaces, tables->namespace_count },
		[TABLE_PLACES] = { tables->prefixes, tables->prefix_count },
		[TABLE_PORTS] = { ports, port_count },
	} };
}

static const struct step {
	const struct column *column;
	bool gone, came;	/* what is carried out; what came includes what changed */
} steps[] = {
	{ .column = &ports_of_host, .gone = true },
	{ .column = &cgroups, .gone = true },
	{ .column = &namespaces, .gone = true },
	{ .column = &places, .came = true },
	{ .column = &places, .gone = true },
	{ .column = &namespaces, .came = true },
	{ .column = &cgroups, .came = true },
	{ .column = &ports_of_host, .came = true },
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static int carry_out(const int *fds, const struct moment *from, const struct moment *to)
{
	int err = 0;

	for (size_t i = 0; !err && i < STEPS; i++) {
		const struct column *column = steps[i].column;
		struct visits visits = {
			.gone = steps[i].gone ? column->drop : NULL,
			.changed = steps[i].came ? column->put : NULL,
			.came = steps[i].came ? column->put : NULL,
		};

		err = differences(column, from->items[column->table], to->items[column->table],
				  visits, fds[column->table]);
	}
	return err;
}

static bool can_be_patched(const struct moment *from, const struct moment *to)
{
	const struct visits visits = { .changed = refuse };

	for (size_t i = 0; i < STEPS; i++) {
		const struct column *column = steps[i].column;

		if (column->fixed && differences(column, from->items[column->table],
						 to->items[column->table], visits, -1))
			return false;
	}
	return true;
}

int policy_patch(struct policy_kernel *kernel, const struct policy_tables *before,
		 const struct policy_tables *tables, const struct policy_backstop *ports,
		 size_t port_count)
{
	struct moment from = moment_of(before, kernel->ports, kernel->port_count);
	struct moment to = moment_of(tables, ports, port_count);
	uint64_t current = policy_kernel_current(kernel);
	int fds[POLICY_TABLES], err = 0;

	if (!policy_tables_same_rules(before, tables) || !can_be_patched(&from, &to))
		return -ESTALE;
	for (int i = 0; i < POLICY_TABLES; i++)
		fds[i] = -1;
	for (size_t i = 0; !err && i < STEPS; i++) {
		enum policy_table table = steps[i].column->table;

		if (fds[table] < 0)
			fds[table] = policy_half_open(kernel, table, POLICY_HALF(current));
		err = fds[table] < 0 ? fds[table] : 0;
	}
	if (!err) {
		err = carry_out(fds, &from, &to);
		if (err) /* what was put in its way is taken out, what was taken comes back */
			carry_out(fds, &to, &from);
		__atomic_store_n(&kernel->settings->current, current + 2, __ATOMIC_RELEASE);
	}
	for (int i = 0; i < POLICY_TABLES; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return err;
}
