/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and prefixes: text to the one 16-byte form and back. Everything that reads or shows
 * an address calls this; nobody else knows that IPv4 stands as ::ffff:a.b.c.d. */
#include "config/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define IPV4_LEAD 12 /* bytes before the four of an IPv4 address */

static const unsigned char ipv4_lead[IPV4_LEAD] = { [10] = 0xff, [11] = 0xff };

struct addr addr_from_ipv4(const void *bytes4)
{
	struct addr addr;

	memcpy(addr.byte, ipv4_lead, IPV4_LEAD);
	memcpy(addr.byte + IPV4_LEAD, bytes4, 4);
	return addr;
}

struct addr addr_from_ipv6(const void *bytes16)
{
	struct addr addr;

	memcpy(addr.byte, bytes16, sizeof(addr.byte));
	return addr;
}

bool addr_is_ipv4(const struct addr *addr)
{
	return !memcmp(addr->byte, ipv4_lead, IPV4_LEAD);
}

bool addr_pair_equal(const struct addr a[2], const bool has_a[2], const struct addr b[2],
		     const bool has_b[2])
{
	for (int family = 0; family < 2; family++)
		if (has_a[family] != has_b[family] ||
		    (has_a[family] && !addr_equal(&a[family], &b[family])))
			return false;
	return true;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->byte, b->byte, sizeof(a->byte));
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return !addr_compare(a, b);
}

int addr_parse(const char *text, struct addr *ret_addr)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		*ret_addr = addr_from_ipv4(bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*ret_addr = addr_from_ipv6(bytes);
	else
		return -EINVAL;
	return 0;
}

const char *addr_format(const struct addr *addr, char *text)
{
	if (addr_is_ipv4(addr))
		inet_ntop(AF_INET, addr->byte + IPV4_LEAD, text, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, addr->byte, text, ADDR_TEXT_MAX);
	return text;
}

/* The bits of byte i that a prefix of this length leaves open. */
static unsigned char open_bits(unsigned int len, unsigned int i)
{
	if (len >= 8 * (i + 1))
		return 0;
	if (len <= 8 * i)
		return 0xff;
	return 0xff >> (len - 8 * i);
}

/* One to three digits up to max; strtoul would take signs and spaces too. */
static int length_parse(const char *text, unsigned int max, unsigned int *ret_len)
{
	size_t digits = strspn(text, "0123456789");
	unsigned int len = 0;

	if (digits < 1 || digits > 3 || text[digits])
		return -EINVAL;
	for (; *text; text++)
		len = 10 * len + (unsigned int)(*text - '0');
	if (len > max)
		return -EINVAL;
	*ret_len = len;
	return 0;
}

int prefix_parse(const char *text, struct prefix *ret_prefix)
{
	const char *slash = strchrnul(text, '/');
	/* A dotted quad counts its length from its own first bit, "::ffff:1.2.3.0/120" does not. */
	unsigned int lead = memchr(text, ':', (size_t)(slash - text)) ? 0 : 8 * IPV4_LEAD;
	char addr_text[ADDR_TEXT_MAX];
	struct prefix prefix = { .len = 128 };

	if ((size_t)(slash - text) >= sizeof(addr_text))
		return -EINVAL;
	memcpy(addr_text, text, (size_t)(slash - text));
	addr_text[slash - text] = '\0';
	if (addr_parse(addr_text, &prefix.addr))
		return -EINVAL;
	if (*slash) {
		if (length_parse(slash + 1, 128 - lead, &prefix.len))
			return -EINVAL;
		prefix.len += lead;
	}
	for (unsigned int i = 0; i < sizeof(prefix.addr.byte); i++)
		if (prefix.addr.byte[i] & open_bits(prefix.len, i))
			return -EINVAL;
	*ret_prefix = prefix;
	return 0;
}

bool prefix_contains(const struct prefix *prefix, const struct addr *addr)
{
	for (unsigned int i = 0; i < sizeof(addr->byte); i++) {
		unsigned char differ = prefix->addr.byte[i] ^ addr->byte[i];

		if (differ & (unsigned char)~open_bits(prefix->len, i))
			return false;
	}
	return true;
}
