/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands come in by a pipe, a byte each and a port; answers go out by another. */
#include "tests/prog/policy_peer.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/prog/fixture.h"
#include "tests/prog/policy_world.h"

#define WAIT_MS		500
#define ETHERTYPE_TEST	0x88b5 /* IEEE 802: for experiments */

uint8_t container_mac[6] = { 2, 0xcc, 0, 0, 0, 7 }, peer_mac[6] = { 2, 0xcc, 0, 0, 0, 1 };

static const uint16_t ports[] = { 53, 54, 80, 5432, 5440 };

struct command {
	enum { ASK, FRAMES } what;
	bool ipv6, tcp;
	uint16_t port;
};

static pid_t peer;
static int commands[2], answers[2];

/* ---- in the peer ----------------------------------------------------------------------------- */

static const char network[] =
	"link set lo up\n"
	"link set outside address 02:cc:00:00:00:01 up\n"
	"address add 192.0.2.1/24 dev outside\n"
	"address add 198.51.100.9/32 dev outside\n"
	"address add 203.0.113.9/32 dev outside\n"
	"address add 8.8.8.8/32 dev outside\n"
	"address add 2001:db8:1::1/64 dev outside nodad\n"
	"address add 2001:db8:2::9/128 dev outside nodad\n"
	"address add 2001:db8:3::9/128 dev outside nodad\n"
	"address add 2001:4860::8/128 dev outside nodad\n";

static int batch(const char *text)
{
	FILE *ip = popen("ip -batch -", "w");

	if (!ip)
		return -1;
	fputs(text, ip);
	return pclose(ip);
}

static struct sockaddr_in6 address_of(const char *text, uint16_t port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	char mapped[64];

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	inet_pton(AF_INET6, mapped, &address.sin6_addr);
	return address;
}

static int bound(int type, const char *text, uint16_t port)
{
	struct sockaddr_in6 address = address_of(text, port);
	int fd = socket(AF_INET6, type, 0), off = 0, on = 1;

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		exit(2);
	return fd;
}

static bool readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, WAIT_MS) == 1;
}

static bool ask(const struct command *command)
{
	struct sockaddr_in6 to = address_of(command->ipv6 ? CONTAINER_IPV6 : CONTAINER_IPV4,
					    command->port);
	int fd = bound((command->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK,
		       command->ipv6 ? "2001:4860::8" : "8.8.8.8", 0);
	struct pollfd connected = { .fd = fd, .events = POLLOUT };
	char text[8] = { 0 };
	bool came;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)
		exit(2);
	came = poll(&connected, 1, WAIT_MS) == 1 && send(fd, "ping", 4, MSG_NOSIGNAL) == 4 &&
	       readable(fd) && recv(fd, text, sizeof(text), 0) == 4 && !memcmp(text, "ping", 4);
	close(fd);
	return came;
}

static void echo(int fd)
{
	struct sockaddr_in6 from;
	socklen_t size = sizeof(from);
	char text[2048];
	ssize_t bytes = recvfrom(fd, text, sizeof(text), MSG_DONTWAIT, (void *)&from, &size);

	if (bytes > 0)
		sendto(fd, text, bytes, MSG_NOSIGNAL | MSG_DONTWAIT,
		       size ? (void *)&from : NULL, size);
}

/* Datagram echoes first, then listeners, then what they accepted. */
static void serve(int in, int out, int frames)
{
	struct pollfd fds[256] = { { .fd = in, .events = POLLIN } };
	size_t count = 1, listeners;
	struct command command;
	uint64_t answer;

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		fds[count++] = (struct pollfd){ bound(SOCK_DGRAM, "::", ports[i]), POLLIN, 0 };
	listeners = count;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		fds[count] = (struct pollfd){ bound(SOCK_STREAM, "::", ports[i]), POLLIN, 0 };
		listen(fds[count++].fd, 16);
	}
	answer = if_nametoindex("outside");
	if (write(out, &answer, sizeof(answer)) < 0)
		exit(2);
	while (poll(fds, count, -1) > 0) {
		if (fds[0].revents && read(in, &command, sizeof(command)) != sizeof(command))
			exit(0);
		if (fds[0].revents) {
			char frame[2048];

			answer = command.what == ASK && ask(&command);
			while (command.what == FRAMES &&
			       recv(frames, frame, sizeof(frame), MSG_DONTWAIT) > 0)
				answer++;
			if (write(out, &answer, sizeof(answer)) < 0)
				exit(2);
		}
		for (size_t i = 1; i < count; i++) {
			bool listens = i >= listeners && i < listeners + ARRAY_SIZE(ports);

			if (fds[i].revents && listens && count < ARRAY_SIZE(fds))
				fds[count++] = (struct pollfd){ accept(fds[i].fd, NULL, NULL),
								POLLIN, 0 };
			else if (fds[i].revents)
				echo(fds[i].fd);
			if (fds[i].revents & (POLLHUP | POLLERR))
				fds[i].fd = -1;
		}
	}
	exit(2);
}

static void backstop_attach(int fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = if_nametoindex("outside"),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = fd);

	if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &options))
		exit(3);
}

static void peer_run(int backstop_fd)
{
	int frames;
	char go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (policy_world_leave() || unshare(CLONE_NEWNET) || write(answers[1], "n", 1) != 1 ||
	    read(commands[0], &go, 1) != 1 || batch(network))
		exit(4);
	backstop_attach(backstop_fd);
	frames = socket(AF_PACKET, SOCK_RAW, htons(ETHERTYPE_TEST));
	serve(commands[0], answers[1], frames);
}

/* ---- in the test ----------------------------------------------------------------------------- */

unsigned int peer_open(int backstop_fd)
{
	char text[1024], word;
	uint64_t answer;

	assert_int_equal(pipe(commands) | pipe(answers), 0);
	peer = fork();
	assert_true(peer >= 0);
	if (!peer) {
		close(commands[1]);
		close(answers[0]);
		peer_run(backstop_fd);
	}
	close(commands[0]);
	close(answers[1]);
	assert_int_equal(read(answers[0], &word, 1), 1);
	snprintf(text, sizeof(text),
		 "link set lo up\n"
		 "link add container address 02:cc:00:00:00:07 type veth peer name outside"
		 " netns %d\n"
		 "link set container up\n"
		 "address add " CONTAINER_IPV4 "/24 dev container\n"
		 "address add " CONTAINER_IPV6 "/64 dev container nodad\n"
		 "route add default via 192.0.2.1\n"
		 "route add default via 2001:db8:1::1\n", (int)peer);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(batch(text), 0);
	assert_int_equal(write(commands[1], "g", 1), 1);
	assert_int_equal(read(answers[0], &answer, sizeof(answer)), sizeof(answer));
	return answer;
}

void peer_close(void)
{
	if (peer > 0) {
		kill(peer, SIGKILL);
		waitpid(peer, NULL, 0);
	}
	peer = 0;
}

static uint64_t command_do(struct command command)
{
	uint64_t answer;

	assert_int_equal(write(commands[1], &command, sizeof(command)), sizeof(command));
	assert_int_equal(read(answers[0], &answer, sizeof(answer)), sizeof(answer));
	return answer;
}

bool peer_asks(bool ipv6, bool tcp, uint16_t port)
{
	return command_do((struct command){ .what = ASK, .ipv6 = ipv6, .tcp = tcp,
					    .port = port });
}

uint64_t peer_frames(void)
{
	return command_do((struct command){ .what = FRAMES });
}
