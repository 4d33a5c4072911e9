/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways by headers of our own: UDP that no UDP socket sends, whole, in fragments, or past the
 * kernel's IP. */
#include "tests/net/reach/reach.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define HOPS	   64
#define FIRST_PART 8	/* of a datagram in fragments: the UDP header alone */

struct packet {
	unsigned char bytes[FRAME_MAX];
	size_t size;
};

uint32_t sum_add(uint32_t sum, const void *from, size_t size)
{
	const unsigned char *byte = from;

	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? byte[i] : byte[i] << 8;
	return sum;
}

uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static bool is_ipv6(const struct attempt *attempt)
{
	return attempt->to.any.sa_family == AF_INET6;
}

/* ---- our own address ------------------------------------------------------------------------ */

static bool address_fits(const struct attempt *attempt, const struct sockaddr *own)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)own;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)own;

	if (!own || own->sa_family != attempt->to.any.sa_family)
		return false;
	if (!is_ipv6(attempt))
		return ntohl(in->sin_addr.s_addr) >> 24 != 127;
	return !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) &&
	       IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) ==
		       IN6_IS_ADDR_LINKLOCAL(&attempt->to.in6.sin6_addr);
}

/* The first address that can talk to the destination: asking a socket would be another attempt. */
static int source_choose(struct attempt *attempt)
{
	struct ifaddrs *all, *each;
	int error = -EADDRNOTAVAIL;

	if (attempt->from.any.sa_family)
		return 0;
	if (getifaddrs(&all))
		return -errno;
	for (each = all; each && error; each = each->ifa_next)
		if (address_fits(attempt, each->ifa_addr)) {
			memcpy(&attempt->from, each->ifa_addr,
			       is_ipv6(attempt) ? sizeof(attempt->from.in6)
						: sizeof(attempt->from.in));
			error = 0;
		}
	freeifaddrs(all);
	return error;
}

/* ---- packets -------------------------------------------------------------------------------- */

static uint32_t addresses_sum(const struct attempt *attempt)
{
	if (is_ipv6(attempt))
		return sum_add(sum_add(0, &attempt->from.in6.sin6_addr, 16),
			       &attempt->to.in6.sin6_addr, 16);
	return sum_add(sum_add(0, &attempt->from.in.sin_addr, 4), &attempt->to.in.sin_addr, 4);
}

/* A UDP datagram with the text: its size. */
static size_t datagram_make(const struct attempt *attempt, unsigned char *bytes)
{
	size_t size = sizeof(struct udphdr) + strlen(attempt->text);
	struct udphdr udp = { .len = htons(size) };

	/* The port is at the same place in both families. */
	udp.source = attempt->from.in.sin_port;
	udp.dest = attempt->to.in.sin_port;
	memcpy(bytes, &udp, sizeof(udp));
	memcpy(bytes + sizeof(udp), attempt->text, strlen(attempt->text));
	udp.check = sum_fold(sum_add(addresses_sum(attempt) + IPPROTO_UDP + size, bytes, size));
	memcpy(bytes, &udp, sizeof(udp));
	return size;
}

static void packet_add(struct packet *packet, const void *bytes, size_t size)
{
	memcpy(packet->bytes + packet->size, bytes, size);
	packet->size += size;
}

static void ipv4_add(struct packet *packet, const struct attempt *attempt, size_t payload,
		     uint16_t fragment)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = HOPS, .protocol = IPPROTO_UDP,
			    .id = htons(getpid()), .frag_off = htons(fragment),
			    .tot_len = htons(sizeof(ip) + payload),
			    .saddr = attempt->from.in.sin_addr.s_addr,
			    .daddr = attempt->to.in.sin_addr.s_addr };

	ip.check = sum_fold(sum_add(0, &ip, sizeof(ip)));
	packet_add(packet, &ip, sizeof(ip));
}

static void ipv6_add(struct packet *packet, const struct attempt *attempt, size_t payload,
		     bool whole, uint16_t fragment)
{
	struct ip6_frag part = { .ip6f_nxt = IPPROTO_UDP, .ip6f_offlg = htons(fragment),
				 .ip6f_ident = htonl(getpid()) };
	struct ip6_hdr ip = { .ip6_flow = htonl(6U << 28), .ip6_hlim = HOPS,
			      .ip6_nxt = whole ? IPPROTO_UDP : IPPROTO_FRAGMENT,
			      .ip6_plen = htons(payload + (whole ? 0 : sizeof(part))),
			      .ip6_src = attempt->from.in6.sin6_addr,
			      .ip6_dst = attempt->to.in6.sin6_addr };

	packet_add(packet, &ip, sizeof(ip));
	if (!whole)
		packet_add(packet, &part, sizeof(part));
}

/* The bytes of a datagram from `offset` up to `end`; whether more follow. */
static void packet_make(struct packet *packet, const struct attempt *attempt,
			const unsigned char *datagram, size_t offset, size_t end, bool more)
{
	bool whole = !offset && !more;

	packet->size = 0;
	if (is_ipv6(attempt))	/* in units of 8 bytes, from bit 3 on */
		ipv6_add(packet, attempt, end - offset, whole, offset | more);
	else
		ipv4_add(packet, attempt, end - offset, offset / 8 | (more ? IP_MF : 0));
	packet_add(packet, datagram + offset, end - offset);
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* Where the answer comes to. Its port is our source port, and nobody says that it is closed. */
static int answer_open(struct attempt *attempt)
{
	socklen_t size = address_size(&attempt->from);
	int error = source_choose(attempt);

	if (!error)
		error = socket_open_as(attempt, attempt->to.any.sa_family, SOCK_DGRAM, 0,
				       &attempt->answer_fd);
	if (!error)
		error = socket_bind(attempt->answer_fd, &attempt->from);
	if (!error && getsockname(attempt->answer_fd, &attempt->from.any, &size))
		error = -errno;
	return error;
}

static int raw_open(struct attempt *attempt)
{
	int error = socket_open_as(attempt, attempt->to.any.sa_family, SOCK_RAW, IPPROTO_RAW,
				   &attempt->fd);

	return error ? error : answer_open(attempt);
}

static int packet_open(struct attempt *attempt)
{
	int error, on = 1;

	if (!attempt->device)
		return -ENODEV;
	/* Of protocol 0: it only sends. */
	error = socket_open_as(attempt, AF_PACKET, SOCK_DGRAM, 0, &attempt->fd);
	if (!error && attempt->way->option &&
	    setsockopt(attempt->fd, SOL_PACKET, attempt->way->option, &on, sizeof(on)))
		error = -errno;
	return error ? error : answer_open(attempt);
}

static int packet_send(struct attempt *attempt, const struct packet *packet)
{
	struct sockaddr_ll neighbour = {
		.sll_family = AF_PACKET, .sll_ifindex = attempt->device, .sll_halen = ETH_ALEN,
		.sll_protocol = htons(is_ipv6(attempt) ? ETHERTYPE_IPV6 : ETHERTYPE_IP),
	};
	union address host = attempt->to;
	const struct sockaddr *to = &host.any;
	socklen_t size = address_size(&host);

	host.in.sin_port = 0;	/* raw sockets of IPv6 take it for a protocol */
	if (attempt->way->type == SOCK_DGRAM) {	/* a packet socket */
		memcpy(neighbour.sll_addr, attempt->mac, ETH_ALEN);
		to = (const struct sockaddr *)&neighbour;
		size = sizeof(neighbour);
	}
	return sendto(attempt->fd, packet->bytes, packet->size, 0, to, size) < 0 ? failure() : 0;
}

static int whole_answer(struct attempt *attempt)
{
	unsigned char datagram[FRAME_MAX];
	size_t size = datagram_make(attempt, datagram);
	struct packet packet;
	int error;

	packet_make(&packet, attempt, datagram, 0, size, false);
	error = packet_send(attempt, &packet);
	return error ? error : text_await(attempt->answer_fd, attempt->text);
}

static int parts_answer(struct attempt *attempt)
{
	bool late = attempt->way->option;
	unsigned char datagram[FRAME_MAX];
	size_t size = datagram_make(attempt, datagram);
	struct packet part[2];
	int error;

	packet_make(&part[0], attempt, datagram, 0, FIRST_PART, true);
	packet_make(&part[1], attempt, datagram, FIRST_PART, size, false);
	error = packet_send(attempt, &part[late]);
	if (!error)
		error = packet_send(attempt, &part[!late]);
	return error ? error : text_await(attempt->answer_fd, attempt->text);
}

/* The last: of raw sockets, whether the first fragment goes last; of packet sockets (SOCK_DGRAM, as
 * they write no Ethernet header), an option that they have. */
static const struct way ways[] = {
	{ "raw_udp", SOCK_RAW, 0, raw_open, NULL, whole_answer, 0 },
	{ "fragments", SOCK_RAW, 0, raw_open, NULL, parts_answer, 0 },
	{ "fragments_late", SOCK_RAW, 0, raw_open, NULL, parts_answer, 1 },
	{ "packet", SOCK_DGRAM, 0, packet_open, NULL, whole_answer, 0 },
	{ "packet_bypass", SOCK_DGRAM, 0, packet_open, NULL, whole_answer,
	  PACKET_QDISC_BYPASS },
};

const struct way *header_way(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	return NULL;
}
