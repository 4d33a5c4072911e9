/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vocabulary of lb.conf as one table: which key stands where, what it takes, what it is where
 * the file says nothing, and whether the part behind it is built. A new key is a row here, a field
 * in config.h and a line in build.c; a part that gets built loses its `later` here. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Where a key may stand, and the groups that a key opens; a set of bits. */
enum schema_place {
	IN_FILE = 1 << 0,
	IN_INTERFACE = 1 << 1,
	IN_DEFAULTS = 1 << 2,
	IN_SERVICE = 1 << 3,
	IN_BACKEND = 1 << 4,
	IN_CHECK = 1 << 5,
	IN_API = 1 << 6,
	IN_TUNING = 1 << 7,
	IN_CONTAINERS = 1 << 8,
	IN_POLICY = 1 << 9,
	IN_GROUP = 1 << 10,
	IN_RULE = 1 << 11,
	IN_SOCKETS = 1 << 12,
	IN_POLICY_TCP = 1 << 13,
	IN_FLOWS = 1 << 14,
};

enum schema_type {
	SCHEMA_INTEGER,	/* min to max */
	SCHEMA_BOOL,
	SCHEMA_WORD,	/* one of words; its index is the value of the enum in config.h */
	SCHEMA_NUMBERED, /* one of words, for its number, or an integer, min to max */
	SCHEMA_TIME,	/* min to max, in milliseconds */
	SCHEMA_RATE,	/* min to max, in bits a second */
	SCHEMA_RING,	/* "auto" (0) or a prime, min to max */
	SCHEMA_POWER,	/* a power of two, min to max */
	SCHEMA_NAME,	/* of a service or backend */
	SCHEMA_IFNAME,	/* of an interface */
	SCHEMA_STRING,	/* anything but "" */
	SCHEMA_TOKEN,	/* printable, without blanks, at most max bytes */
	SCHEMA_PATH,	/* absolute, at most max bytes */
	SCHEMA_URLPATH,	/* what a request of HTTP asks for */
	SCHEMA_HOST,	/* what a request of HTTP says of whom it asks */
	SCHEMA_URL,	/* of http or https */
	SCHEMA_STATUS,	/* a status of HTTP or a range of them */
	SCHEMA_LISTEN,	/* "ADDRESS:PORT" */
	SCHEMA_MAC,	/* of one station */
	SCHEMA_ADDRESS,
	SCHEMA_PREFIX,	/* an address, or one with the length of a prefix */
	SCHEMA_PORTS,	/* an integer, or a string with one or a range */
	SCHEMA_BIND,	/* ports, an address or prefix, or both */
	SCHEMA_CONTAINER,	/* a container's name */
	SCHEMA_CONTAINERS,	/* a pattern of such names */
	SCHEMA_LABEL,		/* of containers */
	SCHEMA_CGROUP,		/* a cgroup's path */
	SCHEMA_CGROUPS,		/* a pattern of such paths */
	SCHEMA_NETNS,		/* a name, a path or a container's */
	SCHEMA_INITIATOR,	/* a party to a rule */
	SCHEMA_RESPONDER,	/* the same, or a service */
	SCHEMA_GROUP,	/* { } of the keys in `opens` */
	SCHEMA_LIST,	/* ( ) of such groups */
	SCHEMA_UNREAD,	/* LATER whatever it holds: its own shape comes with its part */
};

enum schema_shape {
	SHAPE_ONE,
	SHAPE_ARRAY,		/* [ ] of the type */
	SHAPE_ONE_OR_PAIR,	/* the type, or [ ] with one of each address family */
};

/* What cross checks must not conclude from, once the key's value was refused. */
enum schema_flaw {
	FLAW_NAME = 1 << 0,
	FLAW_VIPS = 1 << 1,
	FLAW_PROTOCOL = 1 << 2,
	FLAW_PORTS = 1 << 3,
	FLAW_FORWARD = 1 << 4,
	FLAW_RING = 1 << 5,
	FLAW_BACKENDS = 1 << 6,	/* which there are, and their addresses */
	FLAW_PORT = 1 << 7,
	FLAW_ENCAP = 1 << 8,	/* encap_source */
	FLAW_GROUPS = 1 << 9,	/* which there are, by name; of policy alone */
};

struct schema_word {
	const char *word;	/* NULL ends the list */
	bool later;
	int number;		/* of SCHEMA_NUMBERED: what the word stands for */
	const char *beyond;	/* why it is never taken; such words stand last. NULL: it is */
};

struct schema_key {
	unsigned int in;
	const char *name;
	enum schema_type type;
	enum schema_shape shape;
	int64_t min, max;
	const struct schema_word *words;
	const char *fallback;	/* as the file would say it; NULL: none */
	bool required;
	bool later;		/* not built yet */
	unsigned int opens;	/* groups and lists: the place inside */
	unsigned int flaw;	/* what a refused value spoils; 0: nothing */
	const char *help;
};

extern const struct schema_key schema_keys[];
extern const size_t schema_key_count;

/* NULL where the place has no such key. */
const struct schema_key *schema_find(unsigned int in, const char *name);

/* The key of the place that somebody may have meant; NULL: none is near. */
const char *schema_nearest_key(unsigned int in, const char *typed);
const char *schema_nearest_word(const struct schema_word *words, const char *typed);

/* The table as Markdown, one row a key, for the documentation. */
void schema_print(FILE *to);

#endif
