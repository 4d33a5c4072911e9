/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb.conf as values. config_load() is the only maker: what stands here has passed every check
 * that needs no kernel and no network, so nobody behind it checks again. Times are milliseconds,
 * sizes bytes, shares hundredths of a percent; ports are in host order. A line is that of the file
 * in which the object stands, which an @include can make another one than config->file. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"
#include "config/diag.h"

#define CONFIG_VERSION		1
#define CONFIG_NAME_MAX		64	/* bytes of a name, with the final NUL */
#define CONFIG_WEIGHT_MAX	65535
#define CONFIG_SERVICES_MAX	4095
#define CONFIG_BACKENDS_MAX	32767	/* over all services; a backend counts once a family */
#define CONFIG_VIP_PORTS_MAX	32768	/* vip:port pairs, ranges expanded, over all services */
#define CONFIG_RING_MIN		1021	/* slots of an automatic ring at the least */
#define CONFIG_RING_PER_BACKEND	100	/* slots an automatic ring has for each backend */
#define CONFIG_RING_MAX		16777213 /* the largest prime below 2^24 */
#define CONFIG_MAX_SLOTS	4194304	/* tuning.max_slots where the file says nothing */

enum config_mode { CONFIG_MODE_AUTO, CONFIG_MODE_NATIVE, CONFIG_MODE_GENERIC };
enum config_protocol { CONFIG_TCP, CONFIG_UDP, CONFIG_QUIC };
enum config_forward { CONFIG_NAT, CONFIG_DSR, CONFIG_IPIP, CONFIG_GUE };
enum config_hash { CONFIG_HASH_5TUPLE, CONFIG_HASH_SOURCE };
enum config_track { CONFIG_TRACK_MOVES, CONFIG_TRACK_ALWAYS };
enum config_when_down { CONFIG_DOWN_DROP, CONFIG_DOWN_REJECT, CONFIG_DOWN_ALL };
enum config_on_down { CONFIG_KEEP, CONFIG_CUT };
enum config_state { CONFIG_UP, CONFIG_DRAIN, CONFIG_OFF };
enum config_check_type { CONFIG_CHECK_NONE, CONFIG_CHECK_TCP, CONFIG_CHECK_HTTP };

struct config_interface {
	char *name;
	enum config_mode mode;
	bool optional;	/* may be absent; then attached when it comes */
	int line;
};

struct config_check {
	enum config_check_type type;
	unsigned int every_ms, timeout_ms;
	unsigned int fall, rise;		/* consecutive results */
	char *path, *host;			/* http; host NULL: its address and port */
	unsigned int expect_min, expect_max;	/* http: statuses that are well */
};

struct config_ports {
	uint16_t first, last;	/* inclusive; {0, 0} is "any port" */
	int line;
};

struct config_backend {
	char *name;		/* without the service's */
	struct addr address[2];	/* [0] IPv4, [1] IPv6 */
	bool has_address[2];
	uint16_t port;		/* 0: a packet keeps its port */
	enum config_forward forward;
	uint32_t weight;	/* 0 to CONFIG_WEIGHT_MAX */
	enum config_state state;
	bool backup;
	uint64_t drain_ms, slow_start_ms;
	struct config_check check;
	char *container, *label;	/* where its address comes from instead; NULL: not */
	char *network;			/* of that container; NULL: the only one it has */
	char *trouble;			/* why it has no address now; NULL: it has, or is not
					 * resolved (lb/model/resolve.h). Never from a file */
	bool has_mac;		/* mac and interface name the next hop instead of looking it up */
	unsigned char mac[6];
	char *interface;	/* NULL: looked up */
	int line;
};

struct config_service {
	char *name;
	struct addr *vips;		/* in the file's order */
	size_t vip_count;
	enum config_protocol protocol;
	struct config_ports *ports;	/* count 0 or one {0, 0}: never; any port is one {0, 0} */
	size_t port_count;
	enum config_forward forward;	/* the default of its backends */
	enum config_hash hash;
	uint16_t mss;			/* 0: SYNs stay as they are */
	struct prefix encap_source[2];	/* [0] IPv4, [1] IPv6: of outer packets */
	bool has_encap_source[2];
	enum config_track track;
	uint32_t ring_size;		/* 0: auto */
	unsigned int min_up;
	enum config_when_down when_down;
	enum config_on_down on_down;
	uint64_t idle_timeout_ms;
	struct config_backend *backends;
	size_t backend_count;
	int line;
};

/* ---- policy ---------------------------------------------------------------------------------- */

#define CONFIG_GROUPS_MAX	256
#define CONFIG_RULES_MAX	2048
#define CONFIG_SOCKETS_MAX	256	/* entries of policy.sockets */
#define CONFIG_POLICY_TCP_MAX	64	/* entries of policy.tcp */
#define CONFIG_BINDS_MAX	32	/* of an entry of policy.sockets */
#define CONFIG_NETNS_CONTAINER	"container:"	/* before a container's name: its namespace */
#define CONFIG_PARTY_SERVICE	"service:"	/* before a service's name: a party to rules */

enum config_group_kind {
	CONFIG_GROUP_CONTAINER,	/* pattern of its name; "*" matches anything but "/" */
	CONFIG_GROUP_LABEL,	/* "key=value", or "key" for any value */
	CONFIG_GROUP_CGROUP,	/* pattern of a path below the root; what is below it belongs too */
	CONFIG_GROUP_NETNS,	/* a name under /run/netns, a path, or "container:NAME" */
	CONFIG_GROUP_CIDR,	/* addresses: a party to rules, and nothing is enforced on it */
};

struct config_group {
	char *name;
	enum config_group_kind kind;
	char *pattern;			/* NULL for CIDR */
	struct prefix *cidr;
	size_t cidr_count;
	int line;
};

enum config_party_kind { CONFIG_ANY, CONFIG_GROUP, CONFIG_CIDR, CONFIG_SERVICE };

struct config_party {
	enum config_party_kind kind;
	size_t index;			/* of the group or service */
	struct prefix cidr;
};

enum config_action { CONFIG_ALLOW, CONFIG_DENY, CONFIG_REJECT };

#define CONFIG_PROTOCOL_ANY	(-1)

struct config_rule {
	struct config_party from, to;
	int protocol;			/* IPPROTO_*, "icmp" is IPPROTO_ICMP and stands for both
					 * families; or CONFIG_PROTOCOL_ANY */
	struct config_ports *ports;	/* of the responder; count 0: any */
	size_t port_count;
	enum config_action action;
	bool audit;			/* passes, and is told; from the policy's mode where it says
					 * none of its own */
	char *file;			/* in which it stands */
	int line;
};

/* Of config_sockets.deny: the order of POLICY_SOCKET_* in policy/policy_abi.h. */
enum config_socket {
	CONFIG_SOCKET_RAW, CONFIG_SOCKET_PACKET, CONFIG_SOCKET_PING, CONFIG_SOCKET_MPTCP,
	CONFIG_SOCKET_SCTP, CONFIG_SOCKET_TCP, CONFIG_SOCKET_UDP, CONFIG_SOCKET_IPV4,
	CONFIG_SOCKET_IPV6, CONFIG_SOCKET_OTHER,
};

/* "8080", "8080-8089", "ADDRESS", "ADDRESS:PORTS" or "[ADDRESS]:PORTS". */
struct config_bind {
	struct prefix address;		/* length 0: any; a prefix may stand for ADDRESS */
	uint16_t first, last;		/* 0 to 65535: any port */
};

struct config_sockets {
	size_t group;
	uint32_t deny;			/* bits 1 << enum config_socket */
	struct config_bind *binds;	/* count 0: any bind is allowed */
	size_t bind_count;
	bool audit;
	char *file;
	int line;
};

struct config_policy_tcp {
	size_t group;
	char *congestion;		/* NULL: as the system has it; "adaptive" */
	uint32_t initial_window;	/* segments; 0: as the system has it */
	uint32_t min_rto_us;		/* 0: as the system has it */
	uint64_t pacing;		/* bits a second; 0: none */
	int line;
};

struct config_policy {
	bool audit;			/* mode = "audit" */
	bool deny;			/* default = "deny" */
	struct config_group *groups;
	size_t group_count;
	struct config_rule *rules;
	size_t rule_count;
	struct config_sockets *sockets;
	size_t socket_count;
	struct config_policy_tcp *tcp;
	size_t tcp_count;
};

/* ---- flows ----------------------------------------------------------------------------------- */

#define CONFIG_FLOW_RECORDS	65536	/* flows.records where the file says nothing */
#define CONFIG_FLOW_KEEP	65536	/* flows.keep likewise */
#define CONFIG_FLOW_CGROUPS_MAX	64	/* entries of flows.cgroups */

/* Who talks to whom. */
struct config_flows {
	unsigned int interval_ms;	/* of sizes and of what is exported */
	unsigned int idle_ms;		/* silence after which datagrams are another flow */
	uint32_t records;		/* flows that live or were not read yet; a power of two */
	uint32_t keep;			/* flows that ended, for "lbctl flows --since" */
	char **cgroups;			/* paths below the root ("docker"), none below another;
					 * none at all: everywhere */
	size_t cgroup_count;
	char *influxdb;			/* URL that lines are posted to, with its secrets (see
					 * url_public()); NULL: none */
	char *influxdb_token;		/* file with the token of 2.x; NULL: none */
	int line;
};

struct config {
	char *file;		/* as it was given */
	bool includes;		/* it has an @include: other files are part of it */
	struct config_interface *interfaces;
	size_t interface_count;
	struct config_service *services;
	size_t service_count;
	struct config_policy *policy;	/* NULL: none */
	struct config_flows *flows;	/* NULL: none are seen */
	char *runtime_socket;	/* of the containers' API; never NULL */
	char *api_socket;	/* NULL: not in the file */
	char *api_http;		/* "ADDRESS:PORT"; NULL: none */
	char *tuning_pin;	/* NULL: not in the file */
	bool exclusive;		/* without libxdp's dispatcher */
	char *hash_seed;	/* NULL: not in the file */
	uint32_t max_slots;
};

/* Reads and checks lb.conf. `name` is the file as the user wrote it, for messages. On failure
 * every error is in diag and *ret_config is untouched.
 * Returns 0; -ENOENT, -EACCES or another errno of open(2); -EINVAL for what the file says. */
int config_load(const char *name, struct config **ret_config, struct diag *diag);

/* The same for the text of that file, read already: what it includes is looked for beside it. */
int config_load_read(const char *name, const char *text, struct config **ret_config,
		     struct diag *diag);

/* The same for text that is of no file; it takes no @include. */
int config_load_text(const char *name, const char *text, struct config **ret_config,
		     struct diag *diag);

void config_free(struct config *config); /* NULL is fine */

static inline void config_freep(struct config **config)
{
	config_free(*config);
}
#define _cleanup_config_ __attribute__((cleanup(config_freep)))

/* Words of the enums above, as lb.conf spells them. */
const char *config_forward_name(enum config_forward forward);
const char *config_protocol_name(enum config_protocol protocol);
const char *config_state_name(enum config_state state);
const char *config_mode_name(enum config_mode mode);

/* The number of slots of a ring over `backends` rows: ring_size, or for 0 the smallest prime at
 * least CONFIG_RING_PER_BACKEND * backends and at least CONFIG_RING_MIN. */
uint32_t config_ring_slots(uint32_t ring_size, size_t backends);

#endif
