/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of `pattern` share: the bytes of a stream, addresses and clocks. */
#ifndef TESTS_NET_PATTERN_H
#define TESTS_NET_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

int serve_main(int argc, char **argv);
int run_main(int argc, char **argv);
int flood_main(int argc, char **argv);

/* The byte at a position of a stream tells both: whatever is lost, doubled, or of another stream
 * is seen. */
static inline unsigned char pattern_byte(uint64_t stream, uint64_t position)
{
	uint64_t word = (stream << 40 ^ position >> 3) * 0x9e3779b97f4a7c15ULL;

	word = (word ^ word >> 29) * 0xbf58476d1ce4e5b9ULL;
	return (word ^ word >> 32) >> (position & 7) * 8;
}

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

struct address {
	struct sockaddr_storage storage;
	socklen_t size;
};

/* 0 or -EINVAL. */
int address_parse(const char *text, int port, struct address *ret_address);

/* Every descriptor that the system lets us have. */
void descriptors_raise(void);

/* A number of the command line; ends the program where it is none. */
long number_of(const char *text);

#endif
