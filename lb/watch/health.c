/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which targets there are, and what is known of them. The manager gives the whole list whenever
 * it changes, and asks when it makes its wanted state; how a target is checked and counted is
 * health_target.c, how one check is made is health_tcp.c and health_http.c. The rule here: a list
 * takes effect as a whole or not at all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lb/watch/health_private.h"

/* Checks that run at once, at most: half of the descriptors of the process. A check holds one,
 * and one that hangs holds it for its whole timeout; without the limit, thousands of dead
 * backends would leave none for the API's clients and for netlink. The rest wait their turn. */
static size_t running_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return files.rlim_cur < 2 ? 1 : files.rlim_cur / 2;
}

/* One call for all changes of a turn of the loop, and as its last act: `changed` may close us. */
static void on_notice(evutil_socket_t fd, short what, void *data)
{
	const struct health *health = data;

	(void)fd, (void)what;
	health->changed(health->data);
}

int health_open(struct event_base *loop, health_changed *changed, void *data,
		struct health **ret_health)
{
	struct health *health = calloc(1, sizeof(*health));

	if (!health)
		return -ENOMEM;
	health->loop = loop;
	health->changed = changed;
	health->data = data;
	health->running_max = running_limit();
	TAILQ_INIT(&health->waiting);
	health->notice = event_new(loop, -1, 0, on_notice, health);
	if (!health->notice || curl_loop_open(loop, &health->curl)) {
		health_close(health);
		return -ENOMEM;
	}
	*ret_health = health;
	return 0;
}

void health_close(struct health *health)
{
	if (!health)
		return;
	for (size_t i = 0; i < health->target_count; i++)
		target_free(health->targets[i]);
	curl_loop_close(health->curl);
	if (health->notice)
		event_free(health->notice);
	free(health->targets);
	free(health);
}

/* ---- the order of targets ------------------------------------------------------------------- */

static int compare(const struct health_target *a, const struct health_target *b)
{
	int order = strcmp(a->service, b->service);

	if (!order)
		order = strcmp(a->backend, b->backend);
	return order ? order : addr_compare(&a->address, &b->address);
}

static int compare_wanted(const void *a, const void *b)
{
	return compare(*(const struct health_target *const *)a,
		       *(const struct health_target *const *)b);
}

static struct target *find(const struct health *health, const struct health_target *name)
{
	size_t low = 0, high = health->target_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(&health->targets[middle]->wanted, name);

		if (!order)
			return health->targets[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static struct target *find_by_name(const struct health *health, const char *service,
				   const char *backend, const struct addr *address)
{
	struct health_target name = { .address = *address };

	snprintf(name.service, sizeof(name.service), "%s", service);
	snprintf(name.backend, sizeof(name.backend), "%s", backend);
	return find(health, &name);
}

/* ---- a new list ----------------------------------------------------------------------------- */

static bool text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool check_equal(const struct config_check *a, const struct config_check *b)
{
	return a->type == b->type && a->every_ms == b->every_ms &&
	       a->timeout_ms == b->timeout_ms && a->fall == b->fall && a->rise == b->rise &&
	       text_equal(a->path, b->path) && text_equal(a->host, b->host) &&
	       a->expect_min == b->expect_min && a->expect_max == b->expect_max;
}

/* The targets that are to be checked, sorted, each once. */
static size_t sort_wanted(const struct health_target *targets, size_t count,
			  const struct health_target **ret_wanted)
{
	size_t kept = 0, unique = 0;

	for (size_t i = 0; i < count; i++)
		if (targets[i].check.type != CONFIG_CHECK_NONE)
			ret_wanted[kept++] = &targets[i];
	if (kept)
		qsort(ret_wanted, kept, sizeof(*ret_wanted), compare_wanted);
	for (size_t i = 0; i < kept; i++)
		if (!unique || compare(ret_wanted[unique - 1], ret_wanted[i]))
			ret_wanted[unique++] = ret_wanted[i];
	return unique;
}

/* The target as it runs already, or a new one that has not begun; NULL: no memory. The state
 * survives a new check. It does not survive a new port: that is another backend. */
static struct target *take_or_make(struct health *health, const struct health_target *wanted)
{
	struct target *old = find(health, wanted), *fresh;
	bool same_place = old && old->wanted.port == wanted->port;

	if (same_place && check_equal(&old->wanted.check, &wanted->check))
		return old;
	fresh = target_new(health, wanted);
	if (fresh && same_place) {
		fresh->result = old->result;
		fresh->judged = old->judged;
	}
	return fresh;
}

/* Those that the last list had and this one has not. */
static void drop_unwanted(struct health *health)
{
	for (size_t i = 0; i < health->target_count; i++)
		if (health->targets[i]->set != health->sets)
			target_free(health->targets[i]);
}

/* Makes ret_fresh of the wanted ones, all or nothing. Nothing runs otherwise than before. */
static int make_all(struct health *health, const struct health_target *const *wanted, size_t count,
		    struct target **ret_fresh)
{
	for (size_t i = 0; i < count; i++) {
		ret_fresh[i] = take_or_make(health, wanted[i]);
		if (ret_fresh[i])
			continue;
		while (i--)
			if (!ret_fresh[i]->set)
				target_free(ret_fresh[i]);
		return -ENOMEM;
	}
	return 0;
}

static void replace_all(struct health *health, struct target **fresh, size_t count)
{
	health->sets++;
	for (size_t i = 0; i < count; i++) {
		if (!fresh[i]->set)
			target_begin(fresh[i]);
		fresh[i]->set = health->sets;
	}
	drop_unwanted(health);
	free(health->targets);
	health->targets = fresh;
	health->target_count = count;
	health_start_waiting(health); /* those that were dropped left room */
}

int health_set(struct health *health, const struct health_target *targets, size_t count)
{
	const struct health_target **wanted = calloc(count + 1, sizeof(*wanted));
	struct target **fresh = calloc(count + 1, sizeof(*fresh));
	int err = -ENOMEM;
	size_t total;

	if (wanted && fresh) {
		total = sort_wanted(targets, count, wanted);
		err = make_all(health, wanted, total, fresh);
	}
	free(wanted);
	if (err)
		free(fresh);
	else
		replace_all(health, fresh, total);
	return err;
}

/* ---- what is known -------------------------------------------------------------------------- */

void health_get(const struct health *health, const char *service, const char *backend,
		const struct addr *address, struct health_result *ret_result)
{
	const struct target *target = find_by_name(health, service, backend, address);

	*ret_result = target ? target->result : (struct health_result){ 0 };
}

void health_assume(struct health *health, const char *service, const char *backend,
		   const struct addr *address, bool up)
{
	struct target *target = find_by_name(health, service, backend, address);

	if (!target || target->judged)
		return;
	target->result = (struct health_result){ .known = true, .up = up };
	if (!up)
		snprintf(target->result.reason, sizeof(target->result.reason),
			 "down before the restart, no result since");
}
