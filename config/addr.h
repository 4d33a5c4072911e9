/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An IP address of either family, as all of edgelb holds it: 16 bytes in network order, IPv4 as
 * ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2). The data plane's keys have the same form, so an
 * address goes from lb.conf into a table without being touched. */
#ifndef CONFIG_ADDR_H
#define CONFIG_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_TEXT_MAX 46 /* INET6_ADDRSTRLEN: with the final NUL */

struct addr {
	unsigned char byte[16]; /* network order; IPv4 stands in byte[12..15] */
};

struct prefix {
	struct addr addr; /* bits behind the length are zero */
	unsigned int len; /* 0 to 128; that of an IPv4 prefix counts its leading 96 bits too */
};

/* Reads a literal of either family; no host names, no zone, no brackets. "::ffff:1.2.3.4" is
 * IPv4. Returns 0 or -EINVAL. */
int addr_parse(const char *text, struct addr *ret_addr);

/* Reads "ADDRESS/LENGTH", or an address alone as its host prefix. Returns 0, or -EINVAL, also for
 * bits that stand behind the length. */
int prefix_parse(const char *text, struct prefix *ret_prefix);

/* Writes the customary form (RFC 5952 for IPv6) into text[ADDR_TEXT_MAX] and returns text. */
const char *addr_format(const struct addr *addr, char *text);

bool addr_is_ipv4(const struct addr *addr);
bool addr_equal(const struct addr *a, const struct addr *b);
/* Of one of each family at the most: the same ones are there, and equal. */
bool addr_pair_equal(const struct addr a[2], const bool has_a[2], const struct addr b[2],
		     const bool has_b[2]);
int addr_compare(const struct addr *a, const struct addr *b); /* as memcmp */
bool prefix_contains(const struct prefix *prefix, const struct addr *addr);

/* 4 raw bytes (network order) or 16 of a kernel attribute to an address. */
struct addr addr_from_ipv4(const void *bytes4);
struct addr addr_from_ipv6(const void *bytes16);

#endif
