/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb_reply on a real device: a container leaves checksums to its device, and hands over more than
 * a packet at a time. Frames go into a veth as such a sender's do, and what leaves the host must
 * be whole and right once the device has done what was left to it. */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "build/reply.skel.h"
#include "lb/kernel/stats.h"
#include "tests/prog/trials.h"

#define SERVICE(name, port, protocol, more)                                                       \
	"{ name = \"" name "-" protocol "\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"      \
	"  protocol = \"" protocol "\"; ports = [ " port " ]; backends = ("                       \
	"  { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; " more " } ); }"

static const char config[] =
	"version = 1; services = ( " SERVICE("near", "80", "tcp", "port = 8080;") ","
	SERVICE("near", "80", "udp", "port = 8080;") "," SERVICE("keep", "81", "tcp", "") ","
	SERVICE("keep", "81", "udp", "") " ); tuning: { max_slots = 10000; };";

#define NEAR	((struct host){ "10.1.0.2", "fd00::2" })
#define VIP	((struct host){ "203.0.113.10", "2001:db8::10" })

struct row {
	const char *sentence;
	enum kinds kinds;
	uint16_t sport, vip_port, payload;
	bool partial;		/* the checksum is left to the device */
	uint16_t segment;	/* so is cutting it into segments of this size */
};

static const struct row rows[] = {
	{ "a complete checksum", ALL, 8080, 80, 101, false, 0 },
	{ "a complete checksum, and the port stays", ALL, 81, 81, 100, false, 0 },
	{ "a partial checksum", ALL, 8080, 80, 101, true, 0 },
	{ "a partial checksum, and the port stays", ALL, 81, 81, 100, true, 0 },
	{ "a partial checksum without payload", ALL, 8080, 80, 0, true, 0 },
	{ "several segments in one", TCP_ONLY, 8080, 80, 1900, true, 500 },
	{ "several segments in one, and the port stays", TCP_ONLY, 81, 81, 1901, true, 500 },
};

static int container = -1, router = -1;	/* packet sockets on the far ends */

/* ---- the wire ------------------------------------------------------------------------------- */

static int packet_socket(const char *device)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = (int)if_nametoindex(device) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void frame_send(const struct row *row, struct frame *frame, bool ipv6)
{
	struct virtio_net_hdr head = { 0 };
	struct iovec parts[2] = { { &head, sizeof(head) }, { frame->bytes, frame->size } };

	if (row->partial) {
		frame_checksum_leave(frame, &head.csum_start, &head.csum_offset);
		head.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	}
	if (row->segment) {
		head.gso_type = ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		head.gso_size = row->segment;
		head.hdr_len = head.csum_start + 20;
	}
	assert_int_equal(writev(container, parts, 2), sizeof(head) + frame->size);
}

/* The next frame that is for the client, as the device would put it on the wire; those of the
 * kernel's own (neighbour discovery) are left out. */
static void frame_receive(const uint8_t *source_mac, struct frame *ret_frame,
			  struct virtio_net_hdr *ret_head)
{
	struct iovec parts[2] = { { ret_head, sizeof(*ret_head) },
				  { ret_frame->bytes, sizeof(ret_frame->bytes) } };
	struct pollfd ready = { .fd = router, .events = POLLIN };

	for (;;) {
		if (poll(&ready, 1, 5000) != 1)
			fail_msg("nothing left the host");
		ret_frame->size = readv(router, parts, 2) - sizeof(*ret_head);
		if (!memcmp(ret_frame->bytes, front_router_mac, 6) &&
		    !memcmp(ret_frame->bytes + 6, source_mac, 6))
			break;
	}
	if (ret_head->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		frame_checksum_finish(ret_frame, ret_head->csum_start, ret_head->csum_offset);
}

static void test_row(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	struct spec in = { .ipv6 = trial->ipv6, .src = NEAR, .sport = row->sport, .dst = CLIENT,
			   .dport = 50000, .payload = row->payload,
			   .protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP };
	struct spec out = in;
	uint64_t before[LB_VERDICT_COUNT], after[LB_VERDICT_COUNT];
	struct frame frame, expected, received;
	struct virtio_net_hdr head;

	out.src = VIP;
	out.sport = row->vip_port;
	memcpy(out.dst_mac, front_router_mac, 6);
	memcpy(out.src_mac, front_mac, 6);
	frame_build(&in, &frame);
	frame_build(&out, &expected);

	stats_verdicts(ground->dataplane, before);
	frame_send(row, &frame, trial->ipv6);
	frame_receive(front_mac, &received, &head);
	stats_verdicts(ground->dataplane, after);
	assert_frame(&received, &expected);
	assert_true(frame_checksums_right(&received));
	assert_int_equal(head.gso_size, row->segment);
	assert_int_equal(after[LB_REDIRECT_REPLY] - before[LB_REDIRECT_REPLY], 1);
}

static int ground_up(void **state)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = BACK, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options);

	(void)state;
	ground = ground_open(config, NULL);
	/* XDP on the host's end would take segmentation from the container's. */
	assert_int_equal(bpf_xdp_detach(BACK, 0, NULL), 0);
	assert_int_equal(bpf_xdp_detach(FRONT, 0, NULL), 0);
	options.prog_fd = bpf_program__fd(ground->reply[0]->progs.lb_reply);
	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &options), 0);
	container = packet_socket("backp");
	router = packet_socket("frontp");
	return 0;
}

static int ground_down(void **state)
{
	(void)state;
	close(container);
	close(router);
	ground_close(ground);
	return 0;
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, rows[i].kinds, test_row, &rows[i]);
	return trials_run(ground_up, ground_down);
}
