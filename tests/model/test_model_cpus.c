/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several CPUs at once: a thread on each of two CPUs sends packets of its own clients while the
 * daemon stores between their steps. The promise is that of promise.h; what each thread saw
 * depends on the moment, so that a seed says how it began, not how it went. */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/model/fate.h"
#include "tests/model/schedule.h"

#define WORKERS 2
#define PACKETS 120000		/* a worker sends */
#define OWN (CLIENTS / WORKERS)	/* clients of a worker: every other one */
#define IDLE 60

static struct world *world;
static struct fate fates[BACKENDS];

struct client {
	enum { CLOSED, HALF_OPEN, LIVE } state;
	int backend;
	uint32_t lost, isn, bytes;
	uint32_t last;
};

struct worker {
	pthread_t thread;
	int cpu;
	uint64_t random;
	bool flood;
	uint64_t packets;	/* read by the daemon's thread */
	uint64_t judged, moved, handshakes, broken;
	struct client clients[OWN];
};

static uint64_t seed_first(void)
{
	const char *text = getenv("MODEL_SEED");

	return text ? strtoull(text, NULL, 0) : 1;
}

static int cpus(void)
{
	cpu_set_t all;

	return sched_getaffinity(0, sizeof(all), &all) ? 1 : CPU_COUNT(&all);
}

static void cpu_pin(int number)
{
	cpu_set_t all, one;
	int seen = 0;

	sched_getaffinity(0, sizeof(all), &all);
	number %= CPU_COUNT(&all);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all) && seen++ == number) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
			return;
		}
}

/* ---- a worker ------------------------------------------------------------------------------- */

static int send_one(struct worker *worker, uint32_t source, uint8_t flags, uint32_t seq)
{
	int backend = world_send(world, &(struct packet){ source, flags, seq });

	__atomic_add_fetch(&worker->packets, 1, __ATOMIC_SEQ_CST);
	return backend;
}

static uint32_t lost_of(int backend)
{
	return __atomic_load_n(&fates[backend].lost, __ATOMIC_SEQ_CST);
}

static bool is_gone(int backend)
{
	return __atomic_load_n(&fates[backend].gone, __ATOMIC_SEQ_CST);
}

/* A flow counts if its backend was there the whole time that its first packet took. */
static void client_open(struct worker *worker, struct client *client, uint32_t source)
{
	uint32_t lost[BACKENDS], now = world_now(world);
	bool gone[BACKENDS];

	for (int i = 0; i < BACKENDS; i++) {
		lost[i] = lost_of(i);
		gone[i] = is_gone(i);
	}
	client->isn = random_next(&worker->random);
	client->backend = send_one(worker, source, FLAG_SYN, client->isn);
	if (client->backend == NOBODY || gone[client->backend] || is_gone(client->backend) ||
	    lost_of(client->backend) != lost[client->backend])
		return;
	client->state = is_udp(source) ? LIVE : HALF_OPEN;
	client->lost = lost[client->backend];
	client->bytes = 0;
	client->last = now;
}

static void client_send(struct worker *worker, struct client *client, uint32_t source)
{
	uint32_t now = world_now(world), size = random_below(&worker->random, 1400);
	bool live = client->state == LIVE;
	int backend = send_one(worker, source, FLAG_ACK, client->isn + 1 + client->bytes);

	if (lost_of(client->backend) != client->lost || world_now(world) - client->last >= IDLE) {
		client->state = CLOSED;
		return;
	}
	worker->judged += live;
	worker->handshakes += !live;
	if (backend != client->backend) {
		worker->moved += live;
		worker->broken += !live;
		client->state = CLOSED;
		return;
	}
	client->state = LIVE;
	client->bytes += live ? size : 0;
	client->last = now;
}

static void flood(struct worker *worker)
{
	uint32_t source = random_next(&worker->random) | 0x80000000;

	send_one(worker, source, FLAG_SYN, source);
	if (random_below(&worker->random, 4) == 0)
		send_one(worker, source, FLAG_ACK, source + 1);
}

/* Some clients send often, others seldom. Full tables promise nothing to UDP. */
static void worker_step(struct worker *worker)
{
	uint32_t a = random_below(&worker->random, OWN), b = random_below(&worker->random, OWN);
	uint32_t index = a < b ? a : b, source = index * WORKERS + (worker->cpu & 1);
	struct client *client = &worker->clients[index];

	if (worker->flood) {
		flood(worker);
		if (is_udp(source))
			return;
	}
	if (client->state != CLOSED && random_below(&worker->random, 100) == 0)
		client->state = CLOSED;
	if (client->state == CLOSED)
		client_open(worker, client, source);
	else
		client_send(worker, client, source);
}

static void *worker_run(void *data)
{
	struct worker *worker = data;

	cpu_pin(worker->cpu);
	while (worker->packets < PACKETS)
		worker_step(worker);
	return NULL;
}

/* ---- the daemon ----------------------------------------------------------------------------- */

/* A CPU lags less than LB_MARGIN_TICKS: time goes on once every worker has sent a packet that began
 * since it last did. */
static bool time_may_pass(const struct worker *workers, uint64_t *seen)
{
	uint64_t packets[WORKERS];

	for (int i = 0; i < WORKERS; i++) {
		packets[i] = __atomic_load_n(&workers[i].packets, __ATOMIC_SEQ_CST);
		if (packets[i] < seen[i] + 2 && packets[i] < PACKETS)
			return false;
	}
	memcpy(seen, packets, sizeof(packets));
	return true;
}

static void member_change(uint64_t *random)
{
	struct member *member = &world->members[random_below(random, BACKENDS)];
	uint32_t dice = random_below(random, 100);

	if (dice < 40) {
		member->weight = random_below(random, 200);
	} else if (dice < 60) {
		member->ill = !member->ill;
	} else if (dice < 75) {
		member->admin = CONFIG_DRAIN;
	} else if (dice < 78) {
		member->has_hop = false;
	} else if (dice < 80) {
		member->admin = CONFIG_OFF;
	} else {
		member->has_hop = true;
		member->ill = false;
		member->admin = CONFIG_UP;
	}
	fates_lose(fates, world);
	world_reconcile(world);
	fates_regain(fates, world);
}

static bool all_are_done(const struct worker *workers)
{
	for (int i = 0; i < WORKERS; i++)
		if (__atomic_load_n(&workers[i].packets, __ATOMIC_SEQ_CST) < PACKETS)
			return false;
	return true;
}

static void daemon_run(const struct worker *workers, uint64_t random, uint64_t *ret_changes)
{
	uint64_t seen[WORKERS] = { 0 };

	while (!all_are_done(workers)) {
		uint32_t dice = random_below(&random, 100);

		if (dice < 70) {
			if (time_may_pass(workers, seen))
				world_tick(world, 1);
		} else if (dice < 76) {
			member_change(&random);
			++*ret_changes;
		} else if (dice < 85) {
			fates_lose(fates, world);
			world_second(world);
		} else {
			usleep(random_below(&random, 50));
		}
	}
}

/* ---- together ------------------------------------------------------------------------------- */

static struct worker *workers_run(bool with_flood, uint32_t buckets)
{
	const struct setup setup = { .ring = 31, .idle = IDLE, .buckets = buckets, .clock = -500 };
	static struct worker workers[WORKERS];
	uint64_t seed = seed_first(), changes = 0;

	memset(workers, 0, sizeof(workers));
	memset(fates, 0, sizeof(fates));
	world_reset(world, &setup);
	for (int i = 0; i < WORKERS; i++) {
		workers[i].cpu = i;
		workers[i].random = seed * WORKERS + i;
		workers[i].flood = with_flood;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]),
				 0);
	}
	daemon_run(workers, ~seed, &changes);
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		printf("# seed %" PRIu64 ", CPU %d: %" PRIu64 " packets; established flows moved %"
		       PRIu64 " of %" PRIu64 "; handshakes broken %" PRIu64 " of %" PRIu64 "\n",
		       seed, i, workers[i].packets, workers[i].moved, workers[i].judged,
		       workers[i].broken, workers[i].handshakes);
	}
	printf("# meanwhile %" PRIu64 " changes in %" PRIu64 " ticks\n", changes, world->elapsed);
	return workers;
}

static void established_flows_stay_while_cpus_and_the_daemon_work_at_once(void **state)
{
	const struct worker *workers = workers_run(false, AMPLE_BUCKETS);

	(void)state;
	for (int i = 0; i < WORKERS; i++) {
		assert_true(workers[i].judged > 0);
		assert_int_equal(workers[i].moved, 0);
		assert_int_equal(workers[i].broken, 0);
	}
}

static void established_flows_stay_while_cpus_fight_for_full_buckets(void **state)
{
	const struct worker *workers = workers_run(true, 8);

	(void)state;
	for (int i = 0; i < WORKERS; i++) {
		assert_true(workers[i].judged > 0);
		assert_int_equal(workers[i].moved, 0);
	}
}

/* ---- one flow on two CPUs ------------------------------------------------------------------- */

#define ROUNDS 60000

/* The last ACK and the first bytes behind it, each on a CPU of its own at the same moment. */
struct duel {
	uint32_t source, isn, round;	/* the one to be run */
	uint32_t done;
	int backend;			/* where the other one went */
};

static void *duel_run(void *data)
{
	struct duel *duel = data;

	cpu_pin(1);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		while (__atomic_load_n(&duel->round, __ATOMIC_ACQUIRE) != round)
			;
		duel->backend = world_send(world, &(struct packet){ duel->source, FLAG_ACK,
								    duel->isn + 101 });
		__atomic_store_n(&duel->done, round, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Every slot but those that were backend 1's before belongs to another than it did, and moves. */
static void all_slots_move(void)
{
	for (int only = 0; only < 2; only++) {
		for (int i = 0; i < BACKENDS; i++)
			world->members[i].weight = i == only ? 100 : 0;
		world_reconcile(world);
	}
}

static void packets_of_one_flow_on_two_cpus_stay_together(void **state)
{
	const struct setup setup = { .ring = 31, .idle = IDLE, .buckets = AMPLE_BUCKETS };
	struct duel duel = { .round = 0 };
	uint64_t random = seed_first(), apart = 0;
	pthread_t other;
	cpu_set_t all;

	(void)state;
	if (cpus() < 2) {
		printf("# skipped: there is only one CPU\n");
		skip();
	}
	world_reset(world, &setup);
	all_slots_move();
	sched_getaffinity(0, sizeof(all), &all);
	assert_int_equal(pthread_create(&other, NULL, duel_run, &duel), 0);
	cpu_pin(0);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		int begun, backend;

		duel.source = random_next(&random) | 0x80000000;
		duel.isn = random_next(&random);
		begun = world_send(world, &(struct packet){ duel.source, FLAG_SYN, duel.isn });
		__atomic_store_n(&duel.round, round, __ATOMIC_RELEASE);
		backend = world_send(world,
				     &(struct packet){ duel.source, FLAG_ACK, duel.isn + 1 });
		while (__atomic_load_n(&duel.done, __ATOMIC_ACQUIRE) != round)
			;
		apart += backend != begun || duel.backend != begun;
	}
	pthread_join(other, NULL);
	pthread_setaffinity_np(pthread_self(), sizeof(all), &all);
	printf("# apart %" PRIu64 " of %d\n", apart, ROUNDS);
	assert_int_equal(apart, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(established_flows_stay_while_cpus_and_the_daemon_work_at_once),
		cmocka_unit_test(established_flows_stay_while_cpus_fight_for_full_buckets),
		cmocka_unit_test(packets_of_one_flow_on_two_cpus_stay_together),
	};
	int failed = world_enter(&world);

	if (failed)
		return failed;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_close(world);
	return failed;
}
