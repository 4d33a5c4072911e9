/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink by hand, for its batches: many messages a system call and one answer a batch, so that
 * the changes come as fast as the kernel takes them. */
#include "bench/control_neighbours.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/control_config.h"

#define BATCH 128	/* messages a system call */

struct change {
	struct nlmsghdr header;
	struct ndmsg neighbour;
	struct nlattr to_head;
	uint8_t to[4];
	struct nlattr mac_head;
	uint8_t mac[6], _pad[2];
};
_Static_assert(sizeof(struct change) == 48, "a message is what the kernel reads");

void neighbour_mac(uint8_t generation, const uint8_t *ipv4, uint8_t ret_mac[6])
{
	const uint8_t mac[6] = { 0x02, generation, ipv4[0], ipv4[1], ipv4[2], ipv4[3] };

	memcpy(ret_mac, mac, sizeof(mac));
}

static struct change change_of(unsigned int ifindex, unsigned int number, int type,
			       uint8_t generation)
{
	const struct addr address = control_backend(number);
	struct change change = {
		.header = { .nlmsg_len = sizeof(change), .nlmsg_type = (uint16_t)type,
			    .nlmsg_flags = NLM_F_REQUEST },
		.neighbour = { .ndm_family = AF_INET, .ndm_ifindex = (int)ifindex,
			       .ndm_state = NUD_PERMANENT },
		.to_head = { sizeof(change.to_head) + sizeof(change.to), NDA_DST },
		.mac_head = { sizeof(change.mac_head) + sizeof(change.mac), NDA_LLADDR },
	};

	if (type == RTM_NEWNEIGH)
		change.header.nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
	memcpy(change.to, address.byte + sizeof(address.byte) - 4, sizeof(change.to));
	neighbour_mac(generation, change.to, change.mac);
	return change;
}

/* Only the last one is answered, or one that failed. */
static int batch_send(int fd, struct change *changes, size_t count)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[4096];
	} answer;

	changes[count - 1].header.nlmsg_flags |= NLM_F_ACK;
	if (send(fd, changes, count * sizeof(*changes), 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		return -errno;
	return answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EPROTO;
}

static int batches_send(unsigned int count, int type, uint8_t generation)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	unsigned int ifindex = if_nametoindex(CONTROL_LINK);
	struct change changes[BATCH];
	size_t filled = 0;
	int err = 0;

	if (fd < 0)
		return -errno;
	for (unsigned int i = 0; !err && i < count; i++) {
		changes[filled++] = change_of(ifindex, i, type, generation);
		if (filled < BATCH && i + 1 < count)
			continue;
		err = batch_send(fd, changes, filled);
		filled = 0;
	}
	close(fd);
	return err;
}

static int changes_make(const struct ground *ground, unsigned int count, int type,
			uint8_t generation)
{
	int err = ground_enter_edge(ground);

	if (err)
		return err;
	err = batches_send(count, type, generation);
	ground_leave_edge(ground);
	return err;
}

int neighbours_set(const struct ground *ground, unsigned int count, uint8_t generation)
{
	return changes_make(ground, count, RTM_NEWNEIGH, generation);
}

int neighbours_clear(const struct ground *ground, unsigned int count)
{
	return changes_make(ground, count, RTM_DELNEIGH, 0);
}
