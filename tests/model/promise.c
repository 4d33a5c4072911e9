/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See promise.h. A packet of a client may be late: then it has read its slot's word before what
 * comes between was done, as on a CPU that is slower than the others. Of the places at which two
 * CPUs can meet inside the program this is the one that can be forced from outside; the others are
 * left to test_model_cpus.c and chance. */
#include "tests/model/promise.h"

#include <string.h>

#include "tests/model/fate.h"

#define LATE_TICKS_MAX 3	/* a CPU lags less than LB_MARGIN_TICKS */
#define LATE_MAX 64

enum client_state { CLOSED, OPENING, HALF_OPEN, LIVE };

struct client {
	enum client_state state;
	bool busy;		/* a packet of it is late */
	bool used;		/* somebody has sent a SYN in its name */
	int backend;		/* what it was promised */
	uint32_t lost;		/* how often that one's flows had been lost when it began */
	uint32_t isn, bytes;
	uint64_t last;		/* ticks: its last packet */
	uint32_t silence;	/* ticks that it may be silent */
};

struct late {
	const struct event *event;
	struct packet packet;
	uint64_t word, since;	/* of its slot; ticks */
	unsigned int left;	/* events until it acts */
	uint32_t lost[BACKENDS]; /* when it was read */
};

struct run {
	struct world *world;
	const struct schedule *schedule;
	struct tally *tally;
	struct client clients[CLIENTS];
	struct fate fates[BACKENDS];
	struct late late[LATE_MAX];
	unsigned int late_count;
};

/* ---- verdicts ------------------------------------------------------------------------------- */

static bool anybody_takes_new_flows(const struct run *run)
{
	for (int i = 0; i < BACKENDS; i++)
		if (takes_new_flows(run->world, i))
			return true;
	return false;
}

static void failure_note(struct run *run, const struct event *event, const char *what, int backend,
			 int promised)
{
	if (run->tally->first[0])
		return;
	snprintf(run->tally->first, sizeof(run->tally->first),
		 "event %zu of %zu, client %u: %s: backend %d instead of %d (%d: nobody)",
		 (size_t)(event - run->schedule->events), run->schedule->count, event->subject,
		 what, backend, promised, NOBODY);
}

/* A flow begins where its first packet went. */
static void begin_judge(struct run *run, const struct late *late, int backend)
{
	struct client *client = &run->clients[late->event->subject];
	bool waits = late->left;	/* it acted on what was read before */

	if (!waits && !client->used && !is_udp(late->event->subject)) {
		bool right = backend == NOBODY ? !anybody_takes_new_flows(run)
					       : takes_new_flows(run->world, backend);

		run->tally->fresh++;
		run->tally->misplaced += !right;
		if (!right && is_ample(&run->schedule->setup))
			failure_note(run, late->event, "new flow", backend, NOBODY);
	}
	client->used = true;
	client->state = CLOSED;
	if (backend == NOBODY || run->fates[backend].gone ||
	    run->fates[backend].lost != late->lost[backend])
		return; /* nobody was there to answer */
	client->state = is_udp(late->event->subject) ? LIVE : HALF_OPEN;
	client->backend = backend;
	client->lost = run->fates[backend].lost;
	client->last = run->world->elapsed;
	client->silence = run->schedule->setup.idle;
	client->bytes = 0;
}

static void later_judge(struct run *run, const struct late *late, int backend)
{
	struct client *client = &run->clients[late->event->subject];
	bool live = client->state == LIVE;
	bool slow = !live && run->world->elapsed - client->last > LB_EMBRYONIC_TICKS;

	if (client->lost != run->fates[client->backend].lost) {
		client->state = CLOSED;
		return;
	}
	run->tally->judged += live;
	run->tally->handshakes += !live;
	run->tally->slow += slow;
	if (backend != client->backend) {
		run->tally->moved += live;
		run->tally->broken += !live;
		run->tally->slow_broken += slow;
		if (live || is_ample(&run->schedule->setup))
			failure_note(run, late->event, live ? "established flow" : "handshake",
				     backend, client->backend);
		client->state = CLOSED;
		return;
	}
	client->last = run->world->elapsed;
	client->silence = run->schedule->setup.idle;
	client->state = late->packet.flags & FLAG_RST ? CLOSED : LIVE;
	if (live)
		client->bytes += late->event->value;
	if (late->packet.flags & FLAG_FIN && client->silence > LB_CLOSING_TICKS)
		client->silence = LB_CLOSING_TICKS;
}

static void packet_judge(struct run *run, const struct late *late, int backend)
{
	struct client *client = &run->clients[late->event->subject];

	run->tally->packets++;
	client->busy = false;
	if (client->state == OPENING)
		begin_judge(run, late, backend);
	else
		later_judge(run, late, backend);
}

/* ---- packets -------------------------------------------------------------------------------- */

/* Late packets whose time has come; all of them where time goes on by more than a CPU lags. */
static void late_deliver(struct run *run, uint64_t elapsed)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < run->late_count; i++) {
		struct late late = run->late[i];

		if (--run->late[i].left && elapsed - late.since <= LATE_TICKS_MAX) {
			run->late[kept++] = run->late[i];
			continue;
		}
		packet_judge(run, &late, world_send_late(run->world, &late.packet, late.word));
	}
	run->late_count = kept;
}

static void packet_send(struct run *run, const struct event *event, uint8_t flags, uint32_t seq)
{
	struct late late = { .event = event, .packet = { event->subject, flags, seq },
			     .word = *run->world->slots[event->subject],
			     .since = run->world->elapsed, .left = event->late };

	for (int i = 0; i < BACKENDS; i++)
		late.lost[i] = run->fates[i].lost;
	if (event->late && run->late_count < LATE_MAX) {
		run->clients[event->subject].busy = true;
		run->late[run->late_count++] = late;
		return;
	}
	late.left = 0;
	packet_judge(run, &late, world_send(run->world, &late.packet));
}

static void client_run(struct run *run, const struct event *event)
{
	struct client *client = &run->clients[event->subject];
	uint32_t next = client->isn + 1 + client->bytes;

	if (client->busy)
		return;
	if (client->state != CLOSED && run->world->elapsed - client->last >= client->silence)
		client->state = CLOSED; /* forgotten by everybody */
	if (event->kind == EVENT_OPEN) {
		client->state = OPENING;
		client->isn = event->value;
		packet_send(run, event, FLAG_SYN, event->value);
	} else if (client->state == CLOSED) {
		return;
	} else if (event->kind == EVENT_AGAIN) {
		if (client->state != HALF_OPEN)
			return;
		client->state = OPENING; /* what it was answered before was lost */
		packet_send(run, event, FLAG_SYN, client->isn);
	} else if (event->kind == EVENT_SEND) {
		packet_send(run, event, FLAG_ACK, next);
	} else if (client->state == LIVE && !is_udp(event->subject)) {
		packet_send(run, event, FLAG_ACK | (event->value & 1 ? FLAG_RST : FLAG_FIN), next);
	}
}

static void nobody_send(struct run *run, uint32_t source, uint8_t flags, uint32_t seq)
{
	world_send(run->world, &(struct packet){ source, flags, seq });
	run->tally->packets++;
	run->tally->forged++;
}

/* Sources that no client has. */
static uint32_t nobody_of(uint32_t value)
{
	return value | 0x80000000;
}

static void attacker_run(struct run *run, const struct event *event)
{
	const struct client *client = &run->clients[event->subject % CLIENTS];
	uint64_t random = event->value;
	uint32_t isn = random_next(&random);

	switch (event->kind) {
	case EVENT_FORGE_ACK:
		nobody_send(run, nobody_of(event->value), FLAG_ACK, isn);
		break;
	case EVENT_PAIR:
		nobody_send(run, nobody_of(event->value), FLAG_SYN, isn);
		nobody_send(run, nobody_of(event->value), FLAG_ACK, isn + 1);
		break;
	case EVENT_FLOOD:
		for (int i = 0; i < event->subject; i++)
			nobody_send(run, nobody_of(random_next(&random)), FLAG_SYN, isn + i);
		break;
	default:
		/* Left out: whoever guesses the sequence number to within 64 kB (one in 65,536),
		 * and handshakes: a SYN that takes the place of a SYN is no attack. */
		if (client->state != LIVE || is_udp(event->subject))
			break;
		isn = client->isn + 0x10000000 + isn % 0xc0000000;
		nobody_send(run, event->subject, FLAG_SYN, isn);
	}
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void member_run(struct run *run, const struct event *event)
{
	struct member *member = &run->world->members[event->subject];

	switch (event->kind) {
	case EVENT_WEIGHT:
		member->weight = event->value % (CONFIG_WEIGHT_MAX + 1);
		break;
	case EVENT_UP:
		member->admin = CONFIG_UP;
		break;
	case EVENT_DRAIN:
		member->admin = CONFIG_DRAIN;
		break;
	case EVENT_OFF:
		member->admin = CONFIG_OFF;
		break;
	case EVENT_ILL:
	case EVENT_WELL:
		member->ill = event->kind == EVENT_ILL;
		break;
	case EVENT_LOSE:
	case EVENT_RETURN:
		member->has_hop = event->kind == EVENT_RETURN;
		break;
	default:
		member->present = event->kind == EVENT_ADD;
	}
	fates_lose(run->fates, run->world);
	world_reconcile(run->world);
	fates_regain(run->fates, run->world);
}

static void daemon_run(struct run *run, const struct event *event)
{
	fates_lose(run->fates, run->world);
	world_second(run->world);
	if (event->kind == EVENT_SECOND)
		return;
	run->tally->restarts++;
	if (!world_restart(run->world))
		return;
	run->tally->replanned++;
	failure_note(run, event, "a restart finds something to do", NOBODY, NOBODY);
}

static void event_run(struct run *run, const struct event *event)
{
	if (event->kind == EVENT_TICK) {
		late_deliver(run, run->world->elapsed + event->value);
		world_tick(run->world, event->value);
		return;
	}
	late_deliver(run, run->world->elapsed);
	if (event->kind <= EVENT_END)
		client_run(run, event);
	else if (event->kind <= EVENT_BLIND_SYN)
		attacker_run(run, event);
	else if (event->kind <= EVENT_ADD)
		member_run(run, event);
	else
		daemon_run(run, event);
}

void schedule_run(struct world *world, const struct schedule *schedule, struct tally *ret_tally)
{
	static struct run run;

	memset(&run, 0, sizeof(run));
	memset(ret_tally, 0, sizeof(*ret_tally));
	run.world = world;
	run.schedule = schedule;
	run.tally = ret_tally;
	world_reset(world, &schedule->setup);
	for (size_t i = 0; i < schedule->count; i++)
		event_run(&run, &schedule->events[i]);
}

bool tally_failed(const struct tally *tally, const struct setup *setup)
{
	return tally->moved || tally->replanned ||
	       (is_ample(setup) && (tally->broken || tally->misplaced));
}

void tally_add(struct tally *sum, const struct tally *tally)
{
	sum->packets += tally->packets;
	sum->forged += tally->forged;
	sum->judged += tally->judged;
	sum->moved += tally->moved;
	sum->handshakes += tally->handshakes;
	sum->broken += tally->broken;
	sum->slow += tally->slow;
	sum->slow_broken += tally->slow_broken;
	sum->fresh += tally->fresh;
	sum->misplaced += tally->misplaced;
	sum->restarts += tally->restarts;
	sum->replanned += tally->replanned;
	if (!sum->first[0])
		memcpy(sum->first, tally->first, sizeof(sum->first));
}
