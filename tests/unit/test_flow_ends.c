/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the flows of one host are called: who began each, by which service, and with whom. */
#include "tests/unit/flow_ground.h"

struct row {
	const char *sentence;
	const char *flow;	/* as flow_of() reads it */
	const char *ends;	/* as ends_text() has them */
};

/* "container shop → web → container web :80", and "elsewhere". */
static const char *ends_text(const struct flow *flow)
{
	static char text[4 * FLOW_NAME_MAX];
	struct flow_ends ends;

	flow_names_ends(names, flow, &ends);
	snprintf(text, sizeof(text), "%s %s → %s%s%s %s :%u%s",
		 flow_node_kind_name(ends.from.kind), ends.from.name,
		 ends.service ? ends.service : "", ends.service ? " → " : "",
		 flow_node_kind_name(ends.to.kind), ends.to.name, ends.port,
		 ends.elsewhere ? " elsewhere" : "");
	return text;
}

static void rows_check(const struct row *rows, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++) {
		const struct flow flow = flow_of(rows[i].flow);
		const char *ends = ends_text(&flow);

		if (!strcmp(ends, rows[i].ends))
			continue;
		printf("# %s:\n#\t%s instead of\n#\t%s\n", rows[i].sentence, ends, rows[i].ends);
		failed++;
	}
	assert_int_equal(failed, 0);
}

static void flows_of_a_client_here(void **state)
{
	static const struct row rows[] = {
		{ "to a container here",
		  "shop tcp 10.1.0.9 40000 > 10.1.0.2 5432",
		  "container shop → container web :5432" },
		{ "to one that is not seen",
		  "shop tcp 10.1.0.9 40000 > 10.1.0.77 5432",
		  "container shop → container unseen :5432" },
		{ "to the world",
		  "shop tcp 10.1.0.9 40000 > 192.0.2.99 443",
		  "container shop → network 192.0.2.0/24 :443" },
		{ "to the world of IPv6",
		  "shop tcp fd00::9 40000 > 2001:db8:7:1:2::3 443",
		  "container shop → network town :443" },
		{ "to a vip, of a nat backend that is a container",
		  "shop tcp 10.1.0.9 40000 > 10.1.0.2 8080 for 203.0.113.10 80",
		  "container shop → web → container web :80" },
		{ "the same of IPv6",
		  "shop tcp fd00::9 40000 > fd00::2 8080 for 2001:db8::10 80",
		  "container shop → web → container web :80" },
		{ "to a vip, of a backend on another host",
		  "shop tcp 10.1.0.9 40000 > 10.9.0.2 8080 for 203.0.113.10 80",
		  "container shop → web → network 10.9.0.0/24 :80" },
		{ "to a vip by the data plane",
		  "shop tcp 10.1.0.9 40000 > 203.0.113.10 80",
		  "container shop → web → service web :80" },
		{ "an exact port comes before a range",
		  "shop tcp 10.1.0.9 40000 > 203.0.113.10 79",
		  "container shop → range → service range :79" },
		{ "a range comes before any port",
		  "shop tcp 10.1.0.9 40000 > 203.0.113.10 91",
		  "container shop → every → service every :91" },
		{ "another protocol is not the service's",
		  "shop udp 10.1.0.9 40000 > 203.0.113.10 80",
		  "container shop → network 203.0.113.0/24 :80" },
		{ "a vip of udp",
		  "shop udp 10.1.0.9 40000 > 203.0.113.53 53",
		  "container shop → dns → service dns :53" },
		{ "quic is udp",
		  "shop udp 10.1.0.9 40000 > 203.0.113.53 5060",
		  "container shop → sip → service sip :5060" },
		{ "a vip that is no longer in lb.conf",
		  "shop tcp 10.1.0.9 40000 > 10.1.0.2 8080 for 203.0.113.99 81",
		  "container shop → container web :81" },
		{ "ping",
		  "shop icmp 10.1.0.9 0 > 10.1.0.2 0",
		  "container shop → container web :0" },
		{ "loopback is nobody's",
		  "shop tcp 127.0.0.1 40000 > 127.0.0.5 6379",
		  "container shop → network 127.0.0.0/8 :6379" },
		{ "nor that of IPv6",
		  "shop tcp ::1 40000 > ::1 6379",
		  "container shop → network ::1/128 :6379" },
		{ "to itself by its own address",
		  "shop tcp 10.1.0.9 40000 > 10.1.0.9 80",
		  "container shop → container shop :80" },
		{ "of the host",
		  "ssh tcp 192.0.2.1 40000 > 10.1.0.2 8080",
		  "container system.slice/ssh.service → container web :8080" },
		{ "of nobody that is known",
		  "4711 tcp 192.0.2.1 40000 > 10.1.0.2 8080",
		  "container cgroup 4711 → container web :8080" },
	};

	(void)state;
	rows_check(rows, ROWS(rows));
}

static void flows_of_a_server_here(void **state)
{
	static const struct row rows[] = {
		{ "from the world by a vip",
		  "web tcp 10.1.0.2 8080 < 192.0.2.99 40000",
		  "network 192.0.2.0/24 → web → container web :80" },
		{ "the same of IPv6",
		  "web tcp fd00::2 8080 < 2001:db8:9::1 40000",
		  "network six → web → container web :80" },
		{ "a backend that keeps the port",
		  "web tcp 10.1.0.2 71 < 192.0.2.99 40000",
		  "network 192.0.2.0/24 → range → container web :71" },
		{ "at a dsr backend's own address",
		  "web tcp 10.1.0.3 500 < 192.0.2.99 40000",
		  "network 192.0.2.0/24 → container web :500" },
		{ "at a port of no service",
		  "web tcp 10.1.0.2 22 < 192.0.2.99 40000",
		  "network 192.0.2.0/24 → container web :22" },
		{ "of another protocol",
		  "web udp 10.1.0.2 8080 < 192.0.2.99 40000",
		  "network 192.0.2.0/24 → container web :8080" },
		{ "of udp by a vip",
		  "web udp 10.1.0.2 53 < 192.0.2.99 40000",
		  "network 192.0.2.0/24 → dns → container web :53" },
		{ "from a neighbour, untranslated",
		  "web tcp 10.1.0.2 8080 < 10.1.0.50 40000",
		  "network 10.1.0.0/24 → container web :8080" },
		{ "a check of the host",
		  "web tcp 10.1.0.2 8080 < 192.0.2.1 40000",
		  "network 192.0.2.0/24 → container web :8080" },
		{ "from a container here, which tells of it",
		  "web tcp 10.1.0.2 8080 < 10.1.0.9 40000",
		  "container shop → container web :8080 elsewhere" },
		{ "from one here that is not seen",
		  "web tcp 10.1.0.2 8080 < 10.1.0.77 40000",
		  "container unseen → container web :8080" },
		{ "for a vip of dsr",
		  "web tcp 203.0.113.10 500 < 192.0.2.99 40000",
		  "network 192.0.2.0/24 → every → container web :500" },
		{ "the same from a container here",
		  "web tcp 203.0.113.10 500 < 10.1.0.9 40000",
		  "container shop → every → container web :500 elsewhere" },
		{ "out of a tunnel",
		  "web udp 203.0.113.53 5060 < 192.0.2.99 40000",
		  "network 192.0.2.0/24 → sip → container web :5060" },
		{ "by loopback",
		  "web tcp 127.0.0.1 8080 < 127.0.0.1 40000",
		  "network 127.0.0.0/8 → container web :8080" },
		{ "from a group's network, the longest",
		  "web tcp 10.1.0.2 22 < 198.51.100.100 40000",
		  "network office → container web :22" },
		{ "from a single address of a group",
		  "web tcp 10.1.0.2 22 < 198.51.100.7 40000",
		  "network office → container web :22" },
		{ "from a group's wider network",
		  "web tcp 10.1.0.2 22 < 198.51.100.200 40000",
		  "network town → container web :22" },
		{ "from one of IPv6",
		  "web tcp fd00::2 22 < 2001:db8:7:9::1 40000",
		  "network town → container web :22" },
	};

	(void)state;
	rows_check(rows, ROWS(rows));
}

static void a_flow_from_before_the_programs_is_told_by_its_ports(void **state)
{
	static const struct row rows[] = {
		{ "an ephemeral port of its own",
		  "shop tcp 10.1.0.9 32768 ? 192.0.2.99 32767",
		  "container shop → network 192.0.2.0/24 :32767" },
		{ "of the other's",
		  "shop tcp 10.1.0.9 80 ? 192.0.2.99 40000",
		  "network 192.0.2.0/24 → container shop :80" },
		{ "neither: the higher one began",
		  "shop tcp 10.1.0.9 1024 ? 192.0.2.99 80",
		  "container shop → network 192.0.2.0/24 :80" },
		{ "neither, the other way",
		  "shop tcp 10.1.0.9 80 ? 192.0.2.99 1024",
		  "network 192.0.2.0/24 → container shop :80" },
		{ "both",
		  "shop tcp 10.1.0.9 50000 ? 192.0.2.99 40000",
		  "container shop → network 192.0.2.0/24 :40000" },
		{ "equal ones",
		  "shop tcp 10.1.0.9 500 ? 192.0.2.99 500",
		  "network 192.0.2.0/24 → container shop :500" },
		{ "equal ones, the other end",
		  "shop tcp 192.0.2.99 500 ? 10.1.0.200 500",
		  "container shop → network 10.1.0.0/24 :500" },
	};

	(void)state;
	rows_check(rows, ROWS(rows));
}

/* Every edge is counted by exactly one of two ends that are both here. */
static void of_two_ends_exactly_one_begins(void **state)
{
	static const uint16_t ports[] = { 0, 53, 500, 32767, 32768, 40000, 65535 };

	(void)state;
	for (size_t i = 0; i < ROWS(ports); i++)
		for (size_t j = 0; j < ROWS(ports); j++) {
			struct flow one = flow_of("web tcp 10.1.0.2 0 ? 10.1.0.9 0");
			struct flow other = flow_of("shop tcp 10.1.0.9 0 ? 10.1.0.2 0");

			one.local_port = other.remote_port = ports[i];
			one.remote_port = other.local_port = ports[j];
			assert_int_not_equal(flow_names_direction(&one),
					     flow_names_direction(&other));
		}
}

/* ---- lb.conf --------------------------------------------------------------------------------- */

static void another_lb_conf_is_taken(void **state)
{
	static const struct row rows[] = {
		{ "no service",
		  "shop tcp 10.1.0.9 40000 > 203.0.113.10 80",
		  "container shop → network 203.0.113.0/24 :80" },
		{ "no group",
		  "web tcp 10.1.0.2 8080 < 198.51.100.7 40000",
		  "network 198.51.100.0/24 → container web :8080" },
		{ "no group of IPv6",
		  "web tcp fd00::2 8080 < 2001:db8:7:9::1 40000",
		  "network 2001:db8:7:9::/64 → container web :8080" },
	};
	const struct config none = { 0 };

	(void)state;
	flow_names_services(names, &none, NULL, 0);
	rows_check(rows, ROWS(rows));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, host_set, host_clear)
	const struct CMUnitTest tests[] = {
		TEST(flows_of_a_client_here),
		TEST(flows_of_a_server_here),
		TEST(a_flow_from_before_the_programs_is_told_by_its_ports),
		TEST(of_two_ends_exactly_one_begins),
		TEST(another_lb_conf_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
