/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prefixes into classes. The program takes the longest match and nothing else, so what stands in a
 * prefix also carries all that its wider ones carry. The addresses of namespaces come last: they
 * bring groups, but no class of their own, so that containers may come and go. */
#include "policy/compiler.h"

#define IPV4_BITS 96	/* that stand before those of an IPv4 address */

static int prefix_order(const struct prefix *a, const struct prefix *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int named_order(const void *a, const void *b)
{
	return prefix_order(&((const struct named_prefix *)a)->prefix,
			    &((const struct named_prefix *)b)->prefix);
}

static int place_order(const void *a, const void *b)
{
	return prefix_order(&((const struct policy_prefix *)a)->prefix,
			    &((const struct policy_prefix *)b)->prefix);
}

/* ---- the longest match ----------------------------------------------------------------------- */

static unsigned int common_bits(const struct addr *a, const struct addr *b)
{
	for (unsigned int i = 0; i < sizeof(a->byte); i++)
		if (a->byte[i] != b->byte[i])
			return 8 * i + (unsigned int)__builtin_clz(a->byte[i] ^ b->byte[i]) - 24;
	return 8 * sizeof(a->byte);
}

static struct prefix prefix_of(const struct addr *addr, unsigned int len)
{
	struct prefix prefix = { *addr, len };

	for (unsigned int i = 0; i < sizeof(addr->byte); i++)
		if (len < 8 * (i + 1))
			prefix.addr.byte[i] &= len > 8 * i ? 0xff00 >> (len - 8 * i) : 0;
	return prefix;
}

/* The number of entries that stand before `prefix` or are it. */
static size_t count_up_to(const struct policy_prefix *prefixes, size_t count,
			  const struct prefix *prefix)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (prefix_order(&prefixes[middle].prefix, prefix) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A prefix stands before all that it contains. So the last entry that is not behind the address
 * contains it, or whatever does contain it is at most as long as what the two have in common. */
const struct policy_prefix *prefix_longest(const struct policy_prefix *prefixes, size_t count,
					   const struct addr *addr)
{
	struct prefix wanted = { *addr, 128 };

	for (;;) {
		count = count_up_to(prefixes, count, &wanted);
		if (!count)
			return NULL;
		if (prefix_contains(&prefixes[count - 1].prefix, addr))
			return &prefixes[count - 1];
		wanted = prefix_of(addr, common_bits(addr, &prefixes[count - 1].prefix.addr));
	}
}

/* ---- classes --------------------------------------------------------------------------------- */

static uint32_t class_number(struct compiler *compiler, const uint64_t *fits)
{
	return intern_number(&compiler->classes, fits, 2 * compiler->words);
}

static void fits_add(const struct compiler *compiler, uint64_t *fits,
		     const struct named_prefix *named)
{
	for (enum role role = INITIATOR; role <= RESPONDER; role++)
		if (named->fits[role])
			bits_add(fits + role * compiler->words, named->fits[role],
				 compiler->words);
}

/* "::/0" is every IPv6 address and no IPv4 one, whatever form these have here. */
static bool prefix_is_ipv4(const struct prefix *prefix)
{
	return prefix->len >= IPV4_BITS && addr_is_ipv4(&prefix->addr);
}

/* So where an IPv6 prefix is around all of IPv4, that gets an entry that ends it. */
static void ipv4_wall_in(struct compiler *compiler)
{
	const struct prefix ipv4 = { .addr.byte = { [10] = 0xff, [11] = 0xff }, .len = IPV4_BITS };

	for (size_t i = 0; i < compiler->named_count; i++)
		if (compiler->named[i].prefix.len < IPV4_BITS &&
		    prefix_contains(&compiler->named[i].prefix, &ipv4.addr)) {
			named_add(compiler, &ipv4, INITIATOR, NULL);
			return;
		}
}

/* The stack holds the prefixes around the one in hand, by their places in the tables. */
static void prefixes_walk(struct compiler *compiler)
{
	struct policy_prefix *prefixes = compiler->tables->prefixes;
	uint64_t *fits = mem_array(2 * compiler->words, sizeof(*fits));
	const struct named_prefix *named = compiler->named;
	size_t stack[129], depth = 0, count = 0, next;

	class_number(compiler, fits);
	for (size_t i = 0; i < compiler->named_count; i = next) {
		const struct prefix *prefix = &named[i].prefix;
		uint32_t around = 0;

		while (depth && !prefix_contains(&prefixes[stack[depth - 1]].prefix, &prefix->addr))
			depth--;
		if (depth && prefix_is_ipv4(prefix) ==
				     prefix_is_ipv4(&prefixes[stack[depth - 1]].prefix))
			around = prefixes[stack[depth - 1]].place.class;
		memcpy(fits, intern_words(&compiler->classes, around),
		       2 * compiler->words * sizeof(*fits));
		for (next = i; next < compiler->named_count &&
			       !prefix_order(&named[next].prefix, prefix); next++)
			fits_add(compiler, fits, &named[next]);
		prefixes[count].prefix = *prefix;
		prefixes[count].place.class = class_number(compiler, fits);
		stack[depth++] = count++;
	}
	compiler->tables->prefix_count = count;
	free(fits);
}

struct by_words {
	const uint64_t *words;
	size_t size;		/* bytes */
	uint32_t number;
};

static int words_order(const void *a, const void *b)
{
	const struct by_words *one = a, *other = b;

	return memcmp(one->words, other->words, one->size);
}

/* By what they are instead of where: another address of somebody changes no number then. Zero, the
 * class of nothing, sorts first. */
static void classes_sort(struct compiler *compiler)
{
	size_t count = compiler->classes.count, words = 2 * compiler->words;
	struct by_words *order = mem_array(count, sizeof(*order));
	uint32_t *renamed = mem_array(count, sizeof(*renamed));
	struct intern sorted = { 0 };

	for (uint32_t c = 0; c < count; c++)
		order[c] = (struct by_words){ intern_words(&compiler->classes, c),
					      words * sizeof(uint64_t), c };
	qsort(order, count, sizeof(*order), words_order);
	for (size_t i = 0; i < count; i++)
		renamed[order[i].number] = intern_number(&sorted, order[i].words, words);
	for (size_t i = 0; i < compiler->tables->prefix_count; i++) {
		struct policy_place *place = &compiler->tables->prefixes[i].place;

		place->class = renamed[place->class];
	}
	intern_clear(&compiler->classes);
	compiler->classes = sorted;
	free(order);
	free(renamed);
}

/* ---- addresses of namespaces ----------------------------------------------------------------- */

static void hosts_add(struct compiler *compiler)
{
	struct policy_tables *tables = compiler->tables;
	size_t named = tables->prefix_count;

	for (size_t h = 0; h < compiler->host_count; h++) {
		const struct host *host = &compiler->hosts[h];
		const struct policy_prefix *around =
			prefix_longest(tables->prefixes, named, &host->address);

		if (around && around->prefix.len == 128)
			continue;
		tables->prefixes[tables->prefix_count++] = (struct policy_prefix){
			.prefix = { host->address, 128 },
			.place.class = around ? around->place.class : 0,
		};
	}
	qsort(tables->prefixes, tables->prefix_count, sizeof(*tables->prefixes), place_order);
}

/* Both lists are in the order of addresses, and each host has its prefix by now. */
static void hosts_fill(struct compiler *compiler)
{
	struct policy_tables *tables = compiler->tables;
	size_t p = 0;

	for (size_t h = 0; h < compiler->host_count; h++, p++) {
		const struct host *host = &compiler->hosts[h];
		uint32_t set = POLICY_SET_NEW;

		while (tables->prefixes[p].prefix.len != 128 ||
		       !addr_equal(&tables->prefixes[p].prefix.addr, &host->address))
			p++;
		intern_find(&compiler->sets, (const uint64_t *)&host->groups, SET_WORDS, &set);
		compiler->place_sets[p] = (uint16_t)set;
		tables->prefixes[p].place.netns = (uint32_t)host->cookie;
	}
}

int places_build(struct compiler *compiler)
{
	struct policy_tables *tables = compiler->tables;
	size_t limit = POLICY_UNIONS_MAX;

	ipv4_wall_in(compiler);
	tables->prefixes = mem_array(compiler->named_count + compiler->host_count,
				     sizeof(*tables->prefixes));
	if (compiler->named_count)
		qsort(compiler->named, compiler->named_count, sizeof(*compiler->named),
		      named_order);
	prefixes_walk(compiler);
	classes_sort(compiler);
	hosts_add(compiler);
	compiler->place_sets = mem_array(tables->prefix_count, sizeof(*compiler->place_sets));
	hosts_fill(compiler);

	if (tables->prefix_count > POLICY_PLACES_MAX)
		return limit_told(compiler, "prefixes and addresses", tables->prefix_count,
				  POLICY_PLACES_MAX);
	tables->dims.class_count = (uint32_t)compiler->classes.count;
	if (compiler->classes.count * tables->dims.set_count > limit)
		return limit_told(compiler, "sets of groups times classes of addresses",
				  compiler->classes.count * tables->dims.set_count, limit);
	return 0;
}
