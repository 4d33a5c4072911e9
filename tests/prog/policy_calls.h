/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an application asks for, in one line each, for the tests with real sockets. Addresses are
 * text of either family. */
#ifndef TESTS_PROG_POLICY_CALLS_H
#define TESTS_PROG_POLICY_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

socklen_t address_of(const char *text, uint16_t port, struct sockaddr_storage *ret_address);
int family_of(const char *text);

/* Within half a second. */
bool readable(int fd);
/* "ping" there and back on a socket that is connected. */
bool echoes(int fd);

/* 0 or the errno; *ret_fd is left open where it is wanted. */
int connects(int type, const char *to, uint16_t port, int *ret_fd);
int sends_to(int fd, const char *to, uint16_t port, int flags);
int binds(int type, const char *at, uint16_t port, int *ret_fd);

#endif
