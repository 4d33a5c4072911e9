/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of schema.h and the words of its enums. The order of words is that of the enums in
 * config.h. vet.c judges a file by it, build.c takes its fallbacks, schema_print() documents it. */
#include "config/schema.h"

#include <netinet/in.h>
#include <string.h>

#include "config/config.h"

/* As texts, for a fallback is written as the file would write it. */
#define TEXT_OF(number) #number
#define AS_TEXT(number) TEXT_OF(number)

#define SECONDS(n)	((n) * INT64_C(1000))
#define HOURS(n)	((n) * INT64_C(3600000))
#define SOCKET_PATH_MAX	107	/* sun_path without its NUL, unix(7) */
#define PATH_BYTES_MAX	4095	/* PATH_MAX without its NUL */
#define NETWORK_BYTES_MAX 255	/* of a runtime's network's name */
#define CONGESTION_BYTES_MAX 15	/* TCP_CA_NAME_MAX without its NUL */
#define MAX_SLOTS_MAX	268435456 /* 2 GB of slots */

static const struct schema_word mode_words[] = {
	{ .word = "auto" }, { .word = "native" }, { .word = "generic" }, { 0 },
};
static const struct schema_word protocol_words[] = {
	{ .word = "tcp" }, { .word = "udp" }, { .word = "quic", .later = true }, { 0 },
};
static const struct schema_word forward_words[] = {
	{ .word = "nat" }, { .word = "dsr" }, { .word = "ipip" }, { .word = "gue" }, { 0 },
};
static const struct schema_word hash_words[] = {
	{ .word = "5tuple" }, { .word = "source" }, { 0 },
};
static const struct schema_word track_words[] = {
	{ .word = "moves" }, { .word = "always" }, { 0 },
};
static const struct schema_word when_down_words[] = {
	{ .word = "drop" }, { .word = "reject" }, { .word = "all" }, { 0 },
};
static const struct schema_word on_down_words[] = {
	{ .word = "keep" }, { .word = "cut" }, { 0 },
};
static const struct schema_word state_words[] = {
	{ .word = "up" }, { .word = "drain" }, { .word = "off" }, { 0 },
};
static const struct schema_word check_words[] = {
	{ .word = "none" }, { .word = "tcp" }, { .word = "http" },
	{ .word = "https", .later = true },
	{ .word = "dns", .later = true }, { .word = "exec", .later = true }, { 0 },
};

static const struct schema_word policy_mode_words[] = {
	{ .word = "enforce" }, { .word = "audit" }, { 0 },
};
static const struct schema_word default_words[] = {
	{ .word = "allow" }, { .word = "deny" }, { 0 },
};
static const struct schema_word action_words[] = {
	{ .word = "allow" }, { .word = "deny" }, { .word = "reject" }, { 0 },
};
static const struct schema_word ip_protocol_words[] = {
	{ .word = "any", .number = CONFIG_PROTOCOL_ANY },
	{ .word = "tcp", .number = IPPROTO_TCP }, { .word = "udp", .number = IPPROTO_UDP },
	{ .word = "icmp", .number = IPPROTO_ICMP }, { .word = "igmp", .number = IPPROTO_IGMP },
	{ .word = "sctp", .number = IPPROTO_SCTP }, { .word = "dccp", .number = IPPROTO_DCCP },
	{ .word = "udplite", .number = IPPROTO_UDPLITE },
	{ .word = "ipip", .number = IPPROTO_IPIP }, { .word = "ipv6", .number = IPPROTO_IPV6 },
	{ .word = "gre", .number = IPPROTO_GRE }, { .word = "esp", .number = IPPROTO_ESP },
	{ .word = "ah", .number = IPPROTO_AH }, { .word = "ospf", .number = 89 },
	{ .word = "pim", .number = IPPROTO_PIM }, { .word = "vrrp", .number = 112 },
	{ .word = "l2tp", .number = 115 }, { 0 },
};

/* socket(2) asks cgroups about the IP families alone (inet_create() in the kernel's af_inet.c). */
#define BEYOND(name, family) \
	{ .word = name, .beyond = "no hook of a cgroup sees sockets of " family "; refuse socket(" \
				  family ") in the container's seccomp profile" }

static const struct schema_word socket_words[] = {
	{ .word = "raw" }, { .word = "packet" }, { .word = "ping" }, { .word = "mptcp" },
	{ .word = "sctp" }, { .word = "tcp" }, { .word = "udp" }, { .word = "ipv4" },
	{ .word = "ipv6" }, { .word = "other" },
	BEYOND("unix", "AF_UNIX"), BEYOND("netlink", "AF_NETLINK"), BEYOND("vsock", "AF_VSOCK"),
	BEYOND("xdp", "AF_XDP"), BEYOND("alg", "AF_ALG"), BEYOND("can", "AF_CAN"),
	BEYOND("tipc", "AF_TIPC"), BEYOND("bluetooth", "AF_BLUETOOTH"), { 0 },
};

#define OF_SERVICE (IN_DEFAULTS | IN_SERVICE)
#define OF_BACKEND (IN_DEFAULTS | IN_SERVICE | IN_BACKEND)

const struct schema_key schema_keys[] = {
	{ IN_FILE, "version", SCHEMA_INTEGER, .min = CONFIG_VERSION, .max = CONFIG_VERSION,
	  .required = true, .help = "version of this format" },
	{ IN_FILE, "interfaces", SCHEMA_LIST, .opens = IN_INTERFACE,
	  .help = "interfaces that packets for the vips come in on" },
	{ IN_FILE, "defaults", SCHEMA_GROUP, .opens = IN_DEFAULTS,
	  .help = "what services and backends have where they say nothing" },
	{ IN_FILE, "services", SCHEMA_LIST, .opens = IN_SERVICE, .help = "what is balanced" },
	{ IN_FILE, "announce", SCHEMA_UNREAD, .later = true,
	  .help = "how the vips are made known to the network" },
	{ IN_FILE, "containers", SCHEMA_GROUP, .opens = IN_CONTAINERS,
	  .help = "the container runtime" },
	{ IN_FILE, "api", SCHEMA_GROUP, .opens = IN_API, .help = "where the daemon listens" },
	{ IN_FILE, "tuning", SCHEMA_GROUP, .opens = IN_TUNING, .help = "places and sizes" },
	{ IN_FILE, "policy", SCHEMA_GROUP, .opens = IN_POLICY,
	  .help = "which container may talk to whom" },
	{ IN_FILE, "flows", SCHEMA_GROUP, .opens = IN_FLOWS,
	  .help = "who talks to whom; without it nothing is seen, and it costs nothing" },
	{ IN_FILE, "anomaly", SCHEMA_UNREAD, .later = true, .help = "what is out of the ordinary" },

	{ IN_INTERFACE, "name", SCHEMA_IFNAME, .required = true,
	  .help = "the interface, as the kernel names it" },
	{ IN_INTERFACE, "mode", SCHEMA_WORD, .words = mode_words, .fallback = "auto",
	  .help = "XDP in the driver (native), before the stack (generic), or the best there is" },
	{ IN_INTERFACE, "optional", SCHEMA_BOOL, .fallback = "false",
	  .help = "whether it may be absent; then it is attached when it comes" },

	{ IN_SERVICE, "name", SCHEMA_NAME, .required = true, .flaw = FLAW_NAME,
	  .help = "the service's name" },
	{ IN_SERVICE, "vips", SCHEMA_ADDRESS, SHAPE_ARRAY, .required = true, .flaw = FLAW_VIPS,
	  .help = "virtual addresses that clients connect to" },
	{ OF_SERVICE, "protocol", SCHEMA_WORD, .words = protocol_words, .fallback = "tcp",
	  .flaw = FLAW_PROTOCOL, .help = "the protocol that is balanced" },
	{ IN_SERVICE, "ports", SCHEMA_PORTS, SHAPE_ARRAY, .min = 1, .max = 65535,
	  .required = true, .flaw = FLAW_PORTS,
	  .help = "ports that clients connect to; [ ] is any port" },
	{ OF_SERVICE, "hash", SCHEMA_WORD, .words = hash_words, .fallback = "5tuple",
	  .help = "what of a packet picks its slot" },
	{ OF_SERVICE, "track", SCHEMA_WORD, .words = track_words, .fallback = "moves",
	  .help = "which flows are remembered: those of moving slots, or all" },
	{ OF_SERVICE, "ring_size", SCHEMA_RING, .min = 2, .max = CONFIG_RING_MAX,
	  .fallback = "auto", .flaw = FLAW_RING,
	  .help = "slots of a ring; auto: the smallest prime at least 100 a backend and 1021" },
	{ OF_SERVICE, "min_up", SCHEMA_INTEGER, .min = 1, .max = CONFIG_BACKENDS_MAX,
	  .fallback = "1",
	  .help = "backends that must be up for the service to be up" },
	{ OF_SERVICE, "when_down", SCHEMA_WORD, .words = when_down_words, .fallback = "drop",
	  .help = "what a service that is down does with new flows" },
	{ OF_SERVICE, "on_down", SCHEMA_WORD, .words = on_down_words, .fallback = "keep",
	  .help = "what a failed check does to live flows" },
	{ OF_SERVICE, "idle_timeout", SCHEMA_TIME, .min = SECONDS(1), .max = HOURS(8),
	  .fallback = "135m",
	  .help = "silence after which a flow may be forgotten while its slot is moving" },
	{ OF_SERVICE, "load", SCHEMA_UNREAD, .later = true,
	  .help = "weights that follow the containers' own load" },
	{ OF_SERVICE, "mss", SCHEMA_INTEGER, .min = 536, .max = 65495,
	  .help = "bytes of a TCP segment at the most: what a client's SYN offers is clamped" },
	{ OF_SERVICE, "encap_source", SCHEMA_PREFIX, SHAPE_ONE_OR_PAIR, .flaw = FLAW_ENCAP,
	  .help = "outer sources of ipip and gue, one by flow; without it this host's address" },
	{ IN_SERVICE, "backends", SCHEMA_LIST, .opens = IN_BACKEND, .flaw = FLAW_BACKENDS,
	  .help = "who serves; none: every packet is dropped" },

	{ IN_BACKEND, "name", SCHEMA_NAME, .required = true, .flaw = FLAW_NAME,
	  .help = "the backend's name within its service" },
	{ OF_BACKEND, "address", SCHEMA_ADDRESS, SHAPE_ONE_OR_PAIR, .flaw = FLAW_BACKENDS,
	  .help = "the backend's address, or one of each family" },
	{ OF_BACKEND, "port", SCHEMA_INTEGER, .min = 1, .max = 65535, .flaw = FLAW_PORT,
	  .help = "the port it listens on; without it a packet keeps its port" },
	{ OF_BACKEND, "forward", SCHEMA_WORD, .words = forward_words, .fallback = "nat",
	  .flaw = FLAW_FORWARD, .help = "how a packet gets there" },
	{ OF_BACKEND, "weight", SCHEMA_INTEGER, .min = 0, .max = CONFIG_WEIGHT_MAX,
	  .fallback = "100", .help = "share of new flows, relative to the others; 0: none" },
	{ OF_BACKEND, "state", SCHEMA_WORD, .words = state_words, .fallback = "up",
	  .help = "in use, without new flows until drain ends, or off" },
	{ OF_BACKEND, "backup", SCHEMA_BOOL, .fallback = "false",
	  .help = "whether it is used only when no other can be" },
	{ OF_BACKEND, "drain", SCHEMA_TIME, .max = HOURS(720), .fallback = "5m",
	  .help = "how long live flows go on after new ones stopped" },
	{ OF_BACKEND, "slow_start", SCHEMA_TIME, .max = HOURS(24), .fallback = "0s",
	  .help = "time in which a backend that came up gets its full share" },
	{ OF_BACKEND, "check", SCHEMA_GROUP, .opens = IN_CHECK,
	  .help = "how it is found out whether the backend is well" },
	{ OF_BACKEND, "mac", SCHEMA_MAC, .help = "next hop's MAC instead of looking it up" },
	{ OF_BACKEND, "interface", SCHEMA_IFNAME,
	  .help = "next hop's interface instead of looking it up" },
	{ OF_BACKEND, "container", SCHEMA_CONTAINER, .flaw = FLAW_BACKENDS,
	  .help = "container to take the addresses from, instead of `address`" },
	{ OF_BACKEND, "label", SCHEMA_LABEL, .flaw = FLAW_BACKENDS,
	  .help = "every container with the label, each as a backend of its own" },
	{ OF_BACKEND, "network", SCHEMA_TOKEN, .max = NETWORK_BYTES_MAX, .flaw = FLAW_BACKENDS,
	  .help = "which network of a container that has several" },

	{ IN_CHECK, "type", SCHEMA_WORD, .words = check_words, .fallback = "tcp",
	  .help = "what is tried; udp and quic have none unless told" },
	{ IN_CHECK, "every", SCHEMA_TIME, .min = 100, .max = HOURS(24), .fallback = "2s",
	  .help = "time from one check to the next" },
	{ IN_CHECK, "timeout", SCHEMA_TIME, .min = 10, .max = HOURS(1), .fallback = "1s",
	  .help = "time after which an answer is too late" },
	{ IN_CHECK, "fall", SCHEMA_INTEGER, .min = 1, .max = 1000, .fallback = "3",
	  .help = "failures in a row that make it down" },
	{ IN_CHECK, "rise", SCHEMA_INTEGER, .min = 1, .max = 1000, .fallback = "2",
	  .help = "successes in a row that make it up" },
	{ IN_CHECK, "path", SCHEMA_URLPATH, .fallback = "/", .help = "what http asks for" },
	{ IN_CHECK, "host", SCHEMA_HOST,
	  .help = "http's Host; without it the backend's address and port" },
	{ IN_CHECK, "expect", SCHEMA_STATUS, .min = 100, .max = 599, .fallback = "200-299",
	  .help = "statuses of http that are well" },

	{ IN_API, "socket", SCHEMA_PATH, .max = SOCKET_PATH_MAX,
	  .help = "Unix socket of the API; the daemon's own default without it" },
	{ IN_API, "http", SCHEMA_LISTEN, .help = "where the API is also read over TCP" },
	{ IN_TUNING, "pin", SCHEMA_PATH, .max = PATH_BYTES_MAX,
	  .help = "directory of the pins; the daemon's own default without it" },
	{ IN_TUNING, "exclusive", SCHEMA_BOOL, .fallback = "false",
	  .help = "whether to attach without libxdp's dispatcher" },
	{ IN_TUNING, "hash_seed", SCHEMA_STRING,
	  .help = "the same on all balancers of a fleet; without it one is made and kept" },
	{ IN_TUNING, "max_slots", SCHEMA_INTEGER, .min = CONFIG_RING_MIN, .max = MAX_SLOTS_MAX,
	  .fallback = AS_TEXT(CONFIG_MAX_SLOTS), .flaw = FLAW_RING,
	  .help = "slots of all rings together" },
	{ IN_CONTAINERS, "socket", SCHEMA_PATH, .max = SOCKET_PATH_MAX,
	  .fallback = "/var/run/docker.sock",
	  .help = "the runtime's API" },

	{ IN_POLICY, "mode", SCHEMA_WORD, .words = policy_mode_words, .fallback = "enforce",
	  .help = "audit: everything passes, and what would have been refused is told" },
	{ IN_POLICY, "default", SCHEMA_WORD, .words = default_words, .fallback = "allow",
	  .help = "for whoever is in a group, where no rule matches" },
	{ IN_POLICY, "groups", SCHEMA_LIST, .opens = IN_GROUP, .flaw = FLAW_GROUPS,
	  .help = "whom rules can be about" },
	{ IN_POLICY, "rules", SCHEMA_LIST, .opens = IN_RULE,
	  .help = "who may begin to talk to whom; the first that matches decides" },
	{ IN_POLICY, "sockets", SCHEMA_LIST, .opens = IN_SOCKETS,
	  .help = "which sockets a group may make and bind" },
	{ IN_POLICY, "tcp", SCHEMA_LIST, .opens = IN_POLICY_TCP,
	  .help = "how a group's TCP connections behave" },

	{ IN_GROUP, "name", SCHEMA_NAME, .required = true, .flaw = FLAW_GROUPS,
	  .help = "the group's name" },
	{ IN_GROUP, "container", SCHEMA_CONTAINERS,
	  .help = "containers by name; * is anything but /" },
	{ IN_GROUP, "label", SCHEMA_LABEL, .help = "containers with the label" },
	{ IN_GROUP, "cgroup", SCHEMA_CGROUPS,
	  .help = "cgroups and all below them; * is anything but /" },
	{ IN_GROUP, "netns", SCHEMA_NETNS, .help = "a network namespace" },
	{ IN_GROUP, "cidr", SCHEMA_PREFIX, SHAPE_ARRAY,
	  .help = "addresses: others to talk to, on whom nothing is enforced" },

	{ IN_RULE, "from", SCHEMA_INITIATOR, .fallback = "any", .help = "who begins" },
	{ IN_RULE, "to", SCHEMA_RESPONDER, .fallback = "any", .help = "who is asked" },
	{ IN_RULE, "protocol", SCHEMA_NUMBERED, .max = 255, .words = ip_protocol_words,
	  .fallback = "any", .help = "the protocol on IP; icmp is that of both families" },
	{ IN_RULE, "ports", SCHEMA_PORTS, SHAPE_ARRAY, .min = 1, .max = 65535,
	  .help = "ports of who is asked, with tcp, udp and sctp; without it any" },
	{ IN_RULE, "action", SCHEMA_WORD, .words = action_words, .required = true,
	  .help = "deny gives EPERM, reject ECONNREFUSED" },
	{ IN_RULE, "mode", SCHEMA_WORD, .words = policy_mode_words,
	  .help = "of this rule; without it the policy's" },

	{ IN_SOCKETS, "group", SCHEMA_NAME, .required = true, .help = "whose sockets" },
	{ IN_SOCKETS, "deny", SCHEMA_WORD, SHAPE_ARRAY, .words = socket_words,
	  .help = "what it may not make; other: what is left of the IP families" },
	{ IN_SOCKETS, "bind", SCHEMA_BIND, SHAPE_ARRAY, .min = 1, .max = 65535,
	  .help = "what it may bind to and nothing else; without it all" },
	{ IN_SOCKETS, "mode", SCHEMA_WORD, .words = policy_mode_words,
	  .help = "of this entry; without it the policy's" },

	{ IN_POLICY_TCP, "group", SCHEMA_NAME, .required = true, .help = "whose connections" },
	{ IN_POLICY_TCP, "congestion", SCHEMA_TOKEN, .max = CONGESTION_BYTES_MAX,
	  .help = "congestion control as the kernel names it, or adaptive" },
	{ IN_POLICY_TCP, "initial_window", SCHEMA_INTEGER, .min = 1, .max = 1000,
	  .help = "segments that are sent before the first answer" },
	{ IN_POLICY_TCP, "min_rto", SCHEMA_TIME, .min = 1, .max = 200,
	  .help = "least time before something is sent again; 200ms is Linux's own" },
	{ IN_POLICY_TCP, "pacing", SCHEMA_RATE, .min = 1000, .max = INT64_C(1000000000000),
	  .help = "most of a connection" },

	{ IN_FLOWS, "interval", SCHEMA_TIME, .min = SECONDS(1), .max = HOURS(1), .fallback = "5s",
	  .help = "how often sizes of messages are summed up and points exported" },
	{ IN_FLOWS, "idle", SCHEMA_TIME, .min = SECONDS(5), .max = HOURS(1), .fallback = "30s",
	  .help = "silence after which datagrams are another flow" },
	{ IN_FLOWS, "records", SCHEMA_POWER, .min = 1024, .max = 1048576,
	  .fallback = AS_TEXT(CONFIG_FLOW_RECORDS),
	  .help = "flows that live or ended just now; what does not fit is counted as other" },
	{ IN_FLOWS, "keep", SCHEMA_INTEGER, .max = 1048576, .fallback = AS_TEXT(CONFIG_FLOW_KEEP),
	  .help = "flows that ended and are remembered, for lbctl flows --since" },
	{ IN_FLOWS, "cgroups", SCHEMA_CGROUP, SHAPE_ARRAY,
	  .help = "where flows are seen, what is below included; without it everywhere" },
	{ IN_FLOWS, "influxdb", SCHEMA_URL,
	  .help = "where points are posted to: /write of InfluxDB 1.x or /api/v2/write of 2.x" },
	{ IN_FLOWS, "influxdb_token", SCHEMA_PATH, .max = PATH_BYTES_MAX,
	  .help = "file with the token of InfluxDB 2.x" },
};

const size_t schema_key_count = sizeof(schema_keys) / sizeof(schema_keys[0]);

const struct schema_key *schema_find(unsigned int in, const char *name)
{
	for (size_t i = 0; i < schema_key_count; i++)
		if ((schema_keys[i].in & in) && !strcmp(schema_keys[i].name, name))
			return &schema_keys[i];
	return NULL;
}

const char *config_forward_name(enum config_forward forward)
{
	return forward_words[forward].word;
}

const char *config_protocol_name(enum config_protocol protocol)
{
	return protocol_words[protocol].word;
}

const char *config_state_name(enum config_state state)
{
	return state_words[state].word;
}

const char *config_mode_name(enum config_mode mode)
{
	return mode_words[mode].word;
}
