/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local clients of a vip: whom the programs of policy/local.bpf.c help, and when they stand. They
 * act on every cgroup of the host, so they are told by whose network namespace a socket is ours:
 * our own, and those behind our veths whose way to the vips leads here. Another host's namespace,
 * another balancer's, and whoever comes by a front are not touched.
 *
 * Which namespace is behind a veth is asked once while the veth lives; its way to the vips, of
 * which no message of the kernel tells us, again whenever everything is looked at anew. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/kernel/local.h"
#include "lb/log.h"
#include "lb/manager.h"
#include "lb/watch/netns_look.h"
#include "lb/watch/veth.h"

struct end {			/* a veth's other one */
	unsigned int ifindex;	/* of the one here */
	int nsid;
	bool up;
	bool front;		/* a remote client's way */
	struct veth_client client; /* cookie 0: it could not be looked at */
};

struct locals {
	struct local *programs;	/* NULL: none stand, or an older daemon's do */
	bool looked;		/* for those of an older daemon */
	char *trouble;		/* why none stand though they should */
	bool tried;		/* and it was not looked again since */
	bool stale;		/* the ends are to be looked at again */
	struct addr vips[VETH_CLIENT_ADDRS]; /* one of each family that nat serves */
	size_t vip_count;
	struct end *ends;	/* in the order of ifindexes */
	size_t end_count;
	struct local_client *clients;
	size_t client_count;
	uint64_t *served;	/* cookies, ascending, as the programs were told */
	size_t served_count;
};

static struct locals *locals_of(struct manager *manager)
{
	if (!manager->locals)
		manager->locals = mem_array(1, sizeof(*manager->locals));
	return manager->locals;
}

void locals_close(struct manager *manager)
{
	struct locals *locals = manager->locals;

	if (!locals)
		return;
	local_close(locals->programs);
	free(locals->trouble);
	free(locals->ends);
	free(locals->clients);
	free(locals->served);
	free(locals);
	manager->locals = NULL;
}

/* ---- who is there ---------------------------------------------------------------------------- */

static bool has_nat(const struct config_service *service, int family)
{
	for (size_t i = 0; i < service->backend_count; i++)
		if (service->backends[i].forward == CONFIG_NAT &&
		    service->backends[i].has_address[family])
			return true;
	return false;
}

/* The first of a family stands for all of them: a host's vips are reached by one way. */
static size_t vips_find(const struct config *config, struct addr vips[VETH_CLIENT_ADDRS])
{
	bool found[FAMILIES] = { false };
	size_t count = 0;

	for (size_t s = 0; s < config->service_count; s++) {
		const struct config_service *service = &config->services[s];

		for (size_t i = 0; i < service->vip_count; i++) {
			int family = addr_family(&service->vips[i]);

			if (found[family] || !has_nat(service, family))
				continue;
			found[family] = true;
			vips[count++] = service->vips[i];
		}
	}
	return count;
}

/* A front, or a port of the bridge that a front is a port of, or that is one. */
static bool is_front(const struct manager *manager, const struct config *config,
		     const struct net_link *link)
{
	for (size_t i = 0; i < config->interface_count; i++) {
		const struct net_link *front =
			net_view_link_by_name(&manager->view, config->interfaces[i].name);

		if (front && (front->ifindex == link->ifindex || front->ifindex == link->master ||
			      (front->master && front->master == link->master)))
			return true;
	}
	return false;
}

static const struct end *end_known(const struct locals *locals, const struct net_link *link)
{
	for (size_t i = 0; i < locals->end_count && !locals->stale; i++) {
		const struct end *end = &locals->ends[i];

		if (end->ifindex == link->ifindex)
			return end->nsid == link->peer_nsid && end->up == link->up ? end : NULL;
	}
	return NULL;
}

static struct end end_look(struct manager *manager, const struct net_link *link)
{
	struct locals *locals = manager->locals;
	struct end end = { .ifindex = link->ifindex, .nsid = link->peer_nsid, .up = link->up };

	if (veth_end_client(manager->net, link, locals->vips, locals->vip_count, &end.client))
		end.client = (struct veth_client){ 0 };
	return end;
}

static void ends_look(struct manager *manager, const struct config *config)
{
	struct locals *locals = manager->locals;
	const struct net_view *view = &manager->view;
	struct end *ends = mem_array(view->link_count + 1, sizeof(*ends));
	size_t count = 0;

	for (size_t i = 0; i < view->link_count; i++) {
		const struct net_link *link = &view->links[i];
		const struct end *known;

		if (link->kind != NET_VETH || link->peer_nsid < 0)
			continue;
		known = end_known(locals, link);
		ends[count] = known ? *known : end_look(manager, link);
		ends[count++].front = is_front(manager, config, link);
	}
	free(locals->ends);
	locals->ends = ends;
	locals->end_count = count;
	locals->stale = false;
}

/* Whoever has a front at one of its ends is a remote client by all of them. */
static bool end_is_client(const struct locals *locals, const struct end *end)
{
	if (!end->client.cookie || !end->client.leads_here)
		return false;
	for (size_t i = 0; i < locals->end_count; i++)
		if (locals->ends[i].front && locals->ends[i].client.cookie == end->client.cookie)
			return false;
	return true;
}

static void clients_list(struct locals *locals)
{
	free(locals->clients);
	locals->clients = mem_array(locals->end_count + 1, sizeof(*locals->clients));
	locals->client_count = 0;
	for (size_t i = 0; i < locals->end_count; i++) {
		const struct end *end = &locals->ends[i];
		struct local_client *client = &locals->clients[locals->client_count];

		if (!end_is_client(locals, end))
			continue;
		client->ifindex = end->ifindex;
		client->source_count = end->client.source_count;
		memcpy(client->sources, end->client.sources, sizeof(client->sources));
		locals->client_count++;
	}
}

void locals_find(struct manager *manager, const struct config *config)
{
	struct locals *locals = locals_of(manager);
	struct addr vips[VETH_CLIENT_ADDRS] = { 0 };
	size_t count = vips_find(config, vips);

	if (count != locals->vip_count || memcmp(vips, locals->vips, sizeof(vips)) != 0)
		locals->end_count = 0;
	memcpy(locals->vips, vips, sizeof(vips));
	locals->vip_count = count;
	if (count)
		ends_look(manager, config);
	clients_list(locals);
}

void locals_recheck(struct manager *manager)
{
	if (!manager->locals)
		return;
	manager->locals->stale = true;
	manager->locals->tried = false;
}

const struct local_client *locals_list(const struct manager *manager, size_t *ret_count)
{
	*ret_count = manager->locals ? manager->locals->client_count : 0;
	return manager->locals ? manager->locals->clients : NULL;
}

/* ---- the programs ---------------------------------------------------------------------------- */

static bool nat_is_served(const struct state *state)
{
	for (size_t s = 0; s < state->service_count; s++)
		for (size_t b = 0; b < state->services[s].backend_count; b++)
			if (state->services[s].backends[b].identity.forward == LB_FORWARD_NAT)
				return true;
	return false;
}

/* `before`: what was wrong until now; NULL: nothing was. */
static void programs_add_event(struct manager *manager, const char *before, const char *to,
			       const char *cause)
{
	events_add(manager->events, &(struct change){ .kind = EVENT_INTERFACE,
						      .object = "local clients of a vip",
						      .from = before ? "not balanced" : NULL,
						      .to = to, .cause = cause });
}

/* Told once; tried again whenever everything is looked at anew. */
static void programs_attach(struct manager *manager)
{
	struct locals *locals = manager->locals;
	_cleanup_diag_ struct diag diag = { 0 };
	char *before = locals->trouble;
	const char *text;

	if (locals->tried)
		return;
	locals->tried = true;
	locals->trouble = NULL;
	if (local_attach(manager->dataplane, &locals->programs, &diag)) {
		text = diag.count ? diag.entries[0].text : "no memory";
		locals->trouble = mem_text(text);
		if (!before || strcmp(before, text) != 0) {
			log_warning("local clients of a vip are not balanced: %s", text);
			programs_add_event(manager, before, "not balanced", text);
		}
	} else if (before) {
		programs_add_event(manager, before, "balanced", NULL);
	}
	free(before);
}

static void programs_detach(struct manager *manager)
{
	struct locals *locals = manager->locals;

	local_detach(manager->dataplane);
	local_close(locals->programs);
	locals->programs = NULL;
	locals->served_count = 0;
	locals->tried = false;
}

static int compare_cookies(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Ascending, each once. */
static uint64_t *cookies_of(const struct locals *locals, size_t *ret_count)
{
	uint64_t *cookies = mem_array(locals->end_count + 1, sizeof(*cookies));
	size_t count = 0, kept = 0;

	if (!netns_cookie_own(&cookies[0]))
		count++;
	for (size_t i = 0; i < locals->end_count; i++)
		if (end_is_client(locals, &locals->ends[i]))
			cookies[count++] = locals->ends[i].client.cookie;
	qsort(cookies, count, sizeof(*cookies), compare_cookies);
	for (size_t i = 0; i < count; i++)
		if (cookies[i] && (!kept || cookies[kept - 1] != cookies[i]))
			cookies[kept++] = cookies[i];
	*ret_count = kept;
	return cookies;
}

static void clients_serve(struct locals *locals)
{
	size_t count;
	uint64_t *cookies = cookies_of(locals, &count);
	int err;

	if (count == locals->served_count &&
	    !memcmp(cookies, locals->served, count * sizeof(*cookies))) {
		free(cookies);
		return;
	}
	err = local_serve(locals->programs, cookies, count);
	if (err)
		log_warning("local clients of a vip: a namespace cannot be added: %s",
			    strerror(-err));
	free(locals->served);
	locals->served = cookies;
	locals->served_count = err ? 0 : count; /* tried again with the next change */
}

void locals_follow(struct manager *manager)
{
	struct locals *locals = locals_of(manager);

	if (!nat_is_served(manager->actual)) {
		if (locals->programs || !locals->looked)
			programs_detach(manager);
		locals->looked = true;
		return;
	}
	locals->looked = true;
	if (!locals->programs)
		programs_attach(manager);
	if (locals->programs)
		clients_serve(locals);
}

struct locals_told locals_tell(const struct manager *manager)
{
	const struct locals *locals = manager->locals;

	if (!locals)
		return (struct locals_told){ 0 };
	return (struct locals_told){ .attached = locals->programs != NULL,
				     .namespaces = locals->served_count,
				     .trouble = locals->trouble };
}
