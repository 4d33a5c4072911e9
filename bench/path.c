/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The relay. A way's delay is the same for all its packets, so what is under way is a queue by
 * order of coming, in each direction. */
#include "bench/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/cpus.h"

#define PACKET_MAX   1504
#define UNDER_WAY    2048	/* packets of a way in one direction; a power of 2 */
#define BATCH	     64		/* packets that are taken before others are looked at */
#define NS_A_BYTE    (8 * 1000 / PATH_MBIT)
#define QUEUE_NS     (PATH_QUEUE_MS * 1000000ULL)

enum { TO_FAR, TO_NEAR, DIRECTIONS };

struct held {
	uint64_t due_ns;
	uint16_t size;
	uint8_t packet[PACKET_MAX];
};

struct way {
	struct held *held;
	uint32_t first, next;
	uint64_t free_ns;	/* when the bottleneck has sent what stands in its queue */
	uint64_t random;
	uint64_t delay_ns;
	unsigned int loss;	/* of 1,000 */
	bool limited;
};

struct relay {
	int fd[DIRECTIONS];	/* where that direction's packets come from */
	struct way ways[DIRECTIONS][PATHS_MAX];
	size_t count;
	uint64_t *late_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool way_loses(struct way *way)
{
	way->random ^= way->random << 13;
	way->random ^= way->random >> 7;
	way->random ^= way->random << 17;
	return (way->random >> 11) % 1000 < way->loss;
}

/* The queue is before the bottleneck, the loss behind it. */
static void way_take(struct way *way, const uint8_t *packet, size_t size, uint64_t now)
{
	struct held *held = &way->held[way->next % UNDER_WAY];
	uint64_t sent = now;

	if (way->next - way->first == UNDER_WAY)
		return;
	if (way->limited) {
		if (way->free_ns < now)
			way->free_ns = now;
		if (way->free_ns - now > QUEUE_NS)
			return;
		sent = way->free_ns += size * NS_A_BYTE;
	}
	if (way->loss && way_loses(way))
		return;
	held->due_ns = sent + way->delay_ns;
	held->size = (uint16_t)size;
	memcpy(held->packet, packet, size);
	way->next++;
}

/* Which way an IPv4 packet goes: by the third byte of the far end's address. */
static struct way *way_of(struct relay *relay, int direction, const uint8_t *packet, size_t size)
{
	size_t number = size < 20 || packet[0] >> 4 != 4 ? 0 :
			packet[direction == TO_FAR ? 18 : 14];

	return number && number <= relay->count ? &relay->ways[direction][number - 1] : NULL;
}

static void packets_take(struct relay *relay, int direction)
{
	uint8_t packet[PACKET_MAX];

	for (int i = 0; i < BATCH; i++) {
		ssize_t size = read(relay->fd[direction], packet, sizeof(packet));
		struct way *way;

		if (size <= 0)
			return;
		way = way_of(relay, direction, packet, (size_t)size);
		if (way)
			way_take(way, packet, (size_t)size, now_ns());
	}
}

/* Sends what is due. Returns when the next will be, or far in the future. */
static uint64_t packets_send(struct relay *relay, int direction)
{
	uint64_t next_ns = UINT64_MAX;

	for (size_t i = 0; i < relay->count; i++) {
		struct way *way = &relay->ways[direction][i];
		uint64_t now = now_ns();

		while (way->first != way->next) {
			const struct held *held = &way->held[way->first % UNDER_WAY];

			if (held->due_ns > now) {
				if (held->due_ns < next_ns)
					next_ns = held->due_ns;
				break;
			}
			if (now - held->due_ns > *relay->late_ns)
				*relay->late_ns = now - held->due_ns;
			if (write(relay->fd[!direction], held->packet, held->size) < 0 &&
			    errno != EIO) /* the device is not up yet */
				_exit(1);
			way->first++;
		}
	}
	return next_ns;
}

static void relay_run(struct relay *relay)
{
	for (;;) {
		struct pollfd polls[DIRECTIONS];
		uint64_t next_ns = UINT64_MAX, now;
		struct timespec wait = { .tv_sec = 1 };

		for (int d = 0; d < DIRECTIONS; d++) {
			uint64_t due_ns;

			packets_take(relay, d);
			due_ns = packets_send(relay, d);
			if (due_ns < next_ns)
				next_ns = due_ns;
			polls[d] = (struct pollfd){ .fd = relay->fd[d], .events = POLLIN };
		}
		now = now_ns();
		if (next_ns <= now)
			continue;
		if (next_ns - now < 1000000000)
			wait = (struct timespec){ .tv_nsec = (long)(next_ns - now) };
		ppoll(polls, DIRECTIONS, &wait, NULL);
	}
}

/* ---- its life -------------------------------------------------------------------------------- */

static int tun_open(const struct space *space)
{
	struct ifreq request = { .ifr_name = "path0", .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = setns(space->net, CLONE_NEWNET) ? -1 :
						   open("/dev/net/tun", O_RDWR | O_NONBLOCK |
									O_CLOEXEC);

	return fd < 0 || ioctl(fd, TUNSETIFF, &request) ? -1 : fd;
}

/* The same packets are lost whatever the connection: each way's chance begins from its number. */
static void ways_make(struct relay *relay, const struct paths *paths)
{
	relay->count = paths->count;
	for (int d = 0; d < DIRECTIONS; d++)
		for (size_t i = 0; i < paths->count; i++)
			relay->ways[d][i] = (struct way){
				.held = calloc(UNDER_WAY, sizeof(struct held)),
				.random = 0x9e3779b97f4a7c15ULL * (i + 1),
				.delay_ns = paths->path[i].rtt_ms * 500000ULL,
				.loss = d == TO_FAR ? paths->path[i].loss : 0,
				.limited = d == TO_FAR,
			};
}

static void relay_live(const struct paths *paths, int ready)
{
	static struct relay relay;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	setpriority(PRIO_PROCESS, 0, -20); /* what others do is not the way's delay */
	cpus_unbind();
	relay.late_ns = paths->late_ns;
	relay.fd[TO_FAR] = tun_open(&paths->near);
	relay.fd[TO_NEAR] = tun_open(&paths->far);
	ways_make(&relay, paths);
	if (relay.fd[TO_FAR] < 0 || relay.fd[TO_NEAR] < 0 || write(ready, "", 1) != 1)
		_exit(1);
	relay_run(&relay);
}

static int relay_start(struct paths *paths)
{
	int ready[2];
	char byte;
	bool made;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	paths->relay = fork();
	if (!paths->relay)
		relay_live(paths, ready[1]);
	close(ready[1]);
	made = paths->relay > 0 && read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	return made ? 0 : -ENODEV;
}

/* What one connection leaves in the kernel of a destination is not to help the next. */
static int ends_set(struct paths *paths, struct diag *diag)
{
	char script[256];
	int err = space_run(&paths->near, "ip addr add 10.77.0.1/32 dev path0\n"
					  "ip link set path0 up\n"
					  "ip route add 10.77.0.0/16 dev path0\n"
					  "echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save\n", diag);

	snprintf(script, sizeof(script), "for n in $(seq %zu); do\n"
					 "ip addr add 10.77.$n.2/32 dev path0\n"
					 "done\n"
					 "ip link set path0 up\n"
					 "ip route add 10.77.0.1/32 dev path0\n", paths->count);
	return err ? err : space_run(&paths->far, script, diag);
}

int paths_make(const struct path *path, size_t count, struct paths *ret_paths, struct diag *diag)
{
	struct paths paths = { .path = path, .count = count };
	int err = count > PATHS_MAX ? -E2BIG : space_make(space_idle, NULL, &paths.near);

	paths.late_ns = mmap(NULL, sizeof(*paths.late_ns), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!err && paths.late_ns == MAP_FAILED)
		err = -errno;
	if (!err)
		err = space_make(space_idle, NULL, &paths.far);
	if (!err)
		err = relay_start(&paths);
	if (err)
		diag_add(diag, NULL, 0, "cannot make long paths of TUN devices: %s",
			 strerror(-err));
	else
		err = ends_set(&paths, diag);
	if (err)
		paths_unmake(&paths);
	else
		*ret_paths = paths;
	return err;
}

void paths_unmake(struct paths *paths)
{
	space_kill(&paths->relay);
	space_unmake(&paths->near);
	space_unmake(&paths->far);
	if (paths->late_ns != MAP_FAILED)
		munmap(paths->late_ns, sizeof(*paths->late_ns));
}
