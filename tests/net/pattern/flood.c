/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pattern flood: TCP packets over IPv4 that nobody meant, each from a source address of 16.0.0.0/4
 * and a port picked at random: SYNs, or ACKs that belong to no connection. */
#include "tests/net/pattern/pattern.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH 64

struct frame {
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dULL >> 16;
}

/* One's complement sum of whole 16-bit words, in wire order as the words are. */
static uint32_t sum_add(uint32_t sum, const void *from, size_t size)
{
	const unsigned char *byte = from;

	for (size_t i = 0; i < size; i += 2) {
		uint16_t word;

		memcpy(&word, byte + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

static void frame_forge(struct frame *frame, uint64_t *seed)
{
	uint64_t first = random_next(seed), second = random_next(seed);
	uint32_t sum;

	frame->ip.saddr = htonl(0x10000000 | (first & 0x0fffffff));
	frame->tcp.source = htons(1024 + (first >> 28) % 64000);
	frame->tcp.seq = second;
	frame->tcp.ack_seq = frame->tcp.ack ? second >> 16 : 0;
	frame->ip.check = 0;
	frame->ip.check = sum_fold(sum_add(0, &frame->ip, sizeof(frame->ip)));
	frame->tcp.check = 0;
	sum = sum_add(htons(IPPROTO_TCP) + htons(sizeof(frame->tcp)), &frame->ip.saddr, 8);
	frame->tcp.check = sum_fold(sum_add(sum, &frame->tcp, sizeof(frame->tcp)));
}

static struct frame frame_template(const char *kind, const struct ether_addr *mac,
				   const struct address *to)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&to->storage;
	struct frame frame = {
		.ether = { .ether_shost = { 2 }, .ether_type = htons(ETHERTYPE_IP) },
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,
			.tot_len = htons(sizeof(struct iphdr) + sizeof(struct tcphdr)),
			.daddr = in->sin_addr.s_addr },
		.tcp = { .dest = in->sin_port, .doff = 5, .window = htons(8192),
			 .syn = !strcmp(kind, "syn"), .ack = strcmp(kind, "syn") != 0 },
	};

	memcpy(frame.ether.ether_dhost, mac, ETH_ALEN);
	return frame;
}

/* Frames that the device had no room for are not counted. */
static long flood_send(int fd, const struct frame *template, long count, long rate)
{
	static struct frame frames[BATCH];
	struct iovec vectors[BATCH];
	struct mmsghdr messages[BATCH] = { 0 };
	uint64_t start = now_ns(), seed = 88172645463325252ULL ^ start;
	long tried = 0, sent = 0;

	for (int i = 0; i < BATCH; i++) {
		frames[i] = *template;
		vectors[i] = (struct iovec){ &frames[i], sizeof(frames[i]) };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
	while (tried < count) {
		int batch = count - tried < BATCH ? count - tried : BATCH, done;
		uint64_t due = start + tried * 1000000000ULL / rate, now = now_ns();

		if (due > now)
			usleep((due - now) / 1000);
		for (int i = 0; i < batch; i++)
			frame_forge(&frames[i], &seed);
		done = sendmmsg(fd, messages, batch, 0);
		sent += done > 0 ? done : 0;
		tried += batch;
	}
	return sent;
}

int flood_main(int argc, char **argv)
{
	struct sockaddr_ll device = { .sll_family = AF_PACKET };
	const struct ether_addr *mac;
	struct address to;
	struct frame frame;
	uint64_t start = now_ns();
	long sent;
	int fd, one = 1;

	if (argc != 8 || address_parse(argv[4], number_of(argv[5]), &to) ||
	    to.storage.ss_family != AF_INET || !(mac = ether_aton(argv[3])))
		return 2;
	frame = frame_template(argv[1], mac, &to);
	device.sll_ifindex = if_nametoindex(argv[2]);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&device, sizeof(device))) {
		perror("pattern flood");
		return 1;
	}
	sent = flood_send(fd, &frame, number_of(argv[6]), number_of(argv[7]));
	printf("{\"event\": \"end\", \"sent\": %ld, \"seconds\": %.3f}\n", sent,
	       (now_ns() - start) / 1e9);
	return 0;
}
