/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A runtime that is as bad as can be: what was known of containers stays, and nothing grows. */
#include "tests/unit/runtime_ground.h"

#define LIST_OF(fields) "[{\"Id\":\"" ID_B "\"," fields "}]"

static void the_last_known_state_stays_whatever_a_list_is(void **state)
{
	static const struct {
		const char *what;
		enum manner manner;
		const char *body, *reason;
	} rows[] = {
		{ "nobody reads it", SILENT, "[]", "no complete answer" },
		{ "a byte at a time", DRIP, "[" WEB_B "," WEB_C "]", "no complete answer" },
		{ "half of it", CUT, "[" WEB_B "]", "cut short" },
		{ "an error", STATUS, "{\"message\":\"sorry\"}", "status 500" },
		{ "not HTTP", NOT_HTTP, "[]", "not HTTP" },
		{ "a closed connection", CLOSE, "", "without an answer" },
		{ "nothing", WELL, "", "cut short" },
		{ "not closed", WELL, "[" WEB_B, "cut short" },
		{ "an object", WELL, WEB_B, "not what the API says" },
		{ "null", WELL, "null", "not what the API says" },
		{ "numbers", WELL, "[1, 2]", "not what the API says" },
		{ "no comma", WELL, "[" WEB_B WEB_C "]", "not what the API says" },
		{ "one comma too much", WELL, "[" WEB_B ",]", "not what the API says" },
		{ "more behind it", WELL, "[" WEB_B "] []", "not what the API says" },
		{ "braces that do not match", WELL, LIST_OF("\"Names\":{]"), "not what" },
		{ "no id", WELL, "[{\"Names\":[\"/web\"]}]", "not what the API says" },
		{ "an id of a path", WELL, "[{\"Id\":\"../../../info\"}]", "not what" },
		{ "a short id", WELL, "[{\"Id\":\"abc\"}]", "not what the API says" },
		{ "a number for an id", WELL, "[{\"Id\":17}]", "not what the API says" },
		{ "a name", WELL, LIST_OF("\"Names\":\"/web\""), "not what the API says" },
		{ "a name of a number", WELL, LIST_OF("\"Names\":[1]"), "not what the API says" },
		{ "a state of a list", WELL, LIST_OF("\"State\":[]"), "not what the API says" },
		{ "labels of a list", WELL, LIST_OF("\"Labels\":[\"a\"]"), "not what" },
		{ "a label of a number", WELL, LIST_OF("\"Labels\":{\"a\":1}"), "not what" },
		{ "a label of null", WELL, LIST_OF("\"Labels\":{\"a\":null}"), "not what" },
		{ "settings of a text", WELL, LIST_OF("\"NetworkSettings\":\"no\""), "not what" },
		{ "networks of a list", WELL, LIST_OF("\"NetworkSettings\":{\"Networks\":[]}"),
		  "not what" },
		{ "a network of null", WELL,
		  LIST_OF("\"NetworkSettings\":{\"Networks\":{\"a\":null}}"), "not what" },
		{ "an address of a number", WELL,
		  LIST_OF("\"NetworkSettings\":{\"Networks\":{\"a\":{\"IPAddress\":1}}}"),
		  "not what" },
		{ "an address of nobody", WELL,
		  LIST_OF("\"NetworkSettings\":{\"Networks\":{\"a\":{\"IPAddress\":\"x\"}}}"),
		  "not what" },
		{ "an address of the other family", WELL,
		  LIST_OF("\"NetworkSettings\":{\"Networks\":{\"a\":{\"IPAddress\":\"::1\"}}}"),
		  "not what" },
		{ "too deep", WELL,
		  LIST_OF("\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]"
			  "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), "not what" },
	};
	struct ground *ground = *state;

	know_web_a(ground, &quick);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ground->server.list.manner = rows[i].manner;
		ground->server.list.body = rows[i].body;
		WAIT(ground, !connected(ground));
		if (!strstr(runtime_reason(ground->runtime), rows[i].reason))
			fail_msg("%s: %s", rows[i].what, runtime_reason(ground->runtime));
		assert_int_equal(count_of(ground), 1);
		assert_true(running(ground, "web-a") && detailed(ground, "web-a"));
		ground->server.list.manner = WELL;
		ground->server.list.body = "[" WEB_A "]";
		WAIT(ground, connected(ground));
	}
}

/* `count` containers, each with a label of `size` bytes. */
static char *long_list(size_t count, size_t size)
{
	char *label = mem_must(malloc(size + 1)), *text;
	struct evbuffer *buffer = evbuffer_new();
	size_t length;

	memset(label, 'x', size);
	label[size] = '\0';
	evbuffer_add_printf(buffer, "[");
	for (size_t i = 0; i < count; i++)
		evbuffer_add_printf(buffer, "%s{\"Id\":\"%064zx\",\"Names\":[\"/n%zu\"],"
				    "\"State\":\"running\",\"Labels\":{\"a\":\"%s\"}}",
				    i ? "," : "", i, i, label);
	evbuffer_add_printf(buffer, "]");
	length = evbuffer_get_length(buffer);
	text = mem_array(length + 1, 1);
	evbuffer_remove(buffer, text, length);
	evbuffer_free(buffer);
	free(label);
	return text;
}

static void an_answer_of_ten_megabytes_is_taken(void **state)
{
	char *list = long_list(5000, 2000);
	struct ground *ground = *state;

	assert_true(strlen(list) > 10000000);
	ground->server.list.body = list;
	ground->server.single.manner = SILENT;
	server_listen(&ground->server);
	ask(ground, &unhurried);
	WAIT(ground, runtime_known(ground->runtime));
	assert_int_equal(count_of(ground), 5000);
	assert_true(running(ground, "n4999"));
	free(list);
}

static void too_much_of_anything_is_refused(void **state)
{
	static const struct {
		size_t count, size;
		const char *reason;
	} rows[] = {
		{ 1, 2000000, "over 1 MiB" },
		{ 17000, 1, "too many containers" },
		{ 20, 900000, "over 16 MiB" },
	};
	struct ground *ground = *state;

	know_web_a(ground, &quick);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct runtime_times slow = quick;
		char *list = long_list(rows[i].count, rows[i].size);

		slow.answer = PATIENCE_MS;
		runtime_set_times(ground->runtime, &slow);
		ground->server.list.body = list;
		WAIT(ground, !connected(ground));
		if (!strstr(runtime_reason(ground->runtime), rows[i].reason))
			fail_msg("%s: %s", rows[i].reason, runtime_reason(ground->runtime));
		assert_int_equal(count_of(ground), 1);
		ground->server.list.body = "[" WEB_A "]";
		WAIT(ground, connected(ground));
		free(list);
	}
}

static void a_stream_of_nonsense_begins_anew_with_a_list(void **state)
{
	static const char *const rows[] = {
		"nonsense", "[]", "{\"Type\":1}", "{}",
		"{\"Type\":\"container\",\"Action\":\"die\"}",
		"{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"/../x\"}}",
		"{\"Type\":\"container\",\"Action\":[],\"Actor\":{\"ID\":\"" ID_A "\"}}",
		"{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":\"" ID_A "\"}",
	};
	struct ground *ground = *state;

	know_web_a(ground, &unhurried);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t asked = ground->server.list.asked;

		server_event(&ground->server, rows[i]);
		WAIT(ground, !connected(ground));
		assert_true(running(ground, "web-a"));
		WAIT(ground, connected(ground) && ground->server.list.asked == asked + 1);
	}
}

static void an_event_that_comes_in_pieces_is_one(void **state)
{
	static const char event[] = EVENT("die", ID_A);
	struct ground *ground = *state;

	know_web_a(ground, &unhurried);
	for (const char *c = event; *c; c++) {
		const char piece[] = { *c, '\0' };

		assert_true(running(ground, "web-a") || *c == '\n');
		server_event(&ground->server, piece);
		event_base_loop(ground->server.loop, EVLOOP_ONCE);
	}
	WAIT(ground, !running(ground, "web-a"));
	assert_true(connected(ground));
}

static void a_flood_of_events_is_a_few_questions(void **state)
{
	struct ground *ground = *state;
	size_t asked;

	know_web_a(ground, &unhurried);
	asked = ground->server.single.asked;
	single_set(&ground->server, 0, ID_A, A_RAN);
	for (int i = 0; i < 20000; i++)
		server_event(&ground->server, EVENT("unpause", ID_A));
	server_event(&ground->server, EVENT("die", ID_A));
	WAIT(ground, !running(ground, "web-a"));
	WAIT(ground, ground->server.single.asked > asked);
	assert_true(ground->server.single.asked < asked + 1000);
	assert_int_equal(count_of(ground), 1);
}

static void one_container_that_hangs_does_not_hold_up_the_others(void **state)
{
	struct ground *ground = *state;

	know_web_a(ground, &quick);
	ground->server.single.manner = SILENT;
	server_event(&ground->server, EVENT("restart", ID_A));
	WAIT(ground, ground->server.single.asked == 2);
	ground->server.single.manner = WELL;
	single_set(&ground->server, 1, ID_B, B_RUNS);
	server_event(&ground->server, EVENT("start", ID_B));
	WAIT(ground, running(ground, "web-b"));
	assert_true(running(ground, "web-a") && has_address(ground, "web-a", "172.17.0.2"));
	single_set(&ground->server, 0, ID_A, A_MOVED);
	WAIT(ground, has_address(ground, "web-a", "172.17.0.9"));
	assert_true(connected(ground));
}

static void what_is_said_of_one_container_must_be_a_container(void **state)
{
	static const char *const rows[] = {
		"", "[]", "{}", "null", A_RUNS A_RUNS, "{\"Id\":\"" ID_A "\",\"State\":{}}",
		INSPECTED(ID_C, "web-a", "exited", "", "default"),
		INSPECTED(ID_A, "web-a", "exited", "nowhere", "default"),
		INSPECTED(ID_A, "", "exited", "", "default"),
	};
	struct ground *ground = *state;

	know_web_a(ground, &unhurried);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t asked = ground->server.single.asked;

		single_set(&ground->server, 0, ID_A, rows[i]);
		single_set(&ground->server, 1, ID_B, B_RUNS);
		server_event(&ground->server, EVENT("restart", ID_A) EVENT("restart", ID_B));
		WAIT(ground, ground->server.single.asked == asked + 2);
		WAIT(ground, running(ground, "web-b"));
		assert_true(running(ground, "web-a"));
		server_event(&ground->server, EVENT("destroy", ID_B));
		WAIT(ground, !named(ground, "web-b"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_last_known_state_stays_whatever_a_list_is),
		T(an_answer_of_ten_megabytes_is_taken),
		T(too_much_of_anything_is_refused),
		T(a_stream_of_nonsense_begins_anew_with_a_list),
		T(an_event_that_comes_in_pieces_is_one),
		T(a_flood_of_events_is_a_few_questions),
		T(one_container_that_hangs_does_not_hold_up_the_others),
		T(what_is_said_of_one_container_must_be_a_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
