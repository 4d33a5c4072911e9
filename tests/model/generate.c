/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random schedules, from a seed alone. What becomes of a flow is not known here, so clients are
 * guessed to be alive for a while after they opened. */
#include <string.h>

#include "tests/model/schedule.h"

#define TURNS_MAX 4		/* events until a client sends its last ACK */
#define RECENT 32		/* clients that are guessed to be alive */

struct generator {
	struct schedule *schedule;
	uint64_t random;
	bool flood;
	struct {
		struct event event;
		unsigned int left; /* 0: none */
	} next[16];		/* events to come */
	uint16_t recent[RECENT];
	uint32_t recents;	/* ever */
	bool out[BACKENDS];	/* takes no new flows, or none at all */
};

static uint32_t below(struct generator *g, uint32_t limit)
{
	return random_below(&g->random, limit);
}

static bool chance(struct generator *g, uint32_t per_mille)
{
	return below(g, 1000) < per_mille;
}

static uint8_t lateness(struct generator *g)
{
	return chance(g, 500) ? 1 + below(g, 3) : 0;
}

static void add(struct generator *g, enum event_kind kind, uint16_t subject, uint32_t value,
		uint8_t late)
{
	schedule_add(g->schedule, (struct event){ kind, late, subject, value });
}

static void add_soon(struct generator *g, enum event_kind kind, uint16_t subject, uint8_t late)
{
	for (size_t i = 0; i < sizeof(g->next) / sizeof(g->next[0]); i++) {
		if (g->next[i].left)
			continue;
		g->next[i].event = (struct event){ kind, late, subject, 0 };
		g->next[i].left = late + 1 + below(g, TURNS_MAX);
		return;
	}
}

static void soon_come(struct generator *g)
{
	for (size_t i = 0; i < sizeof(g->next) / sizeof(g->next[0]); i++) {
		if (!g->next[i].left)
			continue;
		g->next[i].left--;
		if (!g->next[i].left)
			schedule_add(g->schedule, g->next[i].event);
	}
}

static uint16_t recent(struct generator *g)
{
	uint32_t count = g->recents < RECENT ? g->recents : RECENT;

	return count ? g->recent[below(g, count)] : 0;
}

/* Some handshakes are never finished. UDP is promised nothing where the tables are too small. */
static void open_add(struct generator *g)
{
	uint16_t client = below(g, g->flood ? TCP_CLIENTS : CLIENTS);
	uint8_t late = lateness(g);

	add(g, EVENT_OPEN, client, below(g, UINT32_MAX), late);
	g->recent[g->recents++ % RECENT] = client;
	if (chance(g, 50))
		add_soon(g, EVENT_AGAIN, client, late);
	if (chance(g, 900))
		add_soon(g, EVENT_SEND, client, lateness(g));
}

static void attack_add(struct generator *g)
{
	if (g->flood) {
		add(g, EVENT_FLOOD, 3, below(g, UINT32_MAX), 0);
		if (chance(g, 500))
			add(g, EVENT_PAIR, 0, below(g, UINT32_MAX), 0);
		if (chance(g, 30))
			add(g, EVENT_BLIND_SYN, recent(g), below(g, UINT32_MAX), 0);
		return;
	}
	if (chance(g, 20))
		add(g, EVENT_FORGE_ACK + below(g, 2), 0, below(g, UINT32_MAX), 0);
	if (chance(g, 10))
		add(g, EVENT_FLOOD, 2, below(g, UINT32_MAX), 0);
	if (chance(g, 10))
		add(g, EVENT_BLIND_SYN, recent(g), below(g, UINT32_MAX), 0);
}

/* A backend goes out of use in one of the ways there are, or comes back in all of them. */
static void backend_add(struct generator *g)
{
	static const enum event_kind ways[] = { EVENT_DRAIN, EVENT_DRAIN, EVENT_ILL, EVENT_ILL,
						EVENT_ILL, EVENT_LOSE, EVENT_OFF, EVENT_REMOVE };
	static const enum event_kind back[] = { EVENT_UP, EVENT_WELL, EVENT_RETURN, EVENT_ADD };
	uint16_t backend = below(g, BACKENDS);
	enum event_kind kind;
	unsigned int out = 0;

	if (chance(g, 350)) {
		add(g, EVENT_WEIGHT, backend, chance(g, 100) ? 0 : 1 + below(g, 200), 0);
		return;
	}
	for (int i = 0; i < BACKENDS; i++)
		out += g->out[i];
	if (!g->out[backend] && (out < BACKENDS - 2 || chance(g, 100))) {
		kind = ways[below(g, 8)];
		/* A removal waits for the kernel: not too often. */
		if (kind == EVENT_REMOVE && chance(g, 700))
			kind = EVENT_LOSE;
		add(g, kind, backend, 0, 0);
		g->out[backend] = true;
		return;
	}
	if (!g->out[backend])
		return;
	for (int i = 0; i < 4; i++)
		add(g, back[i], backend, 0, 0);
	g->out[backend] = false;
}

static void step_add(struct generator *g)
{
	uint32_t dice = below(g, 1000);

	if (chance(g, 450))
		add(g, EVENT_TICK, 0, 1 + below(g, 2), 0);
	if (chance(g, 1))
		add(g, EVENT_TICK, 0, 10 + below(g, 40000), 0);
	soon_come(g);
	attack_add(g);
	if (dice < 40)
		backend_add(g);
	else if (dice < 240)
		open_add(g);
	else if (dice < 860)
		add(g, EVENT_SEND, recent(g), 1 + below(g, 1400), lateness(g));
	else if (dice < 890)
		add(g, EVENT_END, recent(g), below(g, 2), lateness(g));
	else if (dice < 988)
		add(g, EVENT_SECOND, 0, 0, 0);
	else if (dice < 991)
		add(g, EVENT_RESTART, 0, 0, 0);
}

void schedule_random(struct schedule *schedule, uint64_t seed, bool flood, size_t steps)
{
	static const uint32_t rings[] = { 7, 7, 31, 127 };
	static const uint32_t small[] = { 1, 4, 4, 16 };
	struct generator g = { .schedule = schedule, .random = seed, .flood = flood };

	schedule_clear(schedule);
	schedule->setup = (struct setup){
		.ring = rings[below(&g, 4)],
		.idle = chance(&g, 750) ? 60 : 200,
		.buckets = flood ? small[below(&g, 4)] : AMPLE_BUCKETS,
		/* Some wrap, in 32 bits or in the 15 of a record. */
		.clock = chance(&g, 300) ? -below(&g, 1000) : below(&g, 1 << 20),
	};
	for (size_t i = 0; i < steps; i++)
		step_add(&g);
}
