/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl without a daemon: its command line, the names of backends, tables, the views of canned
 * answers, and what the client makes of a peer that refuses, hangs, hangs up or is no daemon. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lb/ctl/backend_name.h"
#include "lb/ctl/change.h"
#include "lb/ctl/client.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/options.h"
#include "lb/ctl/show.h"
#include "lb/ctl/table.h"
#include "tests/unit/printed.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- command line --------------------------------------------------------------------------- */

struct line {
	const char *words[8];	/* behind the name of the program */
	enum options_unknown unknown;
	const char *error;	/* NULL: none */
	const char *left;	/* what stays, joined by blanks */
	bool flag;
	const char *value, *values;
};

static const struct line lines[] = {
	{ { "show", "--json" }, OPTIONS_REFUSE, NULL, "show", true, NULL, "" },
	{ { "--json", "show" }, OPTIONS_REFUSE, NULL, "show", true, NULL, "" },
	{ { "--pin", "/p", "show" }, OPTIONS_REFUSE, NULL, "show", false, "/p", "" },
	{ { "show", "--pin=/p=q" }, OPTIONS_REFUSE, NULL, "show", false, "/p=q", "" },
	{ { "--break", "a", "x", "--break=b" }, OPTIONS_REFUSE, NULL, "x", false, NULL, "a b" },
	{ { "--pin", "/p", "--pin", "/q" }, OPTIONS_REFUSE, NULL, "", false, "/q", "" },
	{ { "x", "--", "--json" }, OPTIONS_REFUSE, NULL, "x --json", false, NULL, "" },
	{ { "x", "--", "--json" }, OPTIONS_LEAVE, NULL, "x -- --json", false, NULL, "" },
	{ { "x", "--new", "--json" }, OPTIONS_LEAVE, NULL, "x --new", true, NULL, "" },
	{ { "x", "-" }, OPTIONS_REFUSE, NULL, "x -", false, NULL, "" },
	{ { "--new" }, OPTIONS_REFUSE, "unknown option \"--new\"", NULL, false, NULL, NULL },
	{ { "--js" }, OPTIONS_REFUSE, "unknown option \"--js\"", NULL, false, NULL, NULL },
	{ { "--jsonx" }, OPTIONS_REFUSE, "unknown option \"--jsonx\"", NULL, false, NULL, NULL },
	{ { "--pin" }, OPTIONS_REFUSE, "option --pin wants a value", NULL, false, NULL, NULL },
	{ { "--pin=" }, OPTIONS_REFUSE, "option --pin wants a value that is not empty", NULL, false,
	  NULL, NULL },
	{ { "--json=1" }, OPTIONS_REFUSE, "option --json takes no value", NULL, false, NULL, NULL },
};

static void join(char *const *words, size_t count, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "", words[i]);
}

static void options_stand_anywhere_and_mistakes_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		const struct line *line = &lines[i];
		_cleanup_diag_ struct diag diag = { 0 };
		struct ctl_values values = { .count = 0 };
		const char *value = NULL;
		bool flag = false;
		const struct ctl_option options[] = {
			{ "--json", .flag = &flag },
			{ "--pin", .value = &value },
			{ "--break", .values = &values },
			{ 0 },
		};
		char *argv[COUNT(line->words) + 2] = { (char *)"lbctl" }, text[128];
		int argc = 1;

		while (line->words[argc - 1]) {
			argv[argc] = (char *)line->words[argc - 1];
			argc++;
		}
		print_message("row %zu\n", i);
		if (line->error) {
			assert_int_equal(options_take(&argc, argv, options, line->unknown, &diag),
					 -EINVAL);
			assert_string_equal(diag.entries[0].text, line->error);
			continue;
		}
		assert_int_equal(options_take(&argc, argv, options, line->unknown, &diag), 0);
		assert_null(argv[argc]);
		join(argv + 1, (size_t)argc - 1, text, sizeof(text));
		assert_string_equal(text, line->left);
		assert_int_equal(flag, line->flag);
		assert_string_equal(value ? value : "-", line->value ? line->value : "-");
		join((char *const *)values.text, values.count, text, sizeof(text));
		assert_string_equal(text, line->values);
	}
}

static void an_option_that_stands_too_often_is_refused(void **state)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct ctl_values values = { .count = 0 };
	const struct ctl_option options[] = { { "--break", .values = &values }, { 0 } };
	char *argv[CTL_VALUES_MAX + 3] = { (char *)"lbctl" };
	int argc = CTL_VALUES_MAX + 2;

	(void)state;
	for (int i = 1; i < argc; i++)
		argv[i] = (char *)"--break=a";
	assert_int_equal(options_take(&argc, argv, options, OPTIONS_REFUSE, &diag), -EINVAL);
	assert_int_equal(values.count, CTL_VALUES_MAX);
}

static void backend_names_split_at_the_first_slash(void **state)
{
	static const char *const bad[] = {
		"web", "", "/", "web/", "/a", "web/a/b", "web/-a", "we b/a", "web/a\n", "web/ä",
	};
	_cleanup_diag_ struct diag diag = { 0 };
	char text[2 * CONFIG_NAME_MAX + 2];
	struct backend_name name;

	(void)state;
	assert_int_equal(backend_name_parse("web/web-c.1_x", &name, &diag), 0);
	assert_string_equal(name.service, "web");
	assert_string_equal(name.backend, "web-c.1_x");
	for (size_t i = 0; i < COUNT(bad); i++) {
		print_message("row %zu\n", i);
		assert_int_equal(backend_name_parse(bad[i], &name, &diag), -EINVAL);
		assert_int_equal(diag.count, i + 1);
	}
	assert_string_equal(name.service, "web"); /* untouched on failure */

	memset(text, 'a', sizeof(text));
	text[CONFIG_NAME_MAX - 1] = '/';
	text[2 * CONFIG_NAME_MAX - 1] = '\0';
	assert_int_equal(backend_name_parse(text, &name, &diag), 0);
	text[2 * CONFIG_NAME_MAX - 1] = 'a';
	text[2 * CONFIG_NAME_MAX] = '\0';
	assert_int_equal(backend_name_parse(text, &name, &diag), -EINVAL);
}

/* ---- text ----------------------------------------------------------------------------------- */

static void numbers_read_as_people_write_them(void **state)
{
	char text[NUMBER_TEXT_MAX];

	(void)state;
	assert_string_equal(count_format(0, text), "0");
	assert_string_equal(count_format(999, text), "999");
	assert_string_equal(count_format(1000, text), "1,000");
	assert_string_equal(count_format(UINT64_MAX, text), "18,446,744,073,709,551,615");
	assert_string_equal(bytes_format(999, text), "999 B");
	assert_string_equal(bytes_format(1000, text), "1.0 kB");
	assert_string_equal(bytes_format(999949, text), "999.9 kB");
	assert_string_equal(bytes_format(999950, text), "1.0 MB");
	assert_string_equal(bytes_format(UINT64_MAX, text), "18.4 EB");
	assert_string_equal(share_format(0, text), "0.0%");
	assert_string_equal(share_format(0.0001, text), "<0.1%");
	assert_string_equal(share_format(1.0 / 3, text), "33.3%");
	assert_string_equal(share_format(0.9999, text), ">99.9%");
	assert_string_equal(share_format(1, text), "100.0%");
}

static void tables_are_aligned_and_leave_out_what_is_empty(void **state)
{
	static const struct table_column columns[] = {
		{ "NAME", TABLE_LEFT }, { "N", TABLE_RIGHT }, { "EMPTY", TABLE_LEFT },
		{ "REASON", TABLE_LEFT },
	};
	struct table *table = table_new(columns, COUNT(columns));
	FILE *to = print_open();

	(void)state;
	table_cell(table, "a");
	table_cell_count(table, 7);
	table_cell(table, "%s", "");
	table_cell(table, "%s", "");
	table_cell(table, "größer"); /* six columns in eight bytes */
	table_cell_count(table, 12345);
	table_cell(table, "%s", "");
	table_cell(table, "two\nlines\033[2J");
	table_print(table, to);
	table_free(table);
	assert_printed(to, "NAME         N  REASON\n"
			   "a            7\n"
			   "größer  12,345  two?lines?[2J\n");
}

static void a_table_without_rows_prints_nothing(void **state)
{
	static const struct table_column columns[] = { { "NAME", TABLE_LEFT } };
	struct table *table = table_new(columns, COUNT(columns));
	FILE *to = print_open();

	(void)state;
	table_print(table, to);
	table_free(table);
	assert_printed(to, "");
}

/* ---- views ---------------------------------------------------------------------------------- */

static const char answer[] =
	"{\"services\":[{\"name\":\"web\",\"vips\":[\"203.0.113.10\",\"2001:db8::10\"],"
	"\"protocol\":\"tcp\",\"ports\":[80],\"forward\":\"nat\",\"state\":\"down\","
	"\"reason\":\"IPv6: 0 backends can take new flows, min_up is 1\","
	"\"slots_moving\":0,\"backends\":["
	"{\"name\":\"a\",\"address\":\"10.1.0.2\",\"port\":8080,\"state\":\"up\","
	" \"reason\":\"\",\"weight\":100,\"effective_weight\":100,\"override\":false,"
	" \"share\":1.0,\"packets\":12044,\"bytes\":1234567,\"new_flows\":1204,"
	" \"interface\":\"veth-a\",\"mac\":\"02:00:00:00:00:0a\"},"
	"{\"name\":\"a\",\"address\":\"fd00::2\",\"port\":8080,\"state\":\"down\","
	" \"reason\":\"no neighbour for fd00::2 on br0\",\"weight\":100,\"effective_weight\":0,"
	" \"override\":false,\"share\":0.0,\"packets\":0,\"bytes\":0,\"new_flows\":0,"
	" \"interface\":null,\"mac\":null},"
	"{\"name\":\"b\",\"address\":\"10.1.0.3\",\"port\":8080,\"state\":\"drain\","
	" \"reason\":\"draining: no new flows\",\"weight\":100,\"effective_weight\":0,"
	" \"override\":true,"
	" \"share\":0.0,\"packets\":7,\"bytes\":420,\"new_flows\":1,\"slots_in_use\":1214,"
	" \"interface\":\"veth-b\",\"mac\":\"02:00:00:00:00:0b\"}]},"
	"{\"name\":\"dns\",\"vips\":[\"203.0.113.11\"],\"protocol\":\"udp\",\"ports\":[],"
	"\"forward\":\"dsr\",\"state\":\"up\",\"slots_moving\":1021,\"moving_since_s\":725,"
	"\"backends\":["
	"{\"name\":\"c\",\"address\":\"10.1.0.4\",\"port\":0,\"state\":\"up\",\"reason\":null,"
	" \"weight\":100,\"effective_weight\":40,\"override\":false,\"share\":0.333,"
	" \"packets\":0,\"bytes\":0,\"new_flows\":null,\"interface\":\"eth1\","
	" \"mac\":\"02:00:00:00:00:0c\"}]}],"
	"\"interfaces\":[{\"name\":\"eth0\",\"ifindex\":2,\"mode\":\"generic\","
	"\"configured_mode\":\"native\",\"state\":\"up\",\"front\":true,\"redirect_drops\":0},"
	"{\"name\":\"eth9\",\"ifindex\":null,\"mode\":null,\"configured_mode\":\"auto\","
	"\"state\":\"absent\",\"front\":true,\"redirect_drops\":null},"
	"{\"name\":\"veth-a\",\"ifindex\":17,\"mode\":null,\"configured_mode\":null,"
	"\"state\":\"up\",\"front\":false,\"redirect_drops\":1204}],"
	"\"orphan_overrides\":[{\"service\":\"web\",\"backend\":\"old\",\"state\":\"drain\","
	"\"weight\":null},{\"service\":\"x\",\"backend\":\"y\",\"state\":null,\"weight\":5}],"
	"\"verdicts\":{\"PASS_NOT_IP\":0,\"DROP_FRAGMENT\":3,\"REDIRECT_NAT\":12051,\"NEW\":1}}";

static void assert_view(void (*show)(struct json_object *reply, FILE *to), const char *json,
			const char *expected)
{
	struct json_object *reply = json_tokener_parse(json);
	FILE *to = print_open();

	assert_non_null(reply);
	show(reply, to);
	json_object_put(reply);
	assert_printed(to, expected);
}

static void the_services_view_names_what_wants_a_look(void **state)
{
	(void)state;
	assert_view(show_services, answer,
		    "SERVICE  STATE      UP         MOVING  PACKETS   BYTES  FORWARD  PROTOCOL  "
		    "PORTS  ADDRESSES                   REASON\n"
		    "web      down   0 of 2              0   12,051  1.2 MB  nat      tcp       "
		    "80     203.0.113.10, 2001:db8::10  IPv6: 0 backends can take new flows, "
		    "min_up is 1\n"
		    "dns      up     1 of 1  1,021 for 12m        0     0 B  dsr      udp       "
		    "any    203.0.113.11\n"
		    "\n"
		    "BACKEND  ADDRESS         STATE   WEIGHT  SHARE  REASON\n"
		    "web/a    [fd00::2]:8080  down       100   0.0%  "
		    "no neighbour for fd00::2 on br0\n"
		    "web/b    10.1.0.3:8080   drain*     100   0.0%  "
		    "draining: no new flows, 1,214 slots held\n"
		    "\n"
		    "* set at run time; lbctl reset SERVICE/BACKEND takes it back\n"
		    "\n"
		    "overrides of backends that the config does not name:\n"
		    "  web/old drain\n"
		    "  x/y weight 5\n"
		    "\n"
		    "interface eth9 is absent\n"
		    "\n"
		    "interface veth-a lost 1,204 frames that were sent to it; "
		    "lbctl doctor may know why\n");
}

static void the_backends_view_has_every_row(void **state)
{
	(void)state;
	assert_view(show_backends, answer,
		    "BACKEND  ADDRESS         STATE      WEIGHT   SHARE  NEW FLOWS  PACKETS   BYTES"
		    "  INTERFACE  MAC                REASON\n"
		    "web/a    10.1.0.2:8080   up            100  100.0%      1,204   12,044  1.2 MB"
		    "  veth-a     02:00:00:00:00:0a\n"
		    "web/a    [fd00::2]:8080  down          100    0.0%          0        0     0 B"
		    "                                no neighbour for fd00::2 on br0\n"
		    "web/b    10.1.0.3:8080   drain*        100    0.0%          1        7   420 B"
		    "  veth-b     02:00:00:00:00:0b  draining: no new flows, 1,214 slots held\n"
		    "dns/c    10.1.0.4        up      40 of 100   33.3%                   0     0 B"
		    "  eth1       02:00:00:00:00:0c\n"
		    "\n"
		    "* set at run time; lbctl reset SERVICE/BACKEND takes it back\n"
		    "\n"
		    "overrides of backends that the config does not name:\n"
		    "  web/old drain\n"
		    "  x/y weight 5\n");
}

static void the_other_views_show_what_happened(void **state)
{
	(void)state;
	assert_view(show_interfaces, answer,
		    "INTERFACE  INDEX  STATE   MODE                 FOR       FRAMES LOST\n"
		    "eth0           2  up      generic, not native  clients             0\n"
		    "eth9              absent                       clients             0\n"
		    "veth-a        17  up                           backends        1,204\n");
	assert_view(show_verdicts, answer,
		    "PACKETS  VERDICT        PACKET WAS  BECAUSE\n"
		    "      3  DROP_FRAGMENT  dropped     a fragment whose first was not seen\n"
		    " 12,051  REDIRECT_NAT   sent on     to a backend, destination translated\n"
		    "      1  NEW                        "
		    "the daemon knows it, this lbctl does not\n"
		    "\n"
		    "1 other verdict never happened\n");
}

static void an_answer_without_anything_in_it_is_survived(void **state)
{
	static const char odd[] = "{\"services\":[null,7,{\"backends\":[null]}],"
				  "\"interfaces\":[3],\"verdicts\":[]}";

	(void)state;
	assert_view(show_services, "{}", "no services\n");
	assert_view(show_backends, "{}", "no backends\n");
	assert_view(show_interfaces, "{}", "no interfaces\n");
	assert_view(show_interfaces, odd, "FOR       FRAMES LOST\n"
					  "backends            0\n");
	assert_view(show_verdicts, "{}", "no packets yet\n");
	assert_view(show_verdicts, odd, "no packets yet\n");
	assert_view(show_backends, odd, "BACKEND  SHARE  PACKETS  BYTES\n"
					"/         0.0%        0    0 B\n");
}

static void a_plan_says_what_it_means(void **state)
{
	(void)state;
	assert_view(change_print,
		    "{\"operations\":[\"- backend web/a 10.1.0.2:8080\"],"
		    "\"services\":[{\"name\":\"web\",\"share_moved\":0.5,\"slots_moving\":0,"
		    "\"slots_moved\":510,\"slots\":1021,\"breaks\":false,\"why\":null,"
		    "\"live_connections\":12044,\"connections_lost\":0},"
		    "{\"name\":\"ssh\",\"share_moved\":0.1,\"slots_moving\":102,"
		    "\"slots_moved\":102,\"slots\":1021,\"breaks\":false,\"why\":null,"
		    "\"live_connections\":null,\"connections_lost\":31}],\"overrides\":0}",
		    "1 operation\n"
		    "  - backend web/a 10.1.0.2:8080\n"
		    "\n"
		    "SERVICE  NEW FLOWS MOVED  SLOTS MOVED     OF  START MOVING  LIVE FLOWS  "
		    "OF THEM LOST\n"
		    "web                50.0%          510  1,021             0      12,044  "
		    "           0\n"
		    "ssh                10.0%          102  1,021           102              "
		    "          31\n");
	assert_view(change_print,
		    "{\"operations\":[],\"services\":[],\"overrides\":0}",
		    "nothing to do: the kernel has it like this already\n");
	assert_view(change_print,
		    "{\"operations\":[\"+ backend web/d 10.1.0.5:8080 by veth-d\",\"~ slots web\"],"
		    "\"services\":[{\"name\":\"web\",\"share_moved\":0.25,\"slots_moving\":0,"
		    "\"slots_moved\":255,\"slots\":1021,\"breaks\":true,"
		    "\"why\":\"ring_size changes\",\"live_connections\":null}],\"overrides\":2}",
		    "2 operations\n"
		    "  + backend web/d 10.1.0.5:8080 by veth-d\n"
		    "  ~ slots web\n"
		    "\n"
		    "SERVICE  NEW FLOWS MOVED  SLOTS MOVED     OF  START MOVING\n"
		    "web                25.0%          255  1,021             0\n"
		    "\n"
		    "service web loses its live flows: ring_size changes\n"
		    "\n"
		    "2 overrides stand over the config, see lbctl show\n");
}

/* ---- client --------------------------------------------------------------------------------- */

#define HANGS "hangs"

static char directory[] = "/tmp/edgelb-test-ctl-XXXXXX";
static char socket_path[64];

/* A child that takes one request, sends `reply` as it stands, and goes; HANGS: it never does. */
static pid_t peer_start(const char *reply)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), peer;
	char request[4096];
	pid_t child;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	unlink(socket_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	child = fork();
	assert_true(child >= 0);
	if (child) {
		close(fd);
		return child;
	}
	peer = accept(fd, NULL, NULL);
	if (read(peer, request, sizeof(request)) <= 0)
		_exit(1);
	if (!strcmp(reply, HANGS))
		for (;;)
			pause();
	_exit(write(peer, reply, strlen(reply)) != (ssize_t)strlen(reply));
}

struct exchange {
	const char *reply;	/* NULL: nobody listens */
	int error;
	const char *diag;	/* how the findings begin, %s the socket */
};

#define HTTP(status, body) "HTTP/1.1 " status " X\r\nConnection: close\r\n\r\n" body

static const struct exchange exchanges[] = {
	{ HTTP("200", "{\"text\":\"done\"}"), 0, "" },
	{ HTTP("409", "{\"errors\":[{\"file\":\"lb.conf\",\"line\":3,\"text\":\"bad\"},"
		      "{\"file\":null,\"line\":0,\"text\":\"worse\"}]}"),
	  -EREMOTEIO, "lb.conf:3: bad\nworse\n" },
	{ HTTP("500", "<html>oops</html>"), -EREMOTEIO,
	  "the daemon refused with HTTP status 500 and no reason\n" },
	{ HTTP("500", "{\"errors\":[]}"), -EREMOTEIO,
	  "the daemon refused with HTTP status 500 and no reason\n" },
	{ HTTP("200", "hello"), -EBADMSG, "what answers at %s does not speak JSON: is it lbd?\n" },
	{ HTTP("200", "[1]"), -EBADMSG, "what answers at %s does not speak JSON: is it lbd?\n" },
	{ HTTP("200", ""), -EBADMSG, "what answers at %s does not speak JSON: is it lbd?\n" },
	{ "SSH-2.0-x\r\n", -EIO, "no answer from the daemon at %s: " },
	{ "", -ECONNRESET, "the daemon at %s hung up before it had answered\n" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"te", -ECONNRESET,
	  "the daemon at %s hung up before it had answered\n" },
	{ HANGS, -ETIMEDOUT, "the daemon at %s did not answer within 0.3 s\n" },
	{ NULL, -ENOTCONN, "no daemon at %s: Connection refused\n" },
};

static void assert_exchange(const struct exchange *exchange)
{
	const struct client client = { .socket = socket_path, .timeout_ms = 300 };
	pid_t peer = exchange->reply ? peer_start(exchange->reply) : 0;
	struct json_object *body = json_tokener_parse("{\"all\":false}"), *reply = NULL;
	_cleanup_diag_ struct diag diag = { 0 };
	char expected[256], *text;

	assert_int_equal(client_call(&client, "POST", "/v1/unload", body, &reply, &diag),
			 exchange->error);
	json_object_put(body);
	snprintf(expected, sizeof(expected), exchange->diag, socket_path);
	text = diag_text(&diag);
	if (expected[0])
		assert_memory_equal(text, expected, strlen(expected));
	else
		assert_string_equal(text, "");
	free(text);
	if (exchange->error)
		assert_null(reply);
	else
		assert_string_equal(field_text(reply, "text"), "done");
	json_object_put(reply);
	if (peer) {
		kill(peer, SIGKILL);
		assert_int_equal(waitpid(peer, NULL, 0), peer);
	}
}

static void whatever_the_peer_does_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(exchanges); i++) {
		print_message("row %zu\n", i);
		assert_exchange(&exchanges[i]);
	}
}

static void nobody_at_the_socket_has_an_error_of_its_own(void **state)
{
	char too_long[200];
	const struct client nowhere = { .socket = "/nonexistent/lbd.sock", .timeout_ms = 300 };
	const struct client far = { .socket = too_long, .timeout_ms = 300 };
	_cleanup_diag_ struct diag diag = { 0 };
	struct json_object *reply = NULL;

	(void)state;
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(client_call(&nowhere, "GET", "/v1/show", NULL, &reply, &diag), -ENOTCONN);
	assert_int_equal(client_call(&far, "GET", "/v1/show", NULL, &reply, &diag), -ENAMETOOLONG);
	assert_int_equal(diag.count, 2);
	assert_null(reply);
}

/* It may well be there: that is no reason for unload to do its work over the pins. */
static void a_socket_that_may_not_be_opened_is_not_a_missing_daemon(void **state)
{
	const struct client client = { .socket = socket_path, .timeout_ms = 300 };
	_cleanup_diag_ struct diag diag = { 0 };
	struct json_object *reply = NULL;
	int error;

	(void)state;
	if (geteuid()) {
		print_message("skipped: only root can become somebody else\n");
		skip();
	}
	assert_int_equal(seteuid(65534), 0);
	error = client_call(&client, "GET", "/v1/show", NULL, &reply, &diag);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(error, -EACCES);
	assert_int_equal(diag.count, 1);
}

static void a_proxy_in_the_environment_is_not_asked(void **state)
{
	(void)state;
	setenv("http_proxy", "http://192.0.2.1:1", 1);
	assert_exchange(&exchanges[0]);
	unsetenv("http_proxy");
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/sock", directory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(socket_path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere_and_mistakes_are_named),
		cmocka_unit_test(an_option_that_stands_too_often_is_refused),
		cmocka_unit_test(backend_names_split_at_the_first_slash),
		cmocka_unit_test(numbers_read_as_people_write_them),
		cmocka_unit_test(tables_are_aligned_and_leave_out_what_is_empty),
		cmocka_unit_test(a_table_without_rows_prints_nothing),
		cmocka_unit_test(the_services_view_names_what_wants_a_look),
		cmocka_unit_test(the_backends_view_has_every_row),
		cmocka_unit_test(the_other_views_show_what_happened),
		cmocka_unit_test(an_answer_without_anything_in_it_is_survived),
		cmocka_unit_test(a_plan_says_what_it_means),
		cmocka_unit_test(whatever_the_peer_does_is_told),
		cmocka_unit_test(nobody_at_the_socket_has_an_error_of_its_own),
		cmocka_unit_test(a_socket_that_may_not_be_opened_is_not_a_missing_daemon),
		cmocka_unit_test(a_proxy_in_the_environment_is_not_asked),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
