/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One flow as people see it: with the names of its ends, as JSON, and by what it is looked for. */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/clock.h"
#include "config/mem.h"
#include "lb/flows/flows_private.h"
#include "lb/isolation.h"

#define ADD(object, key, value) json_object_object_add(object, key, value)

#define END_TEXT_MAX (ADDR_TEXT_MAX + 8)

/* ---- words ----------------------------------------------------------------------------------- */

static const char *const outcome_names[FLOW_OUTCOMES] = {
	[FLOW_RUNS] = "active", [FLOW_CLOSED] = "closed", [FLOW_RESET] = "reset",
	[FLOW_ABORTED] = "aborted", [FLOW_REFUSED] = "refused", [FLOW_TIMED_OUT] = "timed-out",
	[FLOW_UNREACHABLE] = "unreachable", [FLOW_IDLE] = "idle", [FLOW_GONE] = "gone",
};

/* Of a connection that lives, as ss(8) has it; by the kernel's TCP_* (net/tcp_states.h). */
static const char *const tcp_names[] = {
	NULL, "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait",
	"unconn", "close-wait", "last-ack", "listening", "closing", "syn-recv",
};

const char *flow_outcome_name(enum flow_outcome outcome)
{
	return outcome < FLOW_OUTCOMES ? outcome_names[outcome] : "unknown";
}

bool flow_outcome_is_failure(enum flow_outcome outcome)
{
	return outcome == FLOW_REFUSED || outcome == FLOW_RESET || outcome == FLOW_TIMED_OUT ||
	       outcome == FLOW_UNREACHABLE;
}

static const char *state_name(const struct flow *flow)
{
	if (flow->outcome != FLOW_RUNS)
		return flow_outcome_name((enum flow_outcome)flow->outcome);
	if (flow->protocol == IPPROTO_TCP && flow->state &&
	    flow->state < sizeof(tcp_names) / sizeof(*tcp_names))
		return tcp_names[flow->state];
	return flow_outcome_name(FLOW_RUNS);
}

const char *flow_protocol_name(uint8_t protocol, char text[8])
{
	static const struct {
		uint8_t number;
		const char *name;
	} known[] = { { IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" }, { IPPROTO_ICMP, "icmp" },
		      { IPPROTO_UDPLITE, "udplite" }, { IPPROTO_SCTP, "sctp" } };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].number == protocol)
			return known[i].name;
	snprintf(text, 8, "%u", protocol);
	return text;
}

static struct addr addr_of(const __u8 *bytes)
{
	struct addr addr;

	memcpy(addr.byte, bytes, sizeof(addr.byte));
	return addr;
}

/* "10.0.0.1:80", "[fd00::1]:80"; the address alone of a protocol that has no ports. */
static const char *end_text(const __u8 *bytes, uint16_t port, const struct flow *flow, char *text)
{
	struct addr addr = addr_of(bytes);
	char host[ADDR_TEXT_MAX];

	addr_format(&addr, host);
	if (!flow->local_port && !flow->remote_port)
		snprintf(text, END_TEXT_MAX, "%s", host);
	else
		snprintf(text, END_TEXT_MAX, addr_is_ipv4(&addr) ? "%s:%u" : "[%s]:%u", host, port);
	return text;
}

/* ---- names ----------------------------------------------------------------------------------- */

struct flow_row row_make(struct flows *flows, size_t number, const struct flow *flow,
			 struct row_room *room)
{
	const struct flow_owner *owner = &room->ends.owner;
	const struct flow_node *peer;
	const uint64_t *line;
	size_t count;
	struct flow_row row = { .flow = *flow };

	flow_names_ends(flows->names, flow, &room->ends);
	peer = &room->ends.to;
	if (peer->kind == FLOW_CONTAINER && !strcmp(peer->name, owner->name))
		peer = &room->ends.from;
	line = places_line(flows->places, flow->cgroup, &count);
	row.container = owner->name;
	row.cgroup = *owner->cgroup ? owner->cgroup : NULL;
	row.group = isolation_groups(flows->manager->isolation, line, count, flow->netns);
	row.netns = places_netns(flows->places, flow->netns, room->netns);
	row.service = flows_service(flows, number, flow, room->ends.service);
	row.peer = peer->name;
	return row;
}

struct flow_row *row_copy(const struct flow_row *row)
{
	const char *const from[] = { row->container, row->cgroup, row->group, row->netns,
				     row->service, row->peer };
	const char *to[sizeof(from) / sizeof(*from)];
	size_t size = sizeof(*row);
	struct flow_row *copy;
	char *text;

	for (size_t i = 0; i < sizeof(from) / sizeof(*from); i++)
		size += from[i] ? strlen(from[i]) + 1 : 0;
	copy = mem_must(malloc(size));
	text = (char *)(copy + 1);
	for (size_t i = 0; i < sizeof(from) / sizeof(*from); i++) {
		to[i] = from[i] ? strcpy(text, from[i]) : NULL;
		text += from[i] ? strlen(from[i]) + 1 : 0;
	}
	*copy = (struct flow_row){ row->flow, to[0], to[1], to[2], to[3], to[4], to[5] };
	return copy;
}

/* ---- filters --------------------------------------------------------------------------------- */

static bool container_matches(const struct flow_row *row, const char *name)
{
	const char *slash;

	name += *name == '/' && name[1];
	if (!strcmp(row->container, name))
		return true;
	if (!row->cgroup)
		return false;
	slash = strrchr(row->cgroup, '/');
	return !strcmp(row->cgroup, name) || (slash && !strcmp(slash + 1, name));
}

/* Whether a local client asked for another address than it was given. */
static bool has_vip(const struct flow *flow)
{
	static const __u8 none[sizeof(flow->vip)];

	return memcmp(flow->vip, none, sizeof(none)) != 0;
}

static bool peer_matches(const struct flow_row *row, const char *peer)
{
	struct addr remote = addr_of(row->flow.remote), vip = addr_of(row->flow.vip);
	struct prefix prefix;

	if (!prefix_parse(peer, &prefix))
		return prefix_contains(&prefix, &remote) ||
		       (has_vip(&row->flow) && prefix_contains(&prefix, &vip));
	return !strcmp(row->peer, peer) || (row->service && !strcmp(row->service, peer));
}

bool row_matches(const struct flow_row *row, const struct flow_filter *filter)
{
	const struct flow *flow = &row->flow;

	if (filter->container && !container_matches(row, filter->container))
		return false;
	if (filter->peer && !peer_matches(row, filter->peer))
		return false;
	return !filter->port || filter->port == flow->local_port ||
	       filter->port == flow->remote_port ||
	       (has_vip(flow) && filter->port == flow->vip_port);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static struct json_object *text_or_null(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

/* UTC, by what the clock says now. */
static struct json_object *time_json(uint64_t monotonic_ns)
{
	uint64_t now_ns = clock_ns(), wall_ns;
	struct timespec wall;
	struct tm utc;
	char date[32], text[48];
	time_t second;

	clock_gettime(CLOCK_REALTIME, &wall);
	wall_ns = (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec;
	wall_ns -= monotonic_ns < now_ns ? now_ns - monotonic_ns : 0;
	second = (time_t)(wall_ns / NS_PER_S);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &utc));
	snprintf(text, sizeof(text), "%s.%03uZ", date,
		 (unsigned int)(wall_ns % NS_PER_S / NS_PER_MS));
	return json_object_new_string(text);
}

/* Of datagrams that fell silent: up to the last one. */
static struct json_object *duration_json(const struct flow *flow)
{
	uint64_t end_ns = flow->outcome == FLOW_IDLE ? flow->seen_ns
			  : flow->end_ns	     ? flow->end_ns
						     : clock_ns();
	double seconds = end_ns > flow->start_ns
				 ? (double)(end_ns - flow->start_ns) / (double)NS_PER_S : 0;
	char text[32];

	snprintf(text, sizeof(text), "%.3f", seconds);
	return json_object_new_double_s(seconds, text);
}

static struct json_object *number_or_null(bool has, uint64_t number)
{
	return has ? json_object_new_uint64(number) : NULL;
}

/* The same in every answer, which `start` is not: it moves with the clock, and by what a conversion
 * rounds. Not the socket's cookie, which a record loses when it is disowned. */
static struct json_object *id_json(const struct flow *flow)
{
	char text[40];

	snprintf(text, sizeof(text), "%llx-%llx", (unsigned long long)flow->start_ns,
		 (unsigned long long)flow->cgroup);
	return json_object_new_string(text);
}

struct json_object *row_json(const struct flow_row *row)
{
	struct json_object *object = json_object_new_object();
	const struct flow *flow = &row->flow;
	bool tcp = flow->protocol == IPPROTO_TCP;
	char text[END_TEXT_MAX], protocol[8];

	ADD(object, "id", id_json(flow));
	ADD(object, "container", text_or_null(row->container));
	ADD(object, "cgroup", text_or_null(row->cgroup));
	ADD(object, "group", text_or_null(row->group));
	ADD(object, "netns", text_or_null(row->netns));
	ADD(object, "direction", text_or_null(flow->direction == FLOW_IN    ? "in"
					      : flow->direction == FLOW_OUT ? "out"
									    : NULL));
	ADD(object, "protocol", text_or_null(flow_protocol_name(flow->protocol, protocol)));
	ADD(object, "local", text_or_null(end_text(flow->local, flow->local_port, flow, text)));
	ADD(object, "remote", text_or_null(end_text(flow->remote, flow->remote_port, flow, text)));
	ADD(object, "asked",
	    has_vip(flow) ? text_or_null(end_text(flow->vip, flow->vip_port, flow, text)) : NULL);
	ADD(object, "peer", text_or_null(row->peer));
	ADD(object, "service", text_or_null(row->service));
	ADD(object, "state", text_or_null(state_name(flow)));
	ADD(object, "packets_in", json_object_new_uint64(flow->packets_in));
	ADD(object, "packets_out", json_object_new_uint64(flow->packets_out));
	ADD(object, "bytes_in", json_object_new_uint64(flow->bytes_in));
	ADD(object, "bytes_out", json_object_new_uint64(flow->bytes_out));
	ADD(object, "start", time_json(flow->start_ns));
	ADD(object, "duration_s", duration_json(flow));
	ADD(object, "rtt_us", number_or_null(tcp && flow->rtt_us, flow->rtt_us));
	ADD(object, "min_rtt_us", number_or_null(tcp && flow->min_rtt_us, flow->min_rtt_us));
	ADD(object, "retransmits", number_or_null(tcp, flow->retransmits));
	return object;
}
