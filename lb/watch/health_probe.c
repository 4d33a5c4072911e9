/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all kinds of checks have in common: their sockets, and what an errno says of a backend. */
#include "lb/watch/health_probe.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/units.h"

int probe_socket(int family)
{
	const struct linger reset = { .l_onoff = 1 };
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

/* Whether it was this host that could not, before anything was sent: no descriptor, no memory, no
 * local port. A refusal by its firewall or routes is a finding. */
static bool is_ours(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
	       error == EADDRNOTAVAIL || error == EAGAIN;
}

enum probe_verdict probe_judge_errno(int error, char ret_reason[HEALTH_REASON_MAX])
{
	const char *text = strerrordesc_np(error);
	const char *prefix = is_ours(error) ? "check could not be made: " : "";

	if (!text)
		text = "unknown error";
	snprintf(ret_reason, HEALTH_REASON_MAX, "%s%c%s", prefix, tolower(*text), text + 1);
	return is_ours(error) ? PROBE_NOT_MADE : PROBE_BAD;
}

void probe_reason_late(const struct probe_request *request, const char *prefix,
		       char ret_reason[HEALTH_REASON_MAX])
{
	char time[UNIT_TEXT_MAX];

	snprintf(ret_reason, HEALTH_REASON_MAX, "%sno answer within %s", prefix,
		 unit_format(UNIT_TIME, request->target->check.timeout_ms, time));
}
