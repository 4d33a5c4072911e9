/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/ctl/frame_text.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/addr.h"
#include "xdp/lb_abi.h"

#define EXTENSIONS_MAX 8

/* What is left of the frame. A read behind its end leaves it `cut`. */
struct view {
	const uint8_t *at;
	size_t left;
};

/* One IP header and what it says. */
struct ip {
	bool ipv6, later, more; /* later, more: of fragments */
	struct addr src, dst;
	uint8_t protocol;
	size_t payload; /* bytes that the header says follow it */
};

static uint32_t number(const uint8_t *bytes, size_t count)
{
	uint32_t value = 0;

	for (size_t i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

static const uint8_t *take(struct view *view, size_t size)
{
	const uint8_t *at = view->at;

	if (view->left < size)
		return NULL;
	view->at += size;
	view->left -= size;
	return at;
}

/* ---- IP -------------------------------------------------------------------------------------- */

static void extensions_skip(struct view *view, struct ip *ip)
{
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		bool fragment = ip->protocol == IPPROTO_FRAGMENT;
		const uint8_t *header;
		size_t more;

		if (!fragment && ip->protocol != IPPROTO_HOPOPTS &&
		    ip->protocol != IPPROTO_ROUTING && ip->protocol != IPPROTO_DSTOPTS)
			return;
		header = take(view, 8);
		if (!header)
			return;
		more = fragment ? 0 : header[1] * 8U;
		ip->protocol = header[0];
		ip->payload -= more + 8 < ip->payload ? more + 8 : ip->payload;
		if (fragment) {
			ip->later = number(header + 2, 2) & 0xfff8;
			ip->more = header[3] & 1;
		} else if (!take(view, more)) {
			return;
		}
	}
}

static bool ipv4_take(struct view *view, struct ip *ip)
{
	const uint8_t *header = take(view, 20);
	size_t length, total;

	if (!header)
		return false;
	length = (header[0] & 15) * 4U;
	total = number(header + 2, 2);
	if (length < 20 || !take(view, length - 20))
		return false;
	ip->src = addr_from_ipv4(header + 12);
	ip->dst = addr_from_ipv4(header + 16);
	ip->protocol = header[9];
	ip->later = number(header + 6, 2) & 0x1fff;
	ip->more = header[6] & 0x20;
	ip->payload = total > length ? total - length : 0;
	return true;
}

static bool ipv6_take(struct view *view, struct ip *ip)
{
	const uint8_t *header = take(view, 40);

	if (!header)
		return false;
	ip->ipv6 = true;
	ip->src = addr_from_ipv6(header + 8);
	ip->dst = addr_from_ipv6(header + 24);
	ip->protocol = header[6];
	ip->payload = number(header + 4, 2);
	extensions_skip(view, ip);
	return true;
}

/* `port` 0: without one. */
static void endpoint_print(FILE *to, const struct addr *addr, uint32_t port)
{
	bool brackets = port && !addr_is_ipv4(addr);
	char text[ADDR_TEXT_MAX];

	fprintf(to, "%s%s%s", brackets ? "[" : "", addr_format(addr, text), brackets ? "]" : "");
	if (port)
		fprintf(to, ":%u", port);
}

static void endpoints_print(FILE *to, const struct ip *ip, uint32_t sport, uint32_t dport)
{
	endpoint_print(to, &ip->src, sport);
	fputs(" > ", to);
	endpoint_print(to, &ip->dst, dport);
}

/* ---- what it carries ------------------------------------------------------------------------ */

static void tcp_print(FILE *to, const uint8_t *header, size_t payload)
{
	static const char *const names[] = {
		"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"
	};
	size_t length = (header[12] >> 4) * 4U;
	char before = ' ';

	fputs(" tcp", to);
	for (int i = 0; i < 8; i++)
		if (header[13] >> i & 1) {
			fprintf(to, "%c%s", before, names[i]);
			before = ',';
		}
	if (payload > length)
		fprintf(to, " %zu bytes", payload - length);
}

/* An ICMP error, and the packet that it quotes is next. */
static bool quotes(const struct ip *ip, const uint8_t *header)
{
	return ip->ipv6 ? header[0] && header[0] < 128
			: header[0] == 3 || header[0] == 11 || header[0] == 12;
}

static void icmp_print(FILE *to, const struct ip *ip, const uint8_t *header)
{
	bool too_big = ip->ipv6 ? header[0] == 2 : header[0] == 3 && header[1] == 4;

	endpoints_print(to, ip, 0, 0);
	fprintf(to, " icmp%s type %u code %u", ip->ipv6 ? "v6" : "", header[0], header[1]);
	if (too_big)
		fprintf(to, " mtu %u", ip->ipv6 ? number(header + 4, 4) : number(header + 6, 2));
	if (quotes(ip, header))
		fputs(" about ", to);
}

static bool is_icmp(const struct ip *ip)
{
	return ip->protocol == (ip->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/* Prints one header and what is in it. True: `view` is at another IP header within. */
static bool carried_print(FILE *to, struct view *view, const struct ip *ip)
{
	bool tcp = ip->protocol == IPPROTO_TCP, udp = ip->protocol == IPPROTO_UDP;
	const uint8_t *header;

	if (ip->protocol == IPPROTO_IPIP || ip->protocol == IPPROTO_IPV6) {
		endpoints_print(to, ip, 0, 0);
		fputs(" ipip with ", to);
		return true;
	}
	header = ip->later ? NULL : take(view, 8);
	if (!header || !(tcp || udp || is_icmp(ip))) {
		endpoints_print(to, ip, 0, 0);
		fprintf(to, " protocol %u%s", ip->protocol,
			header || ip->later ? "" : ", cut short");
		return false;
	}
	if (is_icmp(ip)) {
		icmp_print(to, ip, header);
		return quotes(ip, header);
	}
	endpoints_print(to, ip, number(header, 2), number(header + 2, 2));
	if (tcp && view->left >= 12)
		tcp_print(to, header, ip->payload);
	else
		fputs(tcp ? " tcp" : " udp", to);
	if (tcp)
		return false;
	if (number(header + 2, 2) == LB_GUE_PORT && view->left && view->at[0] >> 6 == 1) {
		fputs(" gue with ", to);
		return true;
	}
	if (number(header + 4, 2) > 8)
		fprintf(to, " %u bytes", number(header + 4, 2) - 8);
	return false;
}

static void ip_print(FILE *to, struct view *view)
{
	for (bool again = true; again;) {
		struct ip ip = { 0 };
		bool known;

		if (!view->left) {
			fputs("nothing", to);
			return;
		}
		known = view->at[0] >> 4 == 6 ? ipv6_take(view, &ip) : ipv4_take(view, &ip);
		if (!known) {
			fputs("IP, cut short", to);
			return;
		}
		again = carried_print(to, view, &ip);
		if (ip.later || ip.more)
			fputs(ip.later ? " (a later fragment)" : " (a first fragment)", to);
	}
}

/* ---- the frame ------------------------------------------------------------------------------- */

static void frame_print(FILE *to, const uint8_t *frame, size_t size)
{
	struct view view = { frame, size };
	const uint8_t *link = take(&view, ETH_HLEN), *tag;
	uint32_t protocol;

	if (!link) {
		fputs("no Ethernet header", to);
		return;
	}
	protocol = number(link + 12, 2);
	while (protocol == ETH_P_8021Q || protocol == ETH_P_8021AD) {
		tag = take(&view, 4);
		if (!tag)
			break;
		fprintf(to, "vlan %u, ", number(tag, 2) & 0xfff);
		protocol = number(tag + 2, 2);
	}
	if (protocol == ETH_P_IP || protocol == ETH_P_IPV6)
		ip_print(to, &view);
	else
		fprintf(to, "EtherType 0x%04x", protocol);
}

char *frame_text(const uint8_t *frame, size_t size)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		return NULL;
	frame_print(to, frame, size);
	return fclose(to) ? NULL : text;
}

const char *link_text(const uint8_t *frame, char text[LINK_TEXT_MAX])
{
	snprintf(text, LINK_TEXT_MAX,
		 "%02x:%02x:%02x:%02x:%02x:%02x > %02x:%02x:%02x:%02x:%02x:%02x", frame[6],
		 frame[7], frame[8], frame[9], frame[10], frame[11], frame[0], frame[1], frame[2],
		 frame[3], frame[4], frame[5]);
	return text;
}
