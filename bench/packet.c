/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packets of a scenario: one valid frame, in which the fields that the flows change (source
 * address and port, the vip's last 16 bits, checksums) are zero for vary.bpf.h to put them in.
 * Clients are 10.0.0.0/12, vips those of RFC 2544 and RFC 3849. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <math.h>
#include <string.h>

#include "bench/scenario.h"
#include "config/mem.h"

#define FRAME_MIN 60	/* a frame of 64 bytes without its checksum */

static const uint16_t frame_sizes[] = { [SIZE_64] = FRAME_MIN, [SIZE_512] = 508,
					[SIZE_1500] = 1514, [SIZE_IMIX] = 1514 };

/* Without the flow's own fields, if its packets have any. */
static bool varies(const struct scenario *scenario)
{
	return scenario->traffic <= TRAFFIC_OTHER_PORT;
}

/* ---- checksums ------------------------------------------------------------------------------- */

/* Of an even number of bytes, as words of memory. */
static uint32_t words_sum(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, at + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static uint32_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Of TCP with its pseudo header; no payload counts, for it is zero. */
static uint32_t tcp_sum(const struct tcphdr *tcp, const void *addresses, size_t addresses_size,
			uint16_t length)
{
	return words_sum(tcp, sizeof(*tcp)) + words_sum(addresses, addresses_size) +
	       htons(IPPROTO_TCP) + htons(length);
}

static struct bench_sums sums_of(const struct scenario *scenario, const uint8_t *frame)
{
	const struct iphdr *ip = (const void *)(frame + ETH_HLEN);
	const struct ipv6hdr *ip6 = (const void *)(frame + ETH_HLEN);
	struct bench_sums sums = { 0 };

	if (scenario->family == IPV6) {
		sums.tcp = tcp_sum((const void *)(ip6 + 1), &ip6->saddr, 32,
				   ntohs(ip6->payload_len));
	} else {
		/* In a mix the length is zero here, and 20 less than nothing is left. */
		sums.ip = words_sum(ip, sizeof(*ip));
		sums.tcp = tcp_sum((const void *)(ip + 1), &ip->saddr, 8, 0) +
			   (uint16_t)~htons(sizeof(*ip)) + ip->tot_len;
	}
	sums.ip = folded(sums.ip);
	sums.tcp = folded(sums.tcp);
	return sums;
}

/* ---- headers --------------------------------------------------------------------------------- */

/* The smallest frame is padded behind its packet, all others are full. */
static uint16_t packet_size(uint16_t frame, uint16_t headers)
{
	return frame == FRAME_MIN ? headers : frame - ETH_HLEN;
}

static uint16_t ipv4_size(uint16_t frame)
{
	return packet_size(frame, sizeof(struct iphdr) + sizeof(struct tcphdr));
}

static size_t ipv4_fill(const struct scenario *scenario, uint8_t *frame)
{
	struct iphdr *ip = (void *)(frame + ETH_HLEN);

	ip->version = 4;
	ip->ihl = 5;
	ip->frag_off = htons(0x4000); /* DF, as TCP has it */
	ip->ttl = 64;
	ip->protocol = scenario->traffic == TRAFFIC_ICMP ? IPPROTO_ICMP : IPPROTO_TCP;
	ip->daddr = htonl(0xc6120000);
	if (scenario->size != SIZE_IMIX)
		ip->tot_len = htons(ipv4_size(frame_sizes[scenario->size]));
	if (!varies(scenario)) {
		ip->saddr = htonl(0x0a000001);
		ip->daddr |= htonl(scenario_vip(scenario->forward, 0));
		ip->check = ~folded(words_sum(ip, sizeof(*ip)));
	}
	return ETH_HLEN + sizeof(*ip);
}

static size_t ipv6_fill(const struct scenario *scenario, uint8_t *frame)
{
	struct ipv6hdr *ip = (void *)(frame + ETH_HLEN);
	static const uint8_t client[16] = { 0x20, 0x01, 0x0d, 0xb8, 1 };
	static const uint8_t vip[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	uint16_t size = packet_size(frame_sizes[scenario->size],
				    sizeof(*ip) + sizeof(struct tcphdr));

	ip->version = 6;
	ip->hop_limit = 64;
	ip->nexthdr = IPPROTO_TCP;
	ip->payload_len = htons(size - sizeof(*ip));
	memcpy(&ip->saddr, client, sizeof(client));
	memcpy(&ip->daddr, vip, sizeof(vip));
	return ETH_HLEN + sizeof(*ip);
}

static size_t tcp_fill(const struct scenario *scenario, bool syn, uint8_t *frame, size_t offset)
{
	struct tcphdr *tcp = (void *)(frame + offset);
	bool other = scenario->traffic == TRAFFIC_OTHER_PORT;

	tcp->dest = htons(other ? SCENARIO_PORT + 1 : SCENARIO_PORT);
	tcp->seq = htonl(!syn);
	tcp->doff = 5;
	tcp->syn = syn;
	tcp->ack = !syn;
	tcp->window = htons(1024);
	return offset + sizeof(*tcp);
}

static size_t frame_fill(const struct scenario *scenario, bool syn, uint8_t *frame)
{
	static const uint8_t macs[12] = { 0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1 };
	struct ethhdr *eth = (void *)frame;
	bool ipv6 = scenario->family == IPV6;
	size_t size;

	memset(frame, 0, BENCH_FRAME_MAX);
	memcpy(frame, macs, sizeof(macs));
	if (scenario->traffic == TRAFFIC_ARP) {
		eth->h_proto = htons(ETH_P_ARP);
		return FRAME_MIN;
	}
	eth->h_proto = htons(ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	size = ipv6 ? ipv6_fill(scenario, frame) : ipv4_fill(scenario, frame);
	if (scenario->traffic != TRAFFIC_ICMP)
		size = tcp_fill(scenario, syn, frame, size);
	return size < frame_sizes[scenario->size] ? frame_sizes[scenario->size] : size;
}

/* The backends have addresses of both families: the outer header is of the inner's. */
static uint8_t wrap_bytes(const struct scenario *scenario)
{
	uint8_t ip = scenario->family == IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	if (!scenario_wraps(scenario))
		return 0;
	return scenario->forward == CONFIG_GUE ? ip + sizeof(struct udphdr) : ip;
}

/* In an order in which no size comes in one piece. */
static void sizes_fill(struct bench_run *run)
{
	static const uint16_t mix[BENCH_SIZES] = { FRAME_MIN, 590,	 FRAME_MIN, FRAME_MIN,
						   590,	      FRAME_MIN, 1514,	    FRAME_MIN,
						   590,	      FRAME_MIN, 590,	    FRAME_MIN };

	for (int i = 0; i < BENCH_SIZES; i++)
		run->sizes[i] = (struct bench_size){ mix[i], htons(ipv4_size(mix[i])) };
}

size_t scenario_frame(const struct scenario *scenario, struct bench_run *run)
{
	bool syns = scenario_is_of_new_flows(scenario) || scenario->traffic == TRAFFIC_SYN;
	size_t size;

	run->ipv6 = scenario->family == IPV6;
	run->wrap = wrap_bytes(scenario);
	run->varies = varies(scenario);
	run->renews = scenario_is_of_new_flows(scenario);
	run->drawn = scenario->zipf;
	run->mixed = scenario->size == SIZE_IMIX;
	run->vip = scenario_vip(scenario->forward, 0);
	run->services = scenario_services(scenario);
	run->flow_mask = scenario->flows - 1;
	sizes_fill(run);
	frame_fill(scenario, true, run->syn);
	size = frame_fill(scenario, syns, run->frame);
	run->syn_sums = sums_of(scenario, run->syn);
	run->frame_sums = sums_of(scenario, run->frame);
	return size;
}

/* ---- Zipf's law ------------------------------------------------------------------------------ */

/* The first of the `flows` whose share, with all before it, reaches `place`. */
static uint32_t rank_find(const double *shares, uint32_t flows, double place)
{
	uint32_t low = 0, high = flows - 1;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (shares[middle] < place)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void scenario_draw(const struct scenario *scenario, __u32 *draws)
{
	double *shares = mem_array(scenario->flows, sizeof(*shares)), sum = 0;
	uint64_t random = 1;

	for (uint32_t i = 0; i < scenario->flows; i++)
		shares[i] = sum += pow(i + 1, -SCENARIO_EXPONENT);
	for (uint32_t i = 0; i < BENCH_DRAWS; i++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		draws[i] = rank_find(shares, scenario->flows, sum * ldexp(random >> 11, -53));
	}
	free(shares);
}
