/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pattern: many TCP connections whose every byte is checked, the server that echoes them, and
 * floods of forged packets. The tests of live flows start it in their namespaces and read the
 * JSON lines that it prints. */
#include "tests/net/pattern/pattern.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

int address_parse(const char *text, int port, struct address *ret_address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret_address->storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret_address->storage;

	memset(ret_address, 0, sizeof(*ret_address));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		ret_address->size = sizeof(*in);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		ret_address->size = sizeof(*in6);
		return 0;
	}
	return -EINVAL;
}

void descriptors_raise(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

long number_of(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (end == text || *end || number < 0) {
		fprintf(stderr, "pattern: %s is not a number\n", text);
		exit(2);
	}
	return number;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name, *usage;
		int (*main)(int argc, char **argv);
	} verbs[] = {
		{ "serve", "ADDRESS PORT ID", serve_main },
		{ "run", "ADDRESS PORT CONNECTIONS [--interval MS] [--open-rate N] [--new N] "
			 "[--source ADDRESS]", run_main },
		{ "flood", "syn|ack DEVICE DESTINATION-MAC ADDRESS PORT FRAMES RATE", flood_main },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].main(argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		fprintf(stderr, "pattern %s %s\n", verbs[i].name, verbs[i].usage);
	return 2;
}
