/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sender's thread, on a packet socket of the generator's device; the sink is that of the
 * flood. */
#include "bench/control_flow.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench_abi.h"
#include "build/bench/flood.skel.h"
#include "config/mem.h"

#define FLOWS	  4096	/* every slot of a small ring has some */
#define WINDOW	  32	/* packets on their way: less than any queue holds */
#define ARRIVE_MS 1000	/* longer than anything stays on the way */
#define SINK	  "link-end"
#define SOURCE	  "front-gen"

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t rest[6];	/* up to Ethernet's least */
} __attribute__((packed));

struct flow_sender {
	struct flood_bpf *ends;
	struct frame frames[FLOWS];
	int fd, cpus;
	atomic_bool ends_now;
	pthread_t thread;
	struct flow_result result;
};

static uint16_t checksum(const void *data, size_t size)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, (const char *)data + i, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~((sum & 0xffff) + (sum >> 16));
}

/* A packet of a connection that was there before: ACK, no SYN. Nobody looks at TCP's checksum,
 * which lb changes by what it translates. */
static void frame_fill(struct frame *frame, unsigned int flow, const struct addr *vip,
		       uint16_t port)
{
	static const uint8_t to[ETH_ALEN] = { 2, 0, 0, 0, 0, 2 };
	static const uint8_t from[ETH_ALEN] = { 2, 0, 0, 0, 0, 1 };

	memset(frame, 0, sizeof(*frame));
	memcpy(frame->eth.h_dest, to, ETH_ALEN);
	memcpy(frame->eth.h_source, from, ETH_ALEN);
	frame->eth.h_proto = htons(ETH_P_IP);
	frame->ip.version = 4;
	frame->ip.ihl = 5;
	frame->ip.tot_len = htons(sizeof(frame->ip) + sizeof(frame->tcp));
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_TCP;
	frame->ip.saddr = htonl(0xcb007100 + flow % 251 + 1);
	memcpy(&frame->ip.daddr, vip->byte + sizeof(vip->byte) - 4, 4);
	frame->ip.check = checksum(&frame->ip, sizeof(frame->ip));
	frame->tcp.source = htons((uint16_t)(1024 + flow));
	frame->tcp.dest = htons(port);
	frame->tcp.doff = 5;
	frame->tcp.ack = 1;
}

static uint64_t arrived_count(const struct flow_sender *sender)
{
	uint64_t counts[sender->cpus], sum = 0;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(sender->ends->maps.arrived), &zero, counts))
		return 0;
	for (int i = 0; i < sender->cpus; i++)
		sum += counts[i];
	return sum;
}

/* Sends the window that begins with this flow; returns how many of it did not arrive. */
static unsigned int window_send(struct flow_sender *sender, unsigned int first)
{
	const struct timespec rest = { .tv_nsec = 20 * 1000 };
	struct mmsghdr messages[WINDOW] = { 0 };
	struct iovec frames[WINDOW];
	uint64_t before = arrived_count(sender), arrived = 0;
	int sent;

	for (unsigned int i = 0; i < WINDOW; i++) {
		frames[i].iov_base = &sender->frames[(first + i) % FLOWS];
		frames[i].iov_len = sizeof(struct frame);
		messages[i].msg_hdr.msg_iov = &frames[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(sender->fd, messages, WINDOW, 0);
	if (sent <= 0)
		return 0;
	sender->result.sent += sent;
	for (int i = 0; i < ARRIVE_MS * 50 && arrived < (uint64_t)sent; i++) {
		arrived = arrived_count(sender) - before;
		if (arrived < (uint64_t)sent)
			nanosleep(&rest, NULL);
	}
	return (unsigned int)sent - (unsigned int)arrived;
}

static void *sender_run(void *data)
{
	struct flow_sender *sender = data;

	for (unsigned int first = 0; !atomic_load(&sender->ends_now); first += WINDOW)
		sender->result.lost += window_send(sender, first);
	return NULL;
}

static int socket_open(struct flow_sender *sender)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_ifindex = (int)if_nametoindex(SOURCE) };

	sender->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (sender->fd < 0 || bind(sender->fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return 0;
}

static int sink_open(struct flow_sender *sender)
{
	sender->cpus = libbpf_num_possible_cpus();
	sender->ends = flood_bpf__open_and_load();
	if (!sender->ends)
		return -errno;
	return bpf_xdp_attach((int)if_nametoindex(SINK),
			      bpf_program__fd(sender->ends->progs.sink), XDP_FLAGS_DRV_MODE, NULL);
}

static void sender_close(struct flow_sender *sender)
{
	if (sender->fd >= 0)
		close(sender->fd);
	flood_bpf__destroy(sender->ends);
	free(sender);
}

/* Before anything changes nothing may be missing: else what is lost later says nothing. */
static int all_arrive(struct flow_sender *sender)
{
	for (unsigned int first = 0; first < FLOWS; first += WINDOW)
		if (window_send(sender, first))
			return -EPROTO;
	return sender->result.sent ? 0 : -ENETDOWN;
}

int flow_sender_start(const struct addr *vip, uint16_t port, struct flow_sender **ret_sender,
		      struct diag *diag)
{
	struct flow_sender *sender = mem_array(1, sizeof(*sender));
	int err;

	sender->fd = -1;
	for (unsigned int flow = 0; flow < FLOWS; flow++)
		frame_fill(&sender->frames[flow], flow, vip, port);
	err = sink_open(sender);
	if (!err)
		err = socket_open(sender);
	if (!err)
		err = all_arrive(sender);
	if (!err)
		err = -pthread_create(&sender->thread, NULL, sender_run, sender);
	if (err) {
		diag_add(diag, NULL, 0, "packets to a vip do not arrive before anything changes: "
			 "%s", strerror(-err));
		sender_close(sender);
		return err;
	}
	*ret_sender = sender;
	return 0;
}

void flow_sender_stop(struct flow_sender *sender, struct flow_result *ret_result)
{
	atomic_store(&sender->ends_now, true);
	pthread_join(sender->thread, NULL);
	*ret_result = sender->result;
	sender_close(sender);
}
