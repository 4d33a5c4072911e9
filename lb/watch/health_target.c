/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One target: when it is checked, and what its results make of it. Called by health.c.
 *
 * A target has its own place in the interval, from the hash of its names: it is checked at the
 * moments of the monotonic clock that are that far into an interval, so thousands are spread
 * evenly, and neither a slow check nor a late timer moves the others. Only the first check does
 * not wait for the place: it comes within FIRST_MS. A moment that passes while a check is on its
 * way, or waits for one of the running ones to end, is skipped.
 *
 * A result counts if the backend made it. A check that this host could not make is none, and
 * time in which the loop stood still is not taken from the backend's. */
#include "lb/watch/health_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lb/model/siphash.h"

#define FIRST_MS 150	/* new targets are begun within it: soon, but not thousands at once */
#define LATE_MS	 20	/* a timer later than this was kept by the loop, not by its grain */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void timer_set(struct target *target, int64_t at_ms)
{
	int64_t left = at_ms - now_ms();
	struct timeval wait = { 0 };

	if (left > 0)
		wait = (struct timeval){ .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };
	evtimer_add(target->timer, &wait);
}

/* ---- when ----------------------------------------------------------------------------------- */

/* The same after every restart. */
static uint64_t place_hash(const struct health_target *target)
{
	static const uint64_t key[2] = { 0, 0 };
	char name[2 * CONFIG_NAME_MAX + ADDR_TEXT_MAX], address[ADDR_TEXT_MAX];
	int length = snprintf(name, sizeof(name), "%s/%s %s", target->service, target->backend,
			      addr_format(&target->address, address));

	return siphash(key, name, (size_t)length);
}

static int64_t interval_of(const struct target *target)
{
	return target->wanted.check.every_ms ? target->wanted.check.every_ms : 1;
}

void target_begin(struct target *target)
{
	int64_t window = interval_of(target) < FIRST_MS ? interval_of(target) : FIRST_MS;

	target->due_ms = now_ms() + (int64_t)(target->hash % (uint64_t)window);
	timer_set(target, target->due_ms);
}

/* The first of its moments after now and after the one just served, which a timer may have
 * reached a little early. */
static void await_next(struct target *target)
{
	int64_t every = interval_of(target), now = now_ms();
	int64_t place = (int64_t)(target->hash % (uint64_t)every);
	int64_t after = now > target->due_ms ? now : target->due_ms;

	target->due_ms = after + every - (after - place + every) % every;
	timer_set(target, target->due_ms);
}

/* ---- what results make of it ---------------------------------------------------------------- */

/* Without a result yet, or down: why. An up backend that could not be checked stays up. */
static void explain(struct target *target, const char *reason)
{
	snprintf(target->result.reason, sizeof(target->result.reason), "%s", reason);
}

static void notice_change(struct health *health)
{
	event_active(health->notice, EV_TIMEOUT, 0);
}

static void take_result(struct target *target, bool good, const char *reason)
{
	const struct config_check *check = &target->wanted.check;
	struct health_result *result = &target->result;
	bool changed = false;

	target->judged = true;
	if (!result->known) {
		*result = (struct health_result){ .known = true, .up = good };
		changed = true;
	} else if (good == result->up) {
		target->against = 0;
	} else if (++target->against >= (good ? check->rise : check->fall)) {
		target->against = 0;
		result->up = good;
		changed = true;
	}
	if (result->up)
		explain(target, "");
	else if (!good)
		explain(target, reason);
	if (changed)
		notice_change(target->health);
}

/* ---- one check ------------------------------------------------------------------------------ */

static const struct probe_kind *kind_of(const struct target *target)
{
	return target->wanted.check.type == CONFIG_CHECK_HTTP ? &probe_http : &probe_tcp;
}

static void finish(struct target *target, enum probe_verdict verdict, const char *reason)
{
	target->probe = NULL;
	target->health->running--;
	await_next(target);
	if (verdict != PROBE_NOT_MADE)
		take_result(target, verdict == PROBE_GOOD, reason);
	else if (!target->result.known)
		explain(target, reason);
	health_start_waiting(target->health);
}

static void on_verdict(void *data, enum probe_verdict verdict, const char *reason)
{
	finish(data, verdict, reason);
}

static void start(struct target *target)
{
	const struct probe_request request = {
		.loop = target->health->loop,
		.curl = target->health->curl,
		.target = &target->wanted,
		.done = on_verdict,
		.data = target,
	};

	target->probe = kind_of(target)->start(&request);
	if (!target->probe) { /* no memory: no result, and the next one in its time */
		await_next(target);
		return;
	}
	target->health->running++;
	target->extended = false;
	target->deadline_ms = now_ms() + target->wanted.check.timeout_ms;
	timer_set(target, target->deadline_ms);
}

void health_start_waiting(struct health *health)
{
	struct target *target;

	while (health->running < health->running_max &&
	       (target = TAILQ_FIRST(&health->waiting))) {
		TAILQ_REMOVE(&health->waiting, target, in_waiting);
		target->waiting = false;
		start(target);
	}
}

/* A loop that stood still has not read what came meanwhile: the backend gets that time back,
 * once. */
static void expire(struct target *target)
{
	int64_t now = now_ms(), late = now - target->deadline_ms;

	if (late > LATE_MS && !target->extended) {
		target->extended = true;
		target->deadline_ms = now + late;
		timer_set(target, target->deadline_ms);
		return;
	}
	kind_of(target)->expire(target->probe);
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct target *target = data;

	(void)fd, (void)what;
	if (target->probe) {
		expire(target);
		return;
	}
	target->waiting = true;
	TAILQ_INSERT_TAIL(&target->health->waiting, target, in_waiting);
	health_start_waiting(target->health);
}

/* ---- its life ------------------------------------------------------------------------------- */

static bool copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return !text || *ret_copy;
}

struct target *target_new(struct health *health, const struct health_target *wanted)
{
	struct target *target = calloc(1, sizeof(*target));

	if (!target)
		return NULL;
	target->health = health;
	target->wanted = *wanted;
	target->wanted.check.host = NULL;
	target->hash = place_hash(wanted);
	target->timer = evtimer_new(health->loop, on_timer, target);
	if (!copy_text(wanted->check.path, &target->wanted.check.path) ||
	    !copy_text(wanted->check.host, &target->wanted.check.host) || !target->timer) {
		target_free(target);
		return NULL;
	}
	return target;
}

void target_free(struct target *target)
{
	if (target->waiting)
		TAILQ_REMOVE(&target->health->waiting, target, in_waiting);
	if (target->probe) {
		kind_of(target)->stop(target->probe);
		target->health->running--;
	}
	if (target->timer)
		event_free(target->timer);
	free(target->wanted.check.path);
	free(target->wanted.check.host);
	free(target);
}
