/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of schema.h and the words of its enums. The order of words is that of the enums in
 * config.h. vet.c judges a file by it, build.c takes its fallbacks, schema_print() documents it. */
#include "config/schema.h"

#include <string.h>

#include "config/config.h"

#define LATER true

/* As texts, for a fallback is written as the file would write it. */
#define TEXT_OF(number) #number
#define AS_TEXT(number) TEXT_OF(number)

#define SECONDS(n)	((n) * INT64_C(1000))
#define HOURS(n)	((n) * INT64_C(3600000))
#define SOCKET_PATH_MAX	107	/* sun_path without its NUL, unix(7) */
#define PATH_BYTES_MAX	4095	/* PATH_MAX without its NUL */
#define MAX_SLOTS_MAX	268435456 /* 2 GB of slots */

static const struct schema_word mode_words[] = {
	{ .word = "auto" }, { .word = "native" }, { .word = "generic" }, { 0 },
};
static const struct schema_word protocol_words[] = {
	{ .word = "tcp" }, { .word = "udp" }, { "quic", LATER }, { 0 },
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
	{ "https", LATER }, { "dns", LATER }, { "exec", LATER }, { 0 },
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
	{ IN_FILE, "policy", SCHEMA_UNREAD, .later = true,
	  .help = "which container may talk to whom" },
	{ IN_FILE, "flows", SCHEMA_UNREAD, .later = true, .help = "who talked to whom" },
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
	{ OF_BACKEND, "container", SCHEMA_STRING, .later = true, .flaw = FLAW_BACKENDS,
	  .help = "container to take the address from" },
	{ OF_BACKEND, "label", SCHEMA_STRING, .later = true, .flaw = FLAW_BACKENDS,
	  .help = "every container with the label" },
	{ OF_BACKEND, "network", SCHEMA_STRING, .later = true, .flaw = FLAW_BACKENDS,
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
	  .fallback = "/var/run/docker.sock", .later = true,
	  .help = "the runtime's API" },
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
