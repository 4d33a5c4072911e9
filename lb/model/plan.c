/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan in words, and its end. */
#include "lb/model/plan.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "lb/model/resolve.h"

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	free(plan->ops);
	free(plan->services);
	free(plan);
}

static const char *device_name(unsigned int ifindex, char name[IFNAMSIZ])
{
	if (!if_indextoname(ifindex, name))
		snprintf(name, IFNAMSIZ, "#%u", ifindex);
	return name;
}

static const char *family_name(int family)
{
	return family == IPV6 ? "IPv6" : "IPv4";
}

static void address_text(const struct identity *identity, char *text, size_t size)
{
	char addr[ADDR_TEXT_MAX];

	addr_format(&identity->address, addr);
	if (addr_is_nobody(&identity->address))
		snprintf(text, size, "without an address");
	else if (!identity->port)
		snprintf(text, size, "%s", addr);
	else if (addr_is_ipv4(&identity->address))
		snprintf(text, size, "%s:%u", addr, identity->port);
	else
		snprintf(text, size, "[%s]:%u", addr, identity->port);
}

/* "by eth0", and what packets there are put into. */
static void way_text(const struct backend *backend, char *text, size_t size)
{
	const struct prefix *source = &backend->encap_source;
	bool ipv4 = addr_is_ipv4(&source->addr);
	char addr[ADDR_TEXT_MAX];
	int used = snprintf(text, size, "by %s", backend->hop.device);

	if (backend->hop.vlan && backend->hop.vlan != NEXT_HOP_UNTAGGED)
		used += snprintf(text + used, size - used, ", VLAN %u", backend->hop.vlan);
	if (identity_is_encapsulated(&backend->identity))
		snprintf(text + used, size - used, ", %s from %s/%u, MTU %u",
			 config_forward_name(forward_config(backend->identity.forward)),
			 addr_format(&source->addr, addr), ipv4 ? source->len - 96 : source->len,
			 backend->hop.mtu);
}

static char *backend_text(const struct op *op)
{
	const struct backend *backend = op->backend;
	const char *service = op->service->name;
	char address[ADDR_TEXT_MAX + 10], way[160];
	char *text = NULL;
	int size = 0;

	way_text(backend, way, sizeof(way));
	address_text(&backend->identity, address, sizeof(address));
	switch (op->kind) {
	case OP_BACKEND_ADD:
		size = backend->has_hop
			       ? asprintf(&text, "+ backend %s/%s %s %s", service, backend->name,
					  address, way)
			       : asprintf(&text, "+ backend %s/%s %s, down: %s", service,
					  backend->name, address, backend->reason);
		break;
	case OP_BACKEND_HOP:
		size = backend->gone
			       ? asprintf(&text, "~ backend %s/%s %s: its flows are lost, %s",
					  service, backend->name, address, backend->reason)
			       : asprintf(&text, "~ backend %s/%s %s: next hop %s", service,
					  backend->name, address, way);
		break;
	case OP_BACKEND_RENAME:
		size = asprintf(&text, "~ backend %s/%s %s: has this name now", service,
				backend->name, address);
		break;
	default:
		size = asprintf(&text, "- backend %s/%s %s", service, backend->name, address);
	}
	return size < 0 ? NULL : text;
}

static char *ring_text(const struct op *op)
{
	const char *name = op->service->name, *family = family_name(op->family);
	const struct ring *ring = &op->service->ring[op->family];
	char *text = NULL;
	int size;

	if (op->kind == OP_RING_ADD)
		size = asprintf(&text, "+ ring %s %s: %u slots", name, family, ring->slots);
	else if (op->kind == OP_RING_REMOVE)
		size = asprintf(&text, "- ring %s %s: %u slots", name, family, op->count);
	else
		size = asprintf(&text, "~ ring %s %s: %u of %u slots get another owner", name,
				family, op->number, ring->slots);
	return size < 0 ? NULL : text;
}

static char *prefix_text(const struct op *op)
{
	bool ipv4 = addr_is_ipv4(&op->prefix->addr) && op->prefix->len >= 96;
	char addr[ADDR_TEXT_MAX];
	char *text = NULL;
	int size = asprintf(&text, "%c direct %s/%u: replies there stay untranslated",
			    op->kind == OP_DIRECT_ADD ? '+' : '-',
			    addr_format(&op->prefix->addr, addr),
			    ipv4 ? op->prefix->len - 96 : op->prefix->len);

	return size < 0 ? NULL : text;
}

static char *named_text(const char *format, const char *name)
{
	char *text = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return asprintf(&text, format, name) < 0 ? NULL : text;
#pragma GCC diagnostic pop
}

char *op_text(const struct op *op)
{
	char name[IFNAMSIZ];

	switch (op->kind) {
	case OP_DEVICE_ADD:
		return named_text("+ device %s: can be redirected to",
				  device_name(op->number, name));
	case OP_DEVICE_REMOVE:
		return named_text("- device %s", device_name(op->number, name));
	case OP_REPLY_ATTACH:
		return named_text("+ lb_reply on %s", device_name(op->number, name));
	case OP_REPLY_DETACH:
		return named_text("- lb_reply on %s", device_name(op->number, name));
	case OP_DIRECT_ADD:
	case OP_DIRECT_REMOVE:
		return prefix_text(op);
	case OP_FRONT_ATTACH:
		return named_text("+ interface %s: lb attached", op->front->name);
	case OP_FRONT_DETACH:
		return named_text("- interface %s: lb detached", op->front->name);
	case OP_SERVICE_INFO:
		return named_text(op->number ? "+ service %s" : "~ service %s", op->service->name);
	case OP_SERVICE_REMOVE:
		return named_text("- service %s", op->service->name);
	case OP_BACKEND_ADD:
	case OP_BACKEND_HOP:
	case OP_BACKEND_RENAME:
	case OP_BACKEND_REMOVE:
		return backend_text(op);
	case OP_HASH_KEYS:
		return named_text("~ %s", "hash keys: every flow is hashed anew");
	case OP_REPLIES:
		return named_text("~ %s", "table of replies");
	case OP_SERVICES:
		return named_text("~ %s", "table of virtual addresses");
	case OP_RING_ADD:
	case OP_RING_REMOVE:
	case OP_SLOTS:
		return ring_text(op);
	}
	return NULL;
}
