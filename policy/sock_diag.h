/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets of a network namespace, listed and ended over NETLINK_SOCK_DIAG. */
#ifndef POLICY_SOCK_DIAG_H
#define POLICY_SOCK_DIAG_H

#include <linux/inet_diag.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"
#include "policy/policy_abi.h"

struct sock_end {
	struct addr addr;
	uint16_t port;
};

struct sock {
	uint8_t family, protocol, state; /* TCP_*; UDP: ESTABLISHED if connected, else CLOSE */
	struct sock_end local, remote;
	struct inet_diag_sockid id;	/* by which the kernel finds it again */
	uint64_t cgroup;		/* the leaf's id; 0: not known */
	struct policy_socket memory;	/* what the programs remember; all zero: nothing */
};

/* A socket for the functions below, in the namespace behind that fd; and the namespace's cookie
 * (0: this kernel does not tell). Returns 0 or -errno. */
int sock_diag_open(int netns_fd, int *ret_fd, uint64_t *ret_cookie);

/* Visits every socket of the protocol, of both families, that is in one of these states (bits).
 * `memory`: fd of policy_socket, or -1. */
int sock_diag_list(int fd, uint8_t protocol, uint32_t states, int memory,
		   void (*visit)(const struct sock *sock, void *context), void *context);

/* Ends them; ret_ended[i] says whether the kernel did. -EOPNOTSUPP: it cannot. */
int sock_diag_end(int fd, const struct sock *list, size_t count, bool *ret_ended);

#endif
