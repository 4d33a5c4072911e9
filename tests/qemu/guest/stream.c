/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datagrams that must all come back:
 *	stream serve PORT		echoes them
 *	stream run ADDRESS PORT		sends them until SIGTERM, then says "sent N lost M"
 * At most a window of them is on its way, so that none is lost in a full queue; who loses as many
 * sends nothing more. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define WINDOW	32
#define LAST_MS	2000	/* for what is on its way in the end */

static volatile sig_atomic_t over;

static void on_end(int number)
{
	(void)number;
	over = 1;
}

static int serve(int sock, struct sockaddr_in *address)
{
	char data[64];
	ssize_t size;

	if (bind(sock, (struct sockaddr *)address, sizeof(*address)))
		return -errno;
	for (;;) {
		struct sockaddr_in from;
		socklen_t length = sizeof(from);

		size = recvfrom(sock, data, sizeof(data), 0, (struct sockaddr *)&from, &length);
		if (size > 0)
			sendto(sock, data, size, 0, (struct sockaddr *)&from, length);
	}
}

/* How many have come back within the time. */
static uint64_t answers(int sock, int wait_ms)
{
	struct pollfd ready = { .fd = sock, .events = POLLIN };
	uint64_t count = 0, number;

	poll(&ready, 1, wait_ms);
	while (recv(sock, &number, sizeof(number), MSG_DONTWAIT) == sizeof(number))
		count++;
	return count;
}

static int run(int sock, struct sockaddr_in *address)
{
	uint64_t sent = 0, back = 0;

	if (connect(sock, (struct sockaddr *)address, sizeof(*address)))
		return -errno;
	while (!over) {
		if (sent - back < WINDOW)
			sent += send(sock, &sent, sizeof(sent), 0) == sizeof(sent);
		back += answers(sock, 1);
	}
	for (int i = 0; back < sent && i < LAST_MS / 100; i++)
		back += answers(sock, 100);
	printf("sent %lu lost %lu\n", (unsigned long)sent, (unsigned long)(sent - back));
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct sigaction end = { .sa_handler = on_end };
	int sock = socket(AF_INET, SOCK_DGRAM, 0), err = -EINVAL;

	sigaction(SIGTERM, &end, NULL);
	address.sin_port = htons(argc > 2 ? atoi(argv[argc - 1]) : 0);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		err = serve(sock, &address);
	else if (argc == 4 && !strcmp(argv[1], "run") && inet_aton(argv[2], &address.sin_addr))
		err = run(sock, &address);
	if (err)
		fprintf(stderr, "stream: %s\n", strerror(-err));
	return err ? 1 : 0;
}
