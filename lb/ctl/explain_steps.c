/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/ctl/explain_steps.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Adds a step, and returns it for more fields. */
__attribute__((format(printf, 3, 4))) static struct json_object *
step(struct json_object *steps, const char *name, const char *format, ...)
{
	struct json_object *object = json_object_new_object();
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_object_object_add(object, "step", json_object_new_string(name));
	json_object_object_add(object, "text", json_object_new_string(text));
	json_object_array_add(steps, object);
	return object;
}

static const char *addr_text(const union lb_addr *addr, char *text)
{
	struct addr copy;

	memcpy(copy.byte, addr->byte, sizeof(copy.byte));
	return addr_format(&copy, text);
}

/* "10.1.0.2:8080", "[fd00::2]:8080", without a port where it is the packet's. */
#define ENDPOINT_MAX (ADDR_TEXT_MAX + sizeof("[]:65535"))
static const char *endpoint_text(const union lb_addr *addr, __be16 port, char text[ENDPOINT_MAX])
{
	char address[ADDR_TEXT_MAX];
	bool brackets;

	addr_text(addr, address);
	brackets = port && strchr(address, ':');
	snprintf(text, ENDPOINT_MAX, port ? "%s%s%s:%u" : "%s%s%s", brackets ? "[" : "", address,
		 brackets ? "]" : "", ntohs(port));
	return text;
}

static const char *backend_name(const struct explain_backend *backend)
{
	if (!backend->id)
		return "nobody";
	return *backend->name ? backend->name : "a backend that is no more";
}

static const char *forward_name(uint8_t forward)
{
	static const char *const names[] = {
		[LB_FORWARD_NONE] = "none", [LB_FORWARD_NAT] = "nat", [LB_FORWARD_DSR] = "dsr",
		[LB_FORWARD_IPIP] = "ipip", [LB_FORWARD_GUE] = "gue",
	};

	return forward < sizeof(names) / sizeof(names[0]) ? names[forward] : "unknown";
}

static bool is_ipv6(const union lb_addr *addr)
{
	struct addr copy;

	memcpy(copy.byte, addr->byte, sizeof(copy.byte));
	return !addr_is_ipv4(&copy);
}

/* ---- towards a backend ---------------------------------------------------------------------- */

static void step_service(struct json_object *steps, const struct explanation *found,
			 const struct replay_result *result)
{
	const struct lb_trace *trace = &found->trace;
	char vip[ADDR_TEXT_MAX];

	addr_text(&trace->dst, vip);
	if (result->verdict == LB_TX_ECHO || result->verdict == LB_DROP_ECHO) {
		step(steps, "service", "none is asked: %s is a virtual address, and %s", vip,
		     found->vip_is_up ? "up" : "down");
		return;
	}
	if (!result->service && found->is_vip) {
		step(steps, "service",
		     "none: %s is a virtual address (%s), but no service has it with "
		     "this protocol and port",
		     vip, found->vip_is_up ? "up" : "down");
		return;
	}
	if (!result->service) {
		step(steps, "service", "none: %s is nobody's virtual address", vip);
		return;
	}
	if (trace->pick == LB_PICK_FRAGMENT) {
		step(steps, "service", "%s, as the first fragment said", result->service);
		return;
	}
	step(steps, "service", "%s: %s%s%s", result->service,
	     found->found == FOUND_ANY_PORT
		     ? "no service has this port of the address by name, and "
		       "this one has any"
		     : "it has this address, protocol and port",
	     found->tracks ? "; it tracks always: each flow has a record" : "",
	     found->by_source ? "; it hashes the source address alone" : "");
}

static void step_slot(struct json_object *steps, const struct explanation *found)
{
	const struct lb_trace *trace = &found->trace;
	struct json_object *object;

	if (!found->has_slot)
		return;
	object = step(steps, "slot", "%u of %u in the %s ring, by hash 0x%08x", found->slot,
		      found->slots, is_ipv6(&trace->dst) ? "IPv6" : "IPv4", trace->hash);
	json_object_object_add(object, "slot", json_object_new_int64(found->slot));
	json_object_object_add(object, "slots", json_object_new_int64(found->slots));
	json_object_object_add(object, "hash", json_object_new_int64(trace->hash));
	if (found->moving)
		object = step(steps, "motion",
			      "the slot moves: new flows go to %s, older ones stay "
			      "with %s (slots of the service have been moving for %llu s)",
			      backend_name(&found->owner), backend_name(&found->previous),
			      (unsigned long long)found->moving_for_s);
	else
		object = step(steps, "motion", "the slot is at rest, and belongs to %s",
			      backend_name(&found->owner));
	json_object_object_add(object, "moving", json_object_new_boolean(found->moving));
	json_object_object_add(object, "owner",
			       found->owner.id ? json_object_new_string(found->owner.name) : NULL);
	json_object_object_add(object, "previous",
			       found->moving && found->previous.id
				       ? json_object_new_string(found->previous.name)
				       : NULL);
}

static const char *record_state(uint32_t state)
{
	switch (state) {
	case LB_RECORD_EMBRYONIC:
		return "embryonic";
	case LB_RECORD_CONFIRMED:
		return "confirmed";
	case LB_RECORD_CLOSING:
		return "closing";
	default:
		return NULL;
	}
}

static const char *pick_name(uint8_t pick)
{
	static const char *const names[] = {
		[LB_PICK_NONE] = "none",
		[LB_PICK_SETTLED] = "settled",
		[LB_PICK_UNTRACKED] = "untracked",
		[LB_PICK_RECORD] = "record",
		[LB_PICK_NEW] = "new",
		[LB_PICK_BEFORE] = "before",
		[LB_PICK_NO_ROOM] = "no_room",
		[LB_PICK_FRAGMENT] = "fragment",
	};

	return names[pick <= LB_PICK_FRAGMENT ? pick : LB_PICK_NONE];
}

static void step_flow(struct json_object *steps, const struct explanation *found)
{
	static const char *const words[] = {
		[LB_PICK_SETTLED] = "nothing is remembered about flows at rest, the owner has them",
		[LB_PICK_UNTRACKED] = "UDP that is not tracked follows its slot to the owner",
		[LB_PICK_NEW] = "no record, and a new flow: the owner, and it would be recorded",
		[LB_PICK_BEFORE] =
			"no record, and no new flow: it began before the motion and stays "
			"with whom it has",
		[LB_PICK_NO_ROOM] =
			"a new flow, but its bucket of records is full: it goes as those "
			"without a record do",
		[LB_PICK_FRAGMENT] = "a later fragment follows the first",
	};
	const struct lb_trace *trace = &found->trace;
	const char *record = record_state(trace->record);
	struct json_object *object;
	char text[160];

	if (trace->pick == LB_PICK_NONE || trace->pick > LB_PICK_FRAGMENT)
		return;
	if (trace->pick == LB_PICK_RECORD)
		snprintf(text, sizeof(text), "its record (%s) says which", record ? record : "?");
	else
		snprintf(text, sizeof(text), "%s", words[trace->pick]);
	object = step(steps, "flow", "%s: %s", text, backend_name(&found->backend));
	json_object_object_add(object, "pick", json_object_new_string(pick_name(trace->pick)));
	json_object_object_add(object, "record", record ? json_object_new_string(record) : NULL);
}

static void step_backend(struct json_object *steps, const struct explanation *found,
			 const struct replay_result *result)
{
	const struct lb_backend *entry = &found->backend.entry;
	char address[ENDPOINT_MAX];
	struct json_object *object;

	if (!found->backend.id)
		return;
	endpoint_text(&entry->address, entry->forward == LB_FORWARD_NAT ? entry->port : 0, address);
	object = step(steps, "backend", "%s/%s %s, %s, forward %s%s",
		      result->service ? result->service : "?", backend_name(&found->backend),
		      address, found->backend.state, forward_name(entry->forward),
		      entry->flags & LB_BACKEND_GONE ? "; its flows are lost" : "");
	json_object_object_add(object, "address", json_object_new_string(address));
	json_object_object_add(object, "state", json_object_new_string(found->backend.state));
	json_object_object_add(object, "forward",
			       json_object_new_string(forward_name(entry->forward)));
}

static void vlan_text(uint16_t vlan, char *text, size_t size)
{
	if (vlan == LB_VLAN_KEEP)
		snprintf(text, size, "tags as they come");
	else if (vlan == LB_VLAN_NONE)
		snprintf(text, size, "untagged");
	else
		snprintf(text, size, "VLAN %u", vlan);
}

static void step_next_hop(struct json_object *steps, const struct explanation *found)
{
	const struct lb_backend *entry = &found->backend.entry;
	const uint8_t *mac = entry->hop.dst_mac;
	char device[IF_NAMESIZE], vlan[32];
	struct json_object *object;

	if (!found->backend.id)
		return;
	if (!entry->ifindex) {
		step(steps, "next_hop", "not known");
		return;
	}
	if (!if_indextoname(entry->ifindex, device))
		snprintf(device, sizeof(device), "#%u", entry->ifindex);
	vlan_text(entry->hop.vlan, vlan, sizeof(vlan));
	object = step(steps, "next_hop", "%02x:%02x:%02x:%02x:%02x:%02x by %s, %s, %s%s", mac[0],
		      mac[1], mac[2], mac[3], mac[4], mac[5], device,
		      entry->hop.flags & LB_HOP_LOCAL ? "a container of this host: the TTL stays"
						      : "another host: the TTL is one less",
		      vlan,
		      found->backend.has_device ? ""
						: "; frames cannot be redirected to it, "
						  "only sent back by it");
	json_object_object_add(object, "interface", json_object_new_string(device));
	json_object_object_add(object, "local",
			       json_object_new_boolean(entry->hop.flags & LB_HOP_LOCAL));
}

static void step_rewrite(struct json_object *steps, const struct explanation *found,
			 const struct replay_result *result)
{
	const struct lb_backend *entry = &found->backend.entry;
	char from[ENDPOINT_MAX], to[ENDPOINT_MAX];

	switch (result->verdict) {
	case LB_REDIRECT_NAT:
	case LB_TX_NAT:
		endpoint_text(&found->trace.dst, found->trace.dport, from);
		endpoint_text(&entry->address, entry->port ? entry->port : found->trace.dport, to);
		step(steps, "rewrite", "destination %s becomes %s, and the checksums follow", from,
		     to);
		break;
	case LB_REDIRECT_DSR:
	case LB_TX_DSR:
		step(steps, "rewrite",
		     "the MACs alone: the backend has the virtual address itself");
		break;
	case LB_REDIRECT_IPIP:
	case LB_TX_IPIP:
	case LB_REDIRECT_GUE:
	case LB_TX_GUE:
	case LB_PASS_ENCAP_FRAGMENT:
		endpoint_text(&entry->address, 0, to);
		step(steps, "rewrite", "all but its TTL stays as it is, inside a packet to %s%s",
		     to,
		     entry->forward == LB_FORWARD_GUE
			     ? " in UDP, whose source port tells flows apart"
			     : "");
		break;
	default:
		break;
	}
}

/* ---- a backend's reply ---------------------------------------------------------------------- */

static void steps_reply(struct json_object *steps, const struct explanation *found,
			const struct replay_result *result)
{
	const struct lb_backend *entry = &found->backend.entry;
	char from[ENDPOINT_MAX], to[ENDPOINT_MAX], src[ENDPOINT_MAX];

	endpoint_text(&found->trace.src, found->trace.sport, src);
	if (result->verdict == LB_PASS_REPLY_DIRECT) {
		step(steps, "reply",
		     "%s is a backend's, but the destination is this host or a network "
		     "of backends: a direct connection",
		     src);
		return;
	}
	if (!found->backend.id) {
		step(steps, "reply", "%s is no backend behind nat", src);
		return;
	}
	step(steps, "reply", "%s is %s/%s, %s", src, result->service ? result->service : "?",
	     backend_name(&found->backend),
	     entry->hop.flags & LB_HOP_LOCAL ? "a container of this host"
					     : "on another host: the TTL is one less");
	if (result->verdict != LB_REDIRECT_REPLY && result->verdict != LB_TX_REPLY)
		return;
	endpoint_text(&found->trace.src, found->trace.sport, from);
	endpoint_text(&entry->vip, entry->port ? entry->vip_port : found->trace.sport, to);
	step(steps, "rewrite", "source %s becomes %s, and the checksums follow", from, to);
	step(steps, "next_hop",
	     "as this host's routing table says (ip route get): nobody is asked "
	     "here, so the MACs and the interface of the real packet are not known");
}

static bool is_reply(const struct replay_result *result, const struct explanation *found)
{
	return result->verdict == LB_REDIRECT_REPLY || result->verdict == LB_TX_REPLY ||
	       result->verdict == LB_PASS_REPLY_DIRECT || result->verdict == LB_PASS_REPLY_SLOW ||
	       (found->backend.id && !memcmp(&found->trace.src, &found->backend.entry.address,
					     sizeof(found->trace.src)));
}

struct json_object *explain_steps(const struct explanation *explanation,
				  const struct replay_result *result, bool reply)
{
	struct json_object *steps = json_object_new_array();

	if (reply || is_reply(result, explanation)) {
		steps_reply(steps, explanation, result);
	} else {
		step_service(steps, explanation, result);
		step_slot(steps, explanation);
		step_flow(steps, explanation);
		step_backend(steps, explanation, result);
		step_next_hop(steps, explanation);
		step_rewrite(steps, explanation, result);
	}
	step(steps, "verdict", "%s: %s", verdict_name(result->verdict),
	     verdict_text(result->verdict));
	return steps;
}
