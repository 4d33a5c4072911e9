/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is judged by which rule of the list, as the compiled tables say it. */
#include "tests/unit/compile_ground.h"

/* ---- verdicts -------------------------------------------------------------------------------- */

#define DENY_REST "any any any - deny"

static const struct verdict_row {
	const char *sentence, *rules, *question, *answer;
} verdict_rows[] = {
	{ "the first match wins", "front db tcp 5432 allow; front any any - deny",
	  "web-1 > 172.17.0.3 tcp 5432", "1 allow" },
	{ "what the first does not match goes on", "front db tcp 5432 allow; front any any - deny",
	  "web-1 > 172.17.0.3 tcp 5433", "2 deny" },
	{ "a later rule cannot undo an earlier", "front any any - reject; front db any - allow",
	  "web-1 > 172.17.0.3 tcp 1", "1 reject" },
	{ "the responder's end says the same", "front db tcp 5432 allow; front any any - deny",
	  "db-1 < 172.17.0.2 tcp 5433", "2 deny" },
	{ "a rule has a direction", "front db any - deny", "db-1 > 172.17.0.2 tcp 80", "- allow" },
	{ "no rule: the default", "db front any - deny", "web-1 > 192.0.2.1 udp 53", "- allow" },
	{ "in no group: not touched", DENY_REST, "cache > 172.17.0.3 tcp 5432", "- allow" },
	{ "the host: not touched", DENY_REST, "host > 172.17.0.3 tcp 5432", "- allow" },
	{ "who is in no group is still refused at the other end", "any db any - deny",
	  "db-1 < 172.17.0.5 tcp 5432", "1 deny" },
	{ "in several groups: any of them matches", "back any any - deny",
	  "db-2 > 192.0.2.1 tcp 80", "1 deny" },
	{ "in several groups: the first rule of any", "back any any - reject; db any any - deny",
	  "db-2 > 192.0.2.1 tcp 80", "1 reject" },
	{ "in one of the groups only", "back any any - reject; db any any - deny",
	  "db-1 > 192.0.2.1 tcp 80", "2 deny" },
	{ "several groups from afar", "front back any - deny", "web-1 > 172.17.0.4 tcp 80",
	  "1 deny" },
	{ "audit is in the verdict", "front any any - deny~", "web-1 > 192.0.2.1 tcp 80",
	  "1 deny~" },
	{ "a rule that allows has nothing to tell", "front any any - allow~",
	  "web-1 > 192.0.2.1 tcp 80", "1 allow" },
	{ "a range, first port", "front any tcp 8000-8009 deny", "web-1 > 192.0.2.1 tcp 8000",
	  "1 deny" },
	{ "a range, last port", "front any tcp 8000-8009 deny", "web-1 > 192.0.2.1 tcp 8009",
	  "1 deny" },
	{ "before a range", "front any tcp 8000-8009 deny", "web-1 > 192.0.2.1 tcp 7999",
	  "- allow" },
	{ "behind a range", "front any tcp 8000-8009 deny", "web-1 > 192.0.2.1 tcp 8010",
	  "- allow" },
	{ "a hole in a range", "front any tcp 8005 allow; front any tcp 8000-8009 deny",
	  "web-1 > 192.0.2.1 tcp 8005", "1 allow" },
	{ "behind the hole", "front any tcp 8005 allow; front any tcp 8000-8009 deny",
	  "web-1 > 192.0.2.1 tcp 8006", "2 deny" },
	{ "the last port there is", "front any tcp 65535 deny; front any any - allow",
	  "web-1 > 192.0.2.1 tcp 65535", "1 deny" },
	{ "the next protocol is not the port behind it", "front any tcp 65535 deny",
	  "web-1 > 192.0.2.1 udp 0", "- allow" },
	{ "ports without a protocol: tcp", "front any any 53 deny", "web-1 > 192.0.2.1 tcp 53",
	  "1 deny" },
	{ "ports without a protocol: sctp", "front any any 53 deny", "web-1 > 192.0.2.1 sctp 53",
	  "1 deny" },
	{ "ports without a protocol: not what has none", "front any any 53 deny",
	  "web-1 > 192.0.2.1 gre", "- allow" },
	{ "no ports: every protocol", "front any any - deny", "web-1 > 192.0.2.1 gre", "1 deny" },
	{ "icmp", "front any icmp - deny", "web-1 > 192.0.2.1 icmp", "1 deny" },
	{ "icmp is that of IPv6 too", "front any icmp - deny", "web-1 > 2001:db8::1 icmp6",
	  "1 deny" },
	{ "udp is not tcp", "front any udp 53 deny", "web-1 > 192.0.2.1 tcp 53", "- allow" },
	{ "a group of addresses as responder", "front office any - deny",
	  "web-1 > 198.51.100.7 tcp 80", "1 deny" },
	{ "a group of addresses as initiator", "office front any - deny",
	  "web-1 < 198.51.100.7 tcp 80", "1 deny" },
	{ "beside the group of addresses", "front office any - deny", "web-1 > 198.51.101.7 tcp 80",
	  "- allow" },
	{ "a network", "front 10.0.0.0/8 any - deny", "web-1 > 10.200.0.1 tcp 80", "1 deny" },
	{ "a network in a network: both fit", "front 10.0.0.0/8 any - deny; "
	  "front 10.1.0.0/16 any - allow", "web-1 > 10.1.9.9 tcp 80", "1 deny" },
	{ "a network in a network: the inner first", "front 10.1.0.0/16 any - allow; "
	  "front 10.0.0.0/8 any - deny", "web-1 > 10.1.9.9 tcp 80", "1 allow" },
	{ "a container's address in a network: both fit", "front 172.17.0.0/16 any - deny",
	  "web-1 > 172.17.0.3 tcp 80", "1 deny" },
	{ "::/0 is no IPv4 address", "front ::/0 any - deny", "web-1 > 192.0.2.1 tcp 80",
	  "- allow" },
	{ "::/0 is every IPv6 address", "front ::/0 any - deny", "web-1 > 2001:db8::1 tcp 80",
	  "1 deny" },
	{ "0.0.0.0/0 is every IPv4 address", "front 0.0.0.0/0 any - deny; front ::/0 any - reject",
	  "web-1 > 192.0.2.1 tcp 80", "1 deny" },
	{ "the own address counts", "172.17.0.2 any any - deny", "web-1 > 192.0.2.1 tcp 80",
	  "1 deny" },
	{ "a service by its vip", "front service:web any - allow; front any any - deny",
	  "web-1 > 203.0.113.10 tcp 80", "1 allow" },
	{ "a service once translated", "front service:web any - allow; front any any - deny",
	  "web-1 > 10.1.0.2 tcp 8080", "1 allow" },
	{ "a service whose backend keeps the port", "front service:web any - allow; "
	  "front any any - deny", "web-1 > 10.1.0.3 tcp 80", "1 allow" },
	{ "a vip at another port is no service", "front service:web any - allow; "
	  "front any any - deny", "web-1 > 203.0.113.10 tcp 8080", "2 deny" },
	{ "a backend at another port is no service", "front service:web any - allow; "
	  "front any any - deny", "web-1 > 10.1.0.2 tcp 80", "2 deny" },
	{ "another protocol is no service", "front service:web any - allow; front any any - deny",
	  "web-1 > 203.0.113.10 udp 80", "2 deny" },
	{ "ports of a rule to a service are the vip's", "front service:web tcp 80 deny",
	  "web-1 > 10.1.0.2 tcp 8080", "1 deny" },
	{ "ports that the service has not", "front service:web tcp 81 deny",
	  "web-1 > 10.1.0.2 tcp 8080", "- allow" },
	{ "the own namespace's address passes", DENY_REST, "web-1 > 172.17.0.2 tcp 80",
	  "- allow" },
	{ "loopback passes", DENY_REST, "web-1 > 127.0.0.5 tcp 80", "- allow" },
	{ "loopback of IPv6 passes", DENY_REST, "web-1 > ::1 tcp 80", "- allow" },
	{ "a nested cgroup is in the groups above it", "front any any - deny",
	  "in > 192.0.2.1 tcp 80", "1 deny" },
	{ "and in its own", "nested any any - reject; front any any - deny",
	  "in > 192.0.2.1 tcp 80", "1 reject" },
	{ "what is above is not in those below", "nested any any - reject",
	  "web-1 > 192.0.2.1 tcp 80", "- allow" },
	{ "a namespace", "batch any any - deny", "batch > 192.0.2.1 tcp 80", "1 deny" },
	{ "a namespace from afar", "front batch any - deny", "web-1 > 10.2.0.2 tcp 80", "1 deny" },
	{ "new: what any group is denied", "front db any - deny; db any any - reject",
	  "new > 172.17.0.3 tcp 80", "1 deny" },
	{ "new: a rule counts only where it is a group's first", "front any tcp 80 allow; "
	  "front any any - deny", "new > 192.0.2.1 tcp 80", "1 allow" },
	{ "new: behind that", "front any tcp 80 allow; front any any - deny",
	  "new > 192.0.2.1 tcp 81", "2 deny" },
	{ "new: enforced before told", "front any any - deny~; db any any - reject",
	  "new > 192.0.2.1 tcp 80", "2 reject" },
	{ "new: among equals the first", "jobs any any - deny; db any any - deny",
	  "new > 192.0.2.1 tcp 80", "1 deny" },
	{ "new as responder", "any front any - deny", "new < 192.0.2.1 tcp 80", "1 deny" },
	{ "new: nobody is denied", "front db any - deny", "new > 192.0.2.1 tcp 80", "- allow" },
};

static void each_end_is_judged_by_the_list(void **state)
{
	unsigned int failed = 0;
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(verdict_rows) / sizeof(verdict_rows[0]); i++) {
		const struct verdict_row *row = &verdict_rows[i];
		struct policy_question question;

		ground_make();
		rules_add(row->rules);
		ground_compile();
		question = question_of(row->question);
		answer_text(policy_decide(ground.tables, &question), text);
		if (!strcmp(text, row->answer))
			continue;
		printf("# %s: %s instead of %s\n", row->sentence, text, row->answer);
		failed++;
	}
	assert_int_equal(failed, 0);
}

static const char *asked(const char *question_text)
{
	struct policy_question question = question_of(question_text);
	static char text[32];

	return answer_text(policy_decide(ground.tables, &question), text);
}

static void default_can_deny_and_mode_can_audit(void **state)
{
	(void)state;
	ground_make();
	rules_add("front db tcp 5432 allow");
	ground.policy.deny = true;
	ground_compile();
	assert_string_equal(asked("web-1 > 172.17.0.3 tcp 5432"), "1 allow");
	assert_string_equal(asked("web-1 > 172.17.0.3 tcp 5433"), "- deny");
	assert_string_equal(asked("cache > 172.17.0.3 tcp 5433"), "- allow");
	ground.policy.audit = true;
	ground_compile();
	assert_string_equal(asked("web-1 > 172.17.0.3 tcp 5432"), "1 allow");
	assert_string_equal(asked("web-1 > 172.17.0.3 tcp 5433"), "- deny~");
}

static void own_end_in_a_shared_namespace_is_only_itself(void **state)
{
	(void)state;
	ground_make();
	ground.list[1].cookie = COOKIE(1);	/* db-1 lives in web-1's namespace */
	ground.addresses[1] = addr_of("172.17.0.2");
	rules_add("db any any - allow; front any any - deny; any db any - reject");
	ground_compile();
	assert_string_equal(asked("web-1 > 192.0.2.1 tcp 80"), "2 deny");
	assert_string_equal(asked("db-1 > 192.0.2.1 tcp 80"), "1 allow");
	/* From afar the address is both. */
	assert_string_equal(asked("db-2 < 172.17.0.2 tcp 80"), "1 allow");
	assert_string_equal(asked("batch > 172.17.0.2 tcp 80"), "3 reject");
}

static void address_of_two_namespaces_is_nobodys_own(void **state)
{
	(void)state;
	ground_make();
	ground.addresses[0] = ground.addresses[1] = addr_of("fe80::1");
	rules_add("any front any - deny; any db any - reject");
	ground_compile();
	for (int i = 0; i < 2; i++) {
		struct policy_question question;
		char text[32];

		question = question_of(i ? "db-1 > fe80::1 tcp 80" : "web-1 > fe80::1 tcp 80");
		question.local = addr_of("::");
		answer_text(policy_decide(ground.tables, &question), text);
		assert_string_equal(text, "1 deny");
	}
	assert_string_equal(asked("db-2 > fe80::1 tcp 80"), "1 deny");
}

static void roaming_process_is_in_the_groups_of_both(void **state)
{
	struct policy_question question;
	char text[32];

	(void)state;
	ground_make();
	rules_add("batch any tcp - deny; jobs any udp - reject");
	ground_compile();
	question = question_of("a > 192.0.2.1 tcp 80");
	assert_string_equal(answer_text(policy_decide(ground.tables, &question), text), "- allow");
	question.cookie = COOKIE(9);
	assert_string_equal(answer_text(policy_decide(ground.tables, &question), text), "1 deny");
	question.protocol = IPPROTO_UDP;
	assert_string_equal(answer_text(policy_decide(ground.tables, &question), text), "2 reject");
}

static void unbound_socket_has_no_address_yet(void **state)
{
	struct policy_question question;
	char text[32];

	(void)state;
	ground_make();
	rules_add("::/0 any any - deny; 0.0.0.0/0 any any - deny");
	ground_compile();
	question = question_of("web-1 > 192.0.2.1 tcp 80");
	assert_string_equal(answer_text(policy_decide(ground.tables, &question), text), "2 deny");
	question.local = addr_of("0.0.0.0");
	assert_string_equal(answer_text(policy_decide(ground.tables, &question), text), "- allow");
	question.local = addr_of("::");
	assert_string_equal(answer_text(policy_decide(ground.tables, &question), text), "- allow");
}

/* A member in the host's network, whose addresses are nobody's to themselves. */
static void a_connection_to_its_own_address_passes(void **state)
{
	struct policy_question question;
	char text[32];

	(void)state;
	ground_make();
	rules_add(DENY_REST);
	ground_compile();
	question = question_of("web-1 > 192.0.2.1 tcp 80");
	question.local = addr_of("192.0.2.1");
	assert_string_equal(answer_text(policy_decide(ground.tables, &question), text), "- allow");
	question.local = addr_of("192.0.2.2");
	assert_string_not_equal(answer_text(policy_decide(ground.tables, &question), text),
				"- allow");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_end_is_judged_by_the_list),
		cmocka_unit_test(default_can_deny_and_mode_can_audit),
		cmocka_unit_test(own_end_in_a_shared_namespace_is_only_itself),
		cmocka_unit_test(address_of_two_namespaces_is_nobodys_own),
		cmocka_unit_test(roaming_process_is_in_the_groups_of_both),
		cmocka_unit_test(unbound_socket_has_no_address_yet),
		cmocka_unit_test(a_connection_to_its_own_address_passes),
	};

	return cmocka_run_group_tests(tests, NULL, ground_leave);
}
