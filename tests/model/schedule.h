/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Schedules: what happens to a world, event after event. An event means something whatever went
 * before it, so that any part of a schedule is a schedule too: that is what shrinking needs. As
 * text, a schedule is a case file of tests/model/cases/: the setup, then an event a line. */
#ifndef TESTS_MODEL_SCHEDULE_H
#define TESTS_MODEL_SCHEDULE_H

#include <stdio.h>

#include "tests/model/world.h"

/* Name, word, what it does. Its numbers are subject, value and late; those not named are 0. A late
 * packet reads its slot's word now and acts on it `late` events later. */
#define EVENTS(X)                                                                                 \
	X(TICK, "tick", "time: value ticks")                                                      \
	X(OPEN, "open", "client subject: a SYN with ISN value, or a first datagram; late")        \
	X(SEND, "send", "client subject: what comes next, the last ACK or value bytes; late")     \
	X(AGAIN, "again", "client subject: its SYN once more; late")                              \
	X(END, "end", "client subject: FIN, or RST where value is 1; late")                       \
	X(FORGE_ACK, "forge-ack", "an ACK of nobody's, from source value")                        \
	X(PAIR, "pair", "a SYN and its ACK of nobody's, from source value")                       \
	X(FLOOD, "flood", "subject SYNs of nobody's, from sources made of value")                 \
	X(BLIND_SYN, "blind-syn", "a forged SYN in the name of client subject, ISN made of value") \
	X(WEIGHT, "weight", "backend subject has weight value")                                   \
	X(UP, "up", "backend subject is enabled")                                                 \
	X(DRAIN, "drain", "backend subject is drained")                                           \
	X(OFF, "off", "backend subject is switched off")                                          \
	X(ILL, "ill", "backend subject fails its check and goes on serving")                      \
	X(WELL, "well", "backend subject passes its check")                                       \
	X(LOSE, "lose", "backend subject is gone: container, link or neighbour")                  \
	X(RETURN, "return", "backend subject is back")                                            \
	X(REMOVE, "remove", "backend subject leaves the config")                                  \
	X(ADD, "add", "backend subject is in the config")                                         \
	X(SECOND, "second", "the daemon settles slots and ends drains")                           \
	X(RESTART, "restart", "the daemon is killed and starts anew")

#define EVENT_ENUM(name, word, text) EVENT_##name,
enum event_kind { EVENTS(EVENT_ENUM) EVENT_KINDS };
#undef EVENT_ENUM

struct event {
	uint8_t kind, late;
	uint16_t subject;
	uint32_t value;
};

struct schedule {
	struct setup setup;
	struct event *events;
	size_t count, room;
};

#define AMPLE_BUCKETS 65536	/* from here on every handshake is promised, too */

static inline bool is_ample(const struct setup *setup)
{
	return setup->buckets >= AMPLE_BUCKETS;
}

void schedule_add(struct schedule *schedule, struct event event);
void schedule_clear(struct schedule *schedule);

/* A schedule of about `steps` events, from a seed alone. A flood meets tables that are far too
 * small. */
void schedule_random(struct schedule *schedule, uint64_t seed, bool flood, size_t steps);

void schedule_print(const struct schedule *schedule, FILE *to);

/* Reads a case file. Returns 0, or the number of the line that is not understood. */
int schedule_read(struct schedule *schedule, FILE *from);

/* Small, quick and the same everywhere: the generator of SplitMix64 (Steele, Lea, Flood). */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
	return (random_next(state) >> 32) * limit >> 32;
}

#endif
