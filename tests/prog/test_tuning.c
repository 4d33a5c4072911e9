/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_tcp_ops over real sockets: what a group's connections get at both ends, that nobody else
 * gets it, and what is remembered of destinations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/congestion.h"
#include "tests/prog/tun_peer.h"
#include "tests/prog/tuned_group.h"

#define PACING	  12500000
#define RTO_MS	  40
#define WINDOW	  24	/* even: an odd one out waits for company (TSO) */
#define USUAL_WINDOW 10	/* of every kernel since 2.6.39 */

static const struct policy_tcp tuning_full = {
	.congestion = "reno", .initial_window = WINDOW, .min_rto_us = RTO_MS * 1000,
	.pacing = PACING,
};
static const struct policy_tcp tuning_adaptive = { .adaptive = 1 };

static struct tuned_group *group;
static char usual[16];		/* the congestion control of sockets that nobody tunes */

/* ---- connections over lo --------------------------------------------------------------------- */

static const struct kind {
	const char *name, *address, *bound;
	int family;
} kinds[] = {
	{ "IPv4", "127.0.0.1", "127.0.0.1", AF_INET },
	{ "IPv6", "::1", "::1", AF_INET6 },
	{ "IPv4 in IPv6", "::ffff:127.0.0.1", "::", AF_INET6 },
};

struct pair {
	int listener, client, server;
};

static socklen_t address_of(const struct kind *kind, const char *text, uint16_t port,
			    struct sockaddr_storage *ret_address)
{
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)ret_address;
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->ss_family = (sa_family_t)kind->family;
	ipv4->sin_port = htons(port); /* where sin6_port is */
	assert_int_equal(inet_pton(kind->family, text, kind->family == AF_INET ?
						       (void *)&ipv4->sin_addr :
						       (void *)&ipv6->sin6_addr), 1);
	return kind->family == AF_INET ? sizeof(*ipv4) : sizeof(*ipv6);
}

/* Both sockets that connect() needs, each in its place. */
static struct pair pair_begin(const struct kind *kind, enum tuned_place client,
			      enum tuned_place server)
{
	struct sockaddr_storage own;
	struct pair pair = { .server = -1 };
	socklen_t size = address_of(kind, kind->bound, 0, &own);

	tuned_group_move(group, server);
	pair.listener = socket(kind->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(pair.listener, (struct sockaddr *)&own, size), 0);
	assert_int_equal(listen(pair.listener, 1), 0);
	tuned_group_move(group, client);
	pair.client = socket(kind->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(pair.client >= 0);
	tuned_group_move(group, TUNED_OUTSIDE);
	return pair;
}

/* From outside of the group, for the socket's own cgroup is what counts. */
static void pair_connect(const struct kind *kind, struct pair *pair)
{
	struct sockaddr_storage to;
	socklen_t size = sizeof(to);

	assert_int_equal(getsockname(pair->listener, (struct sockaddr *)&to, &size), 0);
	size = address_of(kind, kind->address, ntohs(((struct sockaddr_in *)&to)->sin_port), &to);
	assert_int_equal(connect(pair->client, (struct sockaddr *)&to, size), 0);
	pair->server = accept4(pair->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair->server >= 0);
}

static struct pair pair_make(const struct kind *kind, enum tuned_place client,
			     enum tuned_place server)
{
	struct pair pair = pair_begin(kind, client, server);

	pair_connect(kind, &pair);
	return pair;
}

/* The client ends it first; returns when both have. */
static void pair_end(struct pair *pair)
{
	char byte;

	assert_int_equal(shutdown(pair->client, SHUT_WR), 0);
	while (read(pair->server, &byte, 1) > 0)
		;
	close(pair->server);
	assert_int_equal(read(pair->client, &byte, 1), 0);
	close(pair->client);
	close(pair->listener);
}

static void assert_congestion(int fd, const char *expected)
{
	char name[16] = "";
	socklen_t size = sizeof(name);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
	assert_string_equal(name, expected);
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	return info;
}

static uint32_t pacing_of(int fd)
{
	uint32_t pacing = 0;
	socklen_t size = sizeof(pacing);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &pacing, &size), 0);
	return pacing;
}

static void assert_tuned(int fd)
{
	assert_congestion(fd, "reno");
	assert_int_equal(pacing_of(fd), PACING);
	assert_int_equal(info_of(fd).tcpi_snd_cwnd, WINDOW);
}

static void assert_untouched(int fd)
{
	assert_congestion(fd, usual);
	assert_int_equal(pacing_of(fd), UINT32_MAX);
	assert_int_equal(info_of(fd).tcpi_snd_cwnd, USUAL_WINDOW);
}

/* Over lo it is little more than the least. */
static void assert_rto(int fd, bool tuned)
{
	uint32_t rto_us = info_of(fd).tcpi_rto;

	if (tuned)
		assert_in_range(rto_us, RTO_MS * 1000, 150000);
	else
		assert_in_range(rto_us, 200000, 10000000);
}

static void bytes_exchange(const struct pair *pair)
{
	char byte = 0;

	assert_int_equal(write(pair->client, &byte, 1), 1);
	assert_int_equal(read(pair->server, &byte, 1), 1);
	assert_int_equal(write(pair->server, &byte, 1), 1);
	assert_int_equal(read(pair->client, &byte, 1), 1);
}

/* An accepted socket has its first RTO before any program sees it; from there it comes down by a
 * quarter with each round trip. */
static void assert_rtos(const struct pair *pair, bool client_tuned, bool server_tuned)
{
	assert_rto(pair->client, client_tuned);
	for (int i = 0; i < 20; i++)
		bytes_exchange(pair);
	assert_rto(pair->client, client_tuned);
	assert_rto(pair->server, server_tuned);
}

static void tune(const struct policy_tcp *tuning)
{
	tuned_group_fill(group, 0, tuning);
	tuned_group_turn(group, TUNED_CURRENT);
}

/* ---- who is tuned ---------------------------------------------------------------------------- */

static void each_end_in_the_group_is_tuned_and_no_other(void **state)
{
	(void)state;
	tune(&tuning_full);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (int client = 0; client < TUNED_PLACES; client++)
			for (int server = 0; server < TUNED_PLACES; server++) {
				struct pair pair = pair_make(&kinds[i], client, server);
				bool client_in = client != TUNED_OUTSIDE;
				bool server_in = server != TUNED_OUTSIDE;

				(client_in ? assert_tuned : assert_untouched)(pair.client);
				(server_in ? assert_tuned : assert_untouched)(pair.server);
				assert_rtos(&pair, client_in, server_in);
				pair_end(&pair);
			}
}

static void what_others_found_of_a_socket_is_believed(void **state)
{
	struct pair pair = pair_begin(&kinds[0], TUNED_OUTSIDE, TUNED_OUTSIDE);

	(void)state;
	tune(&tuning_full);
	tuned_group_stamp(group, pair.client, TUNED_SET, TUNED_CURRENT);
	tuned_group_stamp(group, pair.listener, TUNED_SET, TUNED_CURRENT);
	pair_connect(&kinds[0], &pair);
	assert_tuned(pair.client);
	assert_tuned(pair.server);
	pair_end(&pair);
}

static void what_was_found_under_other_tables_is_not(void **state)
{
	struct pair pair = pair_begin(&kinds[0], TUNED_OUTSIDE, TUNED_OUTSIDE);

	(void)state;
	tune(&tuning_full);
	tuned_group_stamp(group, pair.client, TUNED_SET, TUNED_CURRENT - 2);
	tuned_group_stamp(group, pair.listener, TUNED_SET, TUNED_CURRENT - 2);
	pair_connect(&kinds[0], &pair);
	assert_untouched(pair.client);
	assert_untouched(pair.server);
	pair_end(&pair);
}

static void half_that_current_names_is_read(void **state)
{
	const struct policy_tcp other = { .pacing = 2 * PACING };
	struct pair pair;

	(void)state;
	tune(&tuning_full);
	tuned_group_fill(group, 1, &other);
	tuned_group_turn(group, TUNED_CURRENT + 3);
	pair = pair_make(&kinds[0], TUNED_INSIDE, TUNED_INSIDE);
	assert_congestion(pair.client, usual);
	assert_int_equal(pacing_of(pair.client), 2 * PACING);
	assert_int_equal(pacing_of(pair.server), 2 * PACING);
	pair_end(&pair);
}

static void namespace_can_be_the_group(void **state)
{
	struct pair pair;

	(void)state;
	tuned_group_netns(group, &tuning_full);
	pair = pair_make(&kinds[1], TUNED_OUTSIDE, TUNED_OUTSIDE);
	assert_tuned(pair.client);
	assert_tuned(pair.server);
	pair_end(&pair);
}

static void without_a_policy_nobody_is_tuned(void **state)
{
	struct pair pair;

	(void)state;
	tune(&tuning_full);
	tuned_group_turn(group, 0);
	pair = pair_make(&kinds[0], TUNED_INSIDE, TUNED_INSIDE);
	assert_untouched(pair.client);
	assert_untouched(pair.server);
	pair_end(&pair);
}

/* ---- what it does ---------------------------------------------------------------------------- */

/* On a machine that is slow enough (an emulated one, and busy) the timer can fire before the whole
 * window has been written; more than the window never is. */
static struct tun_flight whole_flight(int tun, uint32_t window)
{
	struct tun_flight flight;

	for (int attempt = 0; attempt < 5; attempt++) {
		assert_int_equal(tun_peer_flight(tun, &flight), 0);
		assert_true(flight.bytes <= window);
		if (flight.bytes == window)
			break;
	}
	assert_int_equal(flight.bytes, window);
	return flight;
}

static void first_flight_is_the_window_and_returns_after_the_rto(void **state)
{
	struct tun_flight flight;
	int tun = tun_peer_open();

	(void)state;
	if (tun < 0)
		skip();
	tune(&tuning_full);
	tuned_group_move(group, TUNED_INSIDE);
	flight = whole_flight(tun, WINDOW * TUN_PEER_MSS);
	assert_in_range(flight.again_ms, RTO_MS / 2, 190);
	tuned_group_move(group, TUNED_OUTSIDE);
	flight = whole_flight(tun, USUAL_WINDOW * TUN_PEER_MSS);
	assert_true(flight.again_ms >= 190);
	close(tun);
}

static void what_the_kernel_lacks_is_counted_and_the_rest_is_set(void **state)
{
	const struct policy_tcp tuning = {
		.congestion = "nosuch", .initial_window = WINDOW, .min_rto_us = 1000000,
		.pacing = 1ULL << 32,
	};
	uint64_t before[POLICY_TUNED], after[POLICY_TUNED];
	struct pair pair;

	(void)state;
	tune(&tuning);
	for (int i = 0; i < POLICY_TUNED; i++)
		before[i] = tuned_group_count(group, i);
	pair = pair_make(&kinds[0], TUNED_INSIDE, TUNED_OUTSIDE);
	for (int i = 0; i < POLICY_TUNED; i++)
		after[i] = tuned_group_count(group, i) - before[i];
	assert_int_equal(after[POLICY_TUNED_SOCKETS], 1);
	assert_int_equal(after[POLICY_TUNED_NO_CONGESTION], 1);
	assert_int_equal(after[POLICY_TUNED_NO_WINDOW], 0);
	assert_int_equal(after[POLICY_TUNED_NO_MIN_RTO], 1);
	assert_int_equal(after[POLICY_TUNED_NO_PACING], 1);
	assert_congestion(pair.client, usual);
	assert_int_equal(info_of(pair.client).tcpi_snd_cwnd, WINDOW);
	assert_int_equal(pacing_of(pair.client), UINT32_MAX);
	pair_end(&pair);
}

/* ---- adaptive -------------------------------------------------------------------------------- */

static struct adaptive_key key_of(const struct kind *kind)
{
	struct adaptive_key key = { 0 };

	if (kind->address[0] != ':' || kind->address[2] == 'f')
		key.network[4] = 127; /* 127.0.0.0/24 */
	return key;
}

static void new_destination_has_cubic_and_is_remembered(void **state)
{
	(void)state;
	tune(&tuning_adaptive);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct adaptive_key key = key_of(&kinds[i]);
		struct pair pair = pair_make(&kinds[i], TUNED_INSIDE, TUNED_OUTSIDE);
		struct adaptive_path path;

		assert_congestion(pair.client, "cubic");
		assert_congestion(pair.server, usual);
		assert_int_equal(write(pair.client, "data", 4), 4);
		assert_int_not_equal(tuned_group_path(group, &key, &path), 0);
		pair_end(&pair);
		assert_int_equal(tuned_group_path(group, &key, &path), 0);
		assert_int_equal(path.sent, 1);
		assert_int_equal(path.again, 0);
		assert_true(path.min_rtt_us && path.min_rtt_us <= path.srtt_us);
		assert_false(path.bbr);
		tuned_group_paths_forget(group);
	}
}

static void destination_that_wants_bbr_has_it(void **state)
{
	const struct adaptive_path lossy = { 1000, 20, 80000, 80000, 1 };

	(void)state;
	if (!congestion_has("bbr"))
		skip();
	tune(&tuning_adaptive);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct adaptive_key key = key_of(&kinds[i]);
		struct pair pair;

		tuned_group_path_set(group, &key, &lossy);
		pair = pair_make(&kinds[i], TUNED_INSIDE, TUNED_INSIDE);
		assert_congestion(pair.client, "bbr");
		assert_congestion(pair.server, "bbr");
		pair_end(&pair);
		tuned_group_paths_forget(group);
	}
}

static void group_that_is_not_adaptive_learns_nothing(void **state)
{
	const struct adaptive_key key = key_of(&kinds[0]);
	struct adaptive_path path;
	struct pair pair;

	(void)state;
	tune(&tuning_full);
	pair = pair_make(&kinds[0], TUNED_INSIDE, TUNED_INSIDE);
	assert_int_equal(write(pair.client, "data", 4), 4);
	pair_end(&pair);
	assert_int_not_equal(tuned_group_path(group, &key, &path), 0);
}

/* ---- the ground ------------------------------------------------------------------------------ */

static int setting_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = fd >= 0 && write(fd, text, strlen(text)) > 0 ? 0 : -1;

	if (fd >= 0)
		close(fd);
	return err;
}

/* A namespace where lo is up, nothing is remembered of peers, and the first that is sent again is
 * what the RTO sends. */
static int ground_make(void **state)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	socklen_t size = sizeof(usual);
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET))
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo) ||
	    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, usual, &size) ||
	    setting_write("/proc/sys/net/ipv4/tcp_no_metrics_save", "1") ||
	    setting_write("/proc/sys/net/ipv4/tcp_early_retrans", "0"))
		return -1;
	close(fd);
	group = tuned_group_make();
	return group ? 0 : -1;
}

static int ground_unmake(void **state)
{
	(void)state;
	if (group)
		tuned_group_unmake(group);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_end_in_the_group_is_tuned_and_no_other),
		cmocka_unit_test(what_others_found_of_a_socket_is_believed),
		cmocka_unit_test(what_was_found_under_other_tables_is_not),
		cmocka_unit_test(half_that_current_names_is_read),
		cmocka_unit_test(namespace_can_be_the_group),
		cmocka_unit_test(without_a_policy_nobody_is_tuned),
		cmocka_unit_test(first_flight_is_the_window_and_returns_after_the_rto),
		cmocka_unit_test(what_the_kernel_lacks_is_counted_and_the_rest_is_set),
		cmocka_unit_test(new_destination_has_cubic_and_is_remembered),
		cmocka_unit_test(destination_that_wants_bbr_has_it),
		cmocka_unit_test(group_that_is_not_adaptive_learns_nothing),
	};

	return cmocka_run_group_tests_name("tuning", tests, ground_make, ground_unmake);
}
