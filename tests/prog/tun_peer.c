/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Three kinds of packets are all that it knows of TCP: SYN, its answer, and data. */
#include "tests/prog/tun_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define SENT	    60000	/* bytes; less than the window that the peer offers */

struct segment {
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t options[4];
} __attribute__((packed));

static unsigned int now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned int)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* An address and a state of the device by the old interface, which needs no helper. */
static int device_set(const char *name)
{
	struct ifreq request = { 0 };
	struct sockaddr_in *addr = (struct sockaddr_in *)&request.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	strcpy(request.ifr_name, name);
	*addr = (struct sockaddr_in){ .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(TUN_PEER_ADDR - 1) };
	err = ioctl(fd, SIOCSIFADDR, &request);
	addr->sin_addr.s_addr = htonl(0xffffff00);
	err = err ? err : ioctl(fd, SIOCSIFNETMASK, &request);
	request.ifr_flags = IFF_UP;
	err = err ? err : ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return err;
}

int tun_peer_open(void)
{
	struct ifreq request = { .ifr_name = "flight0", .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (!ioctl(fd, TUNSETIFF, &request) && !device_set(request.ifr_name))
		return fd;
	close(fd);
	return -1;
}

static uint32_t sum_add(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int syn_answer(int tun, const struct iphdr *ip, const struct tcphdr *syn)
{
	struct segment answer = {
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,
			.tot_len = htons(sizeof(answer)),
			.saddr = ip->daddr, .daddr = ip->saddr },
		.tcp = { .source = syn->dest, .dest = syn->source, .seq = htonl(1),
			 .ack_seq = htonl(ntohl(syn->seq) + 1), .syn = 1, .ack = 1, .doff = 6,
			 .window = htons(65535) },
		.options = { TCPOPT_MAXSEG, TCPOLEN_MAXSEG, TUN_PEER_MSS >> 8,
			     TUN_PEER_MSS & 0xff },
	};
	const size_t size = sizeof(answer) - sizeof(answer.ip);
	uint32_t sum = sum_add((uint32_t)(IPPROTO_TCP + size), &answer.ip.saddr, 8);

	answer.tcp.check = sum_fold(sum_add(sum, &answer.tcp, size));
	answer.ip.check = sum_fold(sum_add(0, &answer.ip, sizeof(answer.ip)));
	return write(tun, &answer, sizeof(answer)) == sizeof(answer) ? 0 : -1;
}

/* The next TCP segment; what else the kernel has to say to a new device is passed over. */
static int segment_read(int tun, uint8_t packet[2000], size_t *ret_size)
{
	struct pollfd poll_tun = { .fd = tun, .events = POLLIN };
	ssize_t size;

	do {
		if (poll(&poll_tun, 1, PATIENCE_MS) != 1)
			return -1;
		size = read(tun, packet, 2000);
	} while (size < (ssize_t)(sizeof(struct iphdr) + sizeof(struct tcphdr)) ||
		 packet[0] != 0x45 || packet[9] != IPPROTO_TCP);
	*ret_size = (size_t)size;
	return 0;
}

static int flight_watch(int tun, int fd, struct tun_flight *ret_flight)
{
	static const char zeros[SENT];
	struct tun_flight flight = { 0 };
	uint8_t packet[2000] __attribute__((aligned(4)));
	const struct iphdr *ip = (const struct iphdr *)packet;
	const struct tcphdr *tcp = (const struct tcphdr *)(ip + 1);
	uint32_t first = 0;
	unsigned int last_ms = 0;
	uint16_t port = 0;
	bool answered = false;
	size_t size;

	while (!segment_read(tun, packet, &size)) {
		size_t data = size - sizeof(*ip) - tcp->doff * 4U;

		if (tcp->syn) {
			if (!answered && syn_answer(tun, ip, tcp))
				return -1;
			answered = true;
			port = tcp->source;
			first = ntohl(tcp->seq) + 1;
		} else if (tcp->source != port) {
			continue; /* the end of one before */
		} else if (!data && !flight.bytes) { /* established */
			if (write(fd, zeros, SENT) <= 0)
				return -1;
		} else if (data && ntohl(tcp->seq) == first && flight.bytes) {
			flight.again_ms = now_ms() - last_ms;
			*ret_flight = flight;
			return 0;
		} else if (data) {
			flight.bytes += (uint32_t)data;
			last_ms = now_ms();
		}
	}
	return -1;
}

int tun_peer_flight(int tun, struct tun_flight *ret_flight)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80),
					.sin_addr.s_addr = htonl(TUN_PEER_ADDR) };
	const struct linger at_once = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;
	const int room = 8 * SENT;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)))
		return -1;
	err = setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (!err && connect(fd, (const struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)
		err = -1;
	if (!err)
		err = flight_watch(tun, fd, ret_flight);
	close(fd);
	return err;
}
