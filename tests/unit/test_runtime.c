/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of containers by lists, questions and events, whoever overtakes whom, and while the
 * runtime comes and goes: lb/watch/runtime.c. A bad runtime is test_runtime_bad.c. */
#include "tests/unit/runtime_ground.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* ---- what it says --------------------------------------------------------------------------- */

static bool called(struct ground *ground, const char *id, const char *name)
{
	const char *told = runtime_name(ground->runtime, id);

	return told ? name && !strcmp(told, name) : !name;
}

static void who_is_gone_before_any_answer_has_the_name_of_its_events(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &unhurried);
	assert_true(called(ground, ID_A, "web-a") && called(ground, ID_C, NULL));
	ground->server.single.manner = SILENT;
	server_event(&ground->server, EVENT("create", ID_C));
	WAIT(ground, called(ground, ID_C, "any"));
	assert_true(runtime_is_asking(ground->runtime));
	server_event(&ground->server,
		     "{\"Type\":\"container\",\"Action\":\"rename\",\"Actor\":{\"ID\":\"" ID_C
		     "\",\"Attributes\":{\"name\":\"other\",\"oldName\":\"/any\"}}}");
	WAIT(ground, called(ground, ID_C, "other"));
	server_event(&ground->server, "{\"Type\":\"container\",\"Action\":\"destroy\","
		     "\"Actor\":{\"ID\":\"" ID_C "\"}}");
	WAIT(ground, !runtime_is_asking(ground->runtime));
	assert_true(called(ground, ID_C, "other"));
	assert_int_equal(count_of(ground), 1);
	server_event(&ground->server, EVENT("destroy", ID_A));
	WAIT(ground, count_of(ground) == 0);
	assert_true(called(ground, ID_A, "any"));
}

static void who_was_met_is_asked_for_once(void **state)
{
	struct ground *ground = *state;
	size_t asked, changes;

	know_web_a(ground, &unhurried);
	asked = ground->server.single.asked;
	changes = ground->changes;
	single_set(&ground->server, 1, ID_B, B_RUNS);
	for (int i = 0; i < 3; i++) {
		runtime_wonder(ground->runtime, ID_A);
		runtime_wonder(ground->runtime, ID_B);
		runtime_wonder(ground->runtime, ID_C);
	}
	WAIT(ground, called(ground, ID_B, "web-b"));
	WAIT(ground, ground->server.single.asked == asked + 2 && ground->changes == changes + 2);
	assert_true(called(ground, ID_C, NULL));
	/* It stays no part of the list: that is for lists and events to say. */
	assert_int_equal(count_of(ground), 1);
	runtime_wonder(ground->runtime, ID_B);
	runtime_wonder(ground->runtime, ID_C);
	server_event(&ground->server, EVENT("update", ID_A));
	WAIT(ground, ground->server.single.asked == asked + 3);
}

static void who_was_met_while_nobody_answers_is_asked_for_later(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &quick);
	single_set(&ground->server, 1, ID_B, B_RUNS);
	server_close(&ground->server);
	WAIT(ground, !connected(ground));
	runtime_wonder(ground->runtime, ID_B);
	server_listen(&ground->server);
	WAIT(ground, called(ground, ID_B, "web-b"));
}

static void containers_are_known_by_a_list_and_in_detail_by_questions(void **state)
{
	struct ground *ground = *state;
	const struct container *web;

	single_set(&ground->server, 1, ID_B, B_RUNS);
	ground->server.list.body = "[ " WEB_B ",\n" WEB_A "]\n";
	ground->server.single.manner = SILENT;
	single_set(&ground->server, 0, ID_A, A_RUNS);
	server_listen(&ground->server);
	ask(ground, &unhurried);
	assert_false(runtime_known(ground->runtime));
	WAIT(ground, runtime_known(ground->runtime));
	assert_int_equal(count_of(ground), 2);
	web = named(ground, "web-a");
	assert_true(web->running && !web->detailed && !web->host_network);
	assert_string_equal(web->id, ID_A);
	assert_int_equal(web->label_count, 1);
	assert_string_equal(web->labels[0], "app=web");
	assert_true(has_address(ground, "web-a", "172.17.0.2"));
	assert_false(running(ground, "web-b"));
	assert_true(ground->changes);

	ground->server.single.manner = WELL;
	server_streams_end(&ground->server);
	WAIT(ground, detailed(ground, "web-a") && detailed(ground, "web-b"));
	web = named(ground, "web-b");
	assert_string_equal(web->cgroup_parent, "/edge");
	assert_string_equal(web->sandbox_key, "/run/docker/netns/1");
	assert_string_equal(web->network_of, ID_A);
	assert_null(named(ground, "web-a")->network_of);
}

static void a_container_that_starts_or_is_moved_is_asked_for(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &unhurried);
	single_set(&ground->server, 1, ID_B, B_RUNS);
	server_event(&ground->server, EVENT("create", ID_B) EVENT("start", ID_B));
	WAIT(ground, running(ground, "web-b"));
	single_set(&ground->server, 0, ID_A, A_MOVED);
	server_event(&ground->server,
		     "{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":{\"ID\":\"n\","
		     "\"Attributes\":{\"container\":\"" ID_A "\"}}}");
	WAIT(ground, has_address(ground, "web-a", "172.17.0.9"));
	assert_int_equal(ground->server.list.asked, 1);
}

static void a_network_that_does_not_say_of_whom_is_answered_by_a_list(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &unhurried);
	server_event(&ground->server, "{\"Type\":\"network\",\"Action\":\"disconnect\","
				      "\"Actor\":{\"ID\":\"n\",\"Attributes\":{}}}");
	WAIT(ground, ground->server.list.asked == 2);
}

static void a_death_counts_before_any_answer(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &unhurried);
	ground->server.single.manner = ground->server.list.manner = SILENT;
	server_event(&ground->server, EVENT("die", ID_A));
	WAIT(ground, !running(ground, "web-a"));
	assert_non_null(named(ground, "web-a"));
}

static void podman_s_words_for_death_and_removal_count_too(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &unhurried);
	ground->server.single.manner = SILENT;
	server_event(&ground->server, EVENT("died", ID_A));
	WAIT(ground, !running(ground, "web-a"));
	server_event(&ground->server, EVENT("remove", ID_A));
	WAIT(ground, !named(ground, "web-a"));
}

static void what_leaves_a_container_as_it_is_asks_nothing(void **state)
{
	struct ground *ground = *state;
	size_t asked;

	know_web_a(ground, &unhurried);
	asked = ground->server.single.asked;
	single_set(&ground->server, 1, ID_B, B_RUNS);
	server_event(&ground->server,
		     EVENT("kill", ID_A) EVENT("exec_die", ID_A) EVENT("top", ID_A)
		     EVENT("exec_create: sh", ID_A) EVENT("start", ID_B));
	WAIT(ground, running(ground, "web-b"));
	assert_int_equal(ground->server.single.asked, asked + 1);
	assert_true(running(ground, "web-a"));
}

/* ---- who overtakes whom --------------------------------------------------------------------- */

static void an_old_list_does_not_undo_what_an_event_has_told(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &quick);
	ground->server.list.manner = HELD;
	WAIT(ground, ground->server.list.asked > 2);
	single_set(&ground->server, 0, ID_A, A_RAN);
	single_set(&ground->server, 1, ID_B, B_RUNS);
	server_event(&ground->server,
		     EVENT("die", ID_A) EVENT("start", ID_B) EVENT("destroy", ID_C));
	WAIT(ground, !running(ground, "web-a") && running(ground, "web-b"));
	runtime_set_times(ground->runtime, &unhurried);
	ground->server.list.body = "[" WEB_A "," WEB_B "," WEB_C "]";
	ground->changes = 0;
	server_release(&ground->server);
	WAIT(ground, ground->server.single.asked && ground->changes);
	assert_false(running(ground, "web-a"));
	assert_true(running(ground, "web-b"));
	assert_null(named(ground, "web-c"));
}

static void an_answer_that_an_event_overtook_is_asked_for_again(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &unhurried);
	ground->server.single.manner = DRIP;
	single_set(&ground->server, 0, ID_A, A_RUNS);
	server_event(&ground->server, EVENT("restart", ID_A));
	WAIT(ground, ground->server.single.asked == 2);
	single_set(&ground->server, 0, ID_A, A_RAN);
	ground->server.single.manner = WELL;
	server_event(&ground->server, EVENT("die", ID_A));
	WAIT(ground, ground->server.single.asked == 3);
	WAIT(ground, named(ground, "web-a") && !running(ground, "web-a"));
}

static void nothing_is_known_while_an_event_has_overtaken_the_first_list(void **state)
{
	struct ground *ground = *state;

	ground->server.list.manner = HELD;
	ground->server.single.manner = SILENT;
	ground->server.list.body = "[" WEB_A "]";
	server_listen(&ground->server);
	ask(ground, &unhurried);
	WAIT(ground, ground->server.list.asked);
	server_event(&ground->server, EVENT("pause", ID_A));
	WAIT(ground, ground->server.single.asked);
	server_release(&ground->server);
	WAIT(ground, connected(ground));
	assert_false(runtime_known(ground->runtime));
	ground->server.single.manner = WELL;
	single_set(&ground->server, 0, ID_A, A_RUNS);
	server_streams_end(&ground->server);
	WAIT(ground, runtime_known(ground->runtime));
	assert_true(running(ground, "web-a"));
}

static void after_a_gap_everything_is_asked_again(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &unhurried);
	single_set(&ground->server, 0, ID_A, A_MOVED);
	ground->server.events.manner = CLOSE;
	server_streams_end(&ground->server);
	WAIT(ground, ground->server.events.asked >= 3);
	assert_false(connected(ground));
	assert_true(running(ground, "web-a"));
	assert_true(runtime_known(ground->runtime));
	ground->server.events.manner = WELL;
	WAIT(ground, has_address(ground, "web-a", "172.17.0.9"));
	assert_true(connected(ground));
}

static void a_list_finds_what_no_event_told(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &quick);
	ground->server.list.body = "[" WEB_C "]";
	WAIT(ground, !named(ground, "web-a") && running(ground, "web-c"));
	ground->server.list.body = "[]";
	WAIT(ground, !count_of(ground));
}

/* ---- coming and going ----------------------------------------------------------------------- */

static void a_runtime_that_is_not_there_may_come_later(void **state)
{
	struct ground *ground = *state;

	ask(ground, &quick);
	WAIT(ground, strstr(runtime_reason(ground->runtime), "cannot connect"));
	assert_false(runtime_known(ground->runtime));
	ground->server.list.body = "[" WEB_A "]";
	server_listen(&ground->server);
	WAIT(ground, runtime_known(ground->runtime) && connected(ground));
	assert_true(running(ground, "web-a"));
}

static void a_runtime_that_says_nothing_is_given_up(void **state)
{
	struct ground *ground = *state;

	ground->server.events.manner = SILENT;
	server_listen(&ground->server);
	ask(ground, &quick);
	WAIT(ground, strstr(runtime_reason(ground->runtime), "events: no answer in time"));
	assert_false(runtime_known(ground->runtime));
	WAIT(ground, ground->server.events.asked == 3);
}

static void pauses_grow_to_their_limit(void **state)
{
	const struct runtime_times times = { .answer = PATIENCE_MS, .pause_min = 10,
					     .pause_max = 160, .list_soon = 1, .list = 1 };
	struct ground *ground = *state;
	int64_t begin;

	ground->server.events.manner = CLOSE;
	server_listen(&ground->server);
	ask(ground, &times);
	WAIT(ground, ground->server.events.asked == 1);
	begin = clock_ms();
	WAIT(ground, ground->server.events.asked == 8);
	/* 10 + 20 + 40 + 80 + 3 × 160 */
	assert_true(clock_ms() - begin >= 600);
}

/* The ground's server in a process of its own, until it is ended. */
static pid_t server_apart(struct ground *ground)
{
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ground->server.loop = event_base_new();
	server_listen(&ground->server);
	event_base_dispatch(ground->server.loop);
	_exit(0);
}

static void who_cannot_wait_for_the_loop_reads_the_first_list(void **state)
{
	struct ground *ground = *state;
	char reason[RUNTIME_REASON_MAX] = "";
	struct containers containers = { 0 };
	pid_t child;

	ground->server.list.body = "[" WEB_A "]";
	child = server_apart(ground);
	assert_int_equal(runtime_read(ground->server.path, PATIENCE_MS, &containers, reason), 0);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	unlink(ground->server.path);
	assert_int_equal(containers.count, 1);
	assert_string_equal(containers.list[0].name, "web-a");
	containers_clear(&containers);

	assert_int_equal(runtime_read(ground->server.path, 200, &containers, reason), -ETIMEDOUT);
	assert_non_null(strstr(reason, "cannot connect"));
	assert_null(containers.list);
}

static void on_changed_close(void *data)
{
	struct ground *ground = data;

	runtime_close(ground->runtime);
	ground->runtime = NULL;
}

static void the_change_may_close_it(void **state)
{
	struct ground *ground = *state;

	ground->server.list.body = "[" WEB_A "]";
	server_listen(&ground->server);
	assert_int_equal(runtime_open(ground->server.loop, ground->server.path, on_changed_close,
				      ground, &ground->runtime), 0);
	WAIT(ground, !ground->runtime);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(containers_are_known_by_a_list_and_in_detail_by_questions),
		T(who_is_gone_before_any_answer_has_the_name_of_its_events),
		T(who_was_met_is_asked_for_once),
		T(who_was_met_while_nobody_answers_is_asked_for_later),
		T(a_container_that_starts_or_is_moved_is_asked_for),
		T(a_network_that_does_not_say_of_whom_is_answered_by_a_list),
		T(a_death_counts_before_any_answer),
		T(podman_s_words_for_death_and_removal_count_too),
		T(what_leaves_a_container_as_it_is_asks_nothing),
		T(an_old_list_does_not_undo_what_an_event_has_told),
		T(an_answer_that_an_event_overtook_is_asked_for_again),
		T(nothing_is_known_while_an_event_has_overtaken_the_first_list),
		T(after_a_gap_everything_is_asked_again),
		T(a_list_finds_what_no_event_told),
		T(a_runtime_that_is_not_there_may_come_later),
		T(a_runtime_that_says_nothing_is_given_up),
		T(pauses_grow_to_their_limit),
		T(who_cannot_wait_for_the_loop_reads_the_first_list),
		T(the_change_may_close_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
