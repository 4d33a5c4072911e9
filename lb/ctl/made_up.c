/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/ctl/made_up.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOPS 64
#define WINDOW 64240

/* ---- words ---------------------------------------------------------------------------------- */

static int protocol_parse(const char *text, uint8_t *ret_protocol, struct diag *diag)
{
	if (!strcasecmp(text, "tcp"))
		*ret_protocol = IPPROTO_TCP;
	else if (!strcasecmp(text, "udp"))
		*ret_protocol = IPPROTO_UDP;
	else if (!strcasecmp(text, "icmp"))
		*ret_protocol = IPPROTO_ICMP;
	else {
		diag_add(diag, NULL, 0, "\"%s\" is none of tcp, udp, icmp", text);
		return -EINVAL;
	}
	return 0;
}

/* The colon before the port, or NULL. */
static char *port_colon(char *text)
{
	char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;

	if (text[0] != '[')
		return strchr(text, ':');
	return bracket && bracket[1] == ':' ? bracket + 1 : NULL;
}

/* "ADDRESS:PORT", IPv6 in brackets; without `with_port` an address alone. */
static int endpoint_parse(const char *text, bool with_port, struct addr *ret_addr,
			  uint16_t *ret_port, struct diag *diag)
{
	char copy[ADDR_TEXT_MAX + sizeof("[]:65535")] = "", *address = copy, *colon, *end = NULL;
	unsigned long port = 0;

	if (strlen(text) < sizeof(copy))
		strcpy(copy, text);
	colon = with_port ? port_colon(copy) : NULL;
	if (colon) {
		*colon = '\0';
		port = colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 0;
	}
	if (address[0] == '[' && address[strlen(address) - 1] == ']') {
		address[strlen(address) - 1] = '\0';
		address++;
	}
	if (with_port && (!colon || !end || *end || port < 1 || port > 65535)) {
		diag_add(diag, NULL, 0,
			 "\"%s\" is not ADDRESS:PORT (IPv6 as [2001:db8::1]:80), with a "
			 "port from 1 to 65535",
			 text);
		return -EINVAL;
	}
	if (addr_parse(address, ret_addr)) {
		diag_add(diag, NULL, 0, "\"%s\" has no IPv4 or IPv6 address%s", text,
			 with_port ? "" : ", or has more than that (icmp has no ports)");
		return -EINVAL;
	}
	*ret_port = (uint16_t)port;
	return 0;
}

static int flags_parse(const char *text, uint8_t *ret_flags, struct diag *diag)
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG" };
	uint8_t flags = 0;

	while (*text) {
		size_t length = strcspn(text, ","), i;

		for (i = 0; i < 6; i++)
			if (length == 3 && !strncasecmp(text, names[i], 3))
				break;
		if (i == 6) {
			diag_add(diag, NULL, 0, "\"%.*s\" is none of SYN, ACK, FIN, RST, PSH, URG",
				 (int)length, text);
			return -EINVAL;
		}
		flags |= (uint8_t)(1 << i);
		text += length;
		text += *text == ',';
	}
	*ret_flags = flags;
	return 0;
}

int made_up_parse(const char *protocol, const char *src, const char *dst, const char *flags,
		  struct made_up *ret_made_up, struct diag *diag)
{
	struct made_up made_up = { .dst_mac = { 2, 0, 0, 0, 0, 2 } };
	bool ports;
	int err = protocol_parse(protocol, &made_up.protocol, diag);

	if (err)
		return err;
	ports = made_up.protocol != IPPROTO_ICMP;
	if (flags && made_up.protocol != IPPROTO_TCP) {
		diag_add(diag, NULL, 0, "only tcp has --flags");
		return -EINVAL;
	}
	err = endpoint_parse(src, ports, &made_up.src, &made_up.sport, diag);
	if (!err)
		err = endpoint_parse(dst, ports, &made_up.dst, &made_up.dport, diag);
	if (!err && addr_is_ipv4(&made_up.src) != addr_is_ipv4(&made_up.dst)) {
		diag_add(diag, NULL, 0, "%s and %s are of different families", src, dst);
		err = -EINVAL;
	}
	if (!err)
		err = flags_parse(flags ? flags : "SYN", &made_up.flags, diag);
	if (!err)
		*ret_made_up = made_up;
	return err;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void put(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static uint32_t sum_of(const uint8_t *bytes, size_t count)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < count; i += 2) /* all that is made up here is of even length */
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static uint32_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The transport header; returns its bytes. The checksum is still that of nothing. */
static size_t l4_write(const struct made_up *made_up, bool ipv6, uint8_t *l4, size_t *ret_check)
{
	put(l4, made_up->sport);
	put(l4 + 2, made_up->dport);
	switch (made_up->protocol) {
	case IPPROTO_TCP:
		l4[12] = 5 << 4;
		l4[13] = made_up->flags;
		put(l4 + 14, WINDOW);
		*ret_check = 16;
		return 20;
	case IPPROTO_UDP:
		put(l4 + 4, 8);
		*ret_check = 6;
		return 8;
	default:
		l4[0] = ipv6 ? 128 : 8;
		put(l4 + 6, 1); /* its sequence number */
		*ret_check = 2;
		return 8;
	}
}

static void ipv4_write(const struct made_up *made_up, uint8_t *ip, size_t l4_bytes)
{
	ip[0] = 0x45;
	put(ip + 2, (uint32_t)(20 + l4_bytes));
	put(ip + 6, 0x4000); /* DF */
	ip[8] = HOPS;
	ip[9] = made_up->protocol;
	memcpy(ip + 12, made_up->src.byte + 12, 4);
	memcpy(ip + 16, made_up->dst.byte + 12, 4);
	put(ip + 10, ~fold(sum_of(ip, 20)));
}

static void ipv6_write(const struct made_up *made_up, uint8_t *ip, uint8_t protocol,
		       size_t l4_bytes)
{
	ip[0] = 0x60;
	put(ip + 4, (uint32_t)l4_bytes);
	ip[6] = protocol;
	ip[7] = HOPS;
	memcpy(ip + 8, made_up->src.byte, 16);
	memcpy(ip + 24, made_up->dst.byte, 16);
}

size_t made_up_write(const struct made_up *made_up, uint8_t frame[MADE_UP_MAX])
{
	static const uint8_t src_mac[6] = { 2, 0, 0, 0, 0, 1 };
	bool ipv6 = !addr_is_ipv4(&made_up->src), icmp = made_up->protocol == IPPROTO_ICMP;
	uint8_t protocol = icmp && ipv6 ? IPPROTO_ICMPV6 : made_up->protocol;
	uint8_t *ip = frame + ETH_HLEN, *l4 = ip + (ipv6 ? 40 : 20);
	size_t check, l4_bytes;
	uint32_t sum = 0;

	memset(frame, 0, MADE_UP_MAX);
	memcpy(frame, made_up->dst_mac, 6);
	memcpy(frame + 6, src_mac, 6);
	put(frame + 12, ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	l4_bytes = l4_write(made_up, ipv6, l4, &check);
	if (ipv6)
		ipv6_write(made_up, ip, protocol, l4_bytes);
	else
		ipv4_write(made_up, ip, l4_bytes);
	if (!icmp || ipv6) /* the pseudo-header */
		sum = sum_of(ip + (ipv6 ? 8 : 12), ipv6 ? 32 : 8) + protocol + (uint32_t)l4_bytes;
	sum = ~fold(sum + sum_of(l4, l4_bytes)) & 0xffff;
	put(l4 + check, sum || icmp ? sum : 0xffff);
	return (size_t)(l4 - frame) + l4_bytes;
}
