/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sysctls without which a reply is not forwarded. For NAT, lb_reply asks for the reply's
 * route by the device that it comes in by: a bridge's port itself, where bpf_fib_lookup() answers
 * FWD_DISABLED. A DSR container's reply goes through the stack: there IPv4 looks at the bridge,
 * and IPv6 at the whole host (ip6_forward()). */
#include "lb/ctl/doctor.h"

#include <stdlib.h>

/* A host that learns its routes from router advertisements stops to when it forwards, unless
 * accept_ra is 2. The command must not take its default route away. */
static char *command_ipv6(const struct doctor *doctor)
{
	char *words = text_new("%s", "");
	char *command;

	for (size_t i = 0; i < doctor->front_count; i++) {
		const struct net_link *link = net_view_link(&doctor->view, doctor->fronts[i].l3);
		char *word, *longer;

		if (!link || sysctl_read(true, link->name, "accept_ra") != 1)
			continue;
		word = sysctl_word(true, link->name, "accept_ra", 2);
		longer = text_new("%s%s ", words, word);
		free(word);
		free(words);
		words = longer;
	}
	command = text_new("sysctl -w %snet.ipv6.conf.all.forwarding=1", words);
	free(words);
	return command;
}

/* Off for the whole host: on for it, as the containers of tomorrow will need it too. */
static char *forwarding_command(const struct doctor *doctor, bool ipv6, const char *device)
{
	char *word, *command;

	if (sysctl_read(ipv6, "all", "forwarding") > 0) {
		word = sysctl_word(ipv6, device, "forwarding", 1);
		command = text_new("sysctl -w %s", word);
		free(word);
		return command;
	}
	return ipv6 ? command_ipv6(doctor) : text_new("sysctl -w net.ipv4.ip_forward=1");
}

static void backend_check(const struct doctor *doctor, const struct doctor_backend *backend,
			  struct findings *findings)
{
	const struct net_link *link =
		net_view_link(&doctor->view, backend->nat ? backend->device : backend->via);
	bool ipv6 = IS_IPV6(&backend->address);
	const char *where;

	if (!link)
		return;
	where = ipv6 && !backend->nat ? "all" : link->name;
	if (sysctl_read(ipv6, where, "forwarding") != 0)
		return;
	findings_add(findings, "forwarding", link->name,
		     text_new("%s forwarding is off, and replies of %s come in there: %s",
			      ipv6 ? "IPv6" : "IPv4", backend->name,
			      backend->nat ? "every one is dropped (DROP_REPLY_FORWARDING)"
					   : "the kernel drops every one"),
		     forwarding_command(doctor, ipv6, link->name));
}

void check_forwarding(const struct doctor *doctor, struct findings *findings)
{
	for (size_t i = 0; i < doctor->backend_count; i++) {
		const struct doctor_backend *backend = &doctor->backends[i];

		/* What a DSR backend on another host answers does not come by here. */
		if (backend->device && (backend->nat || backend->local))
			backend_check(doctor, backend, findings);
	}
}
