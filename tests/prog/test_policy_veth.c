/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What leaves a container by its veth: the backstop, strict and not, by test runs. */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "tests/prog/policy_frames.h"
#include "tests/prog/trials.h"

enum { TO_OFFICE, TO_OTHERS_DNS, TO_OTHERS, RULES };

static const struct rule rules[RULES] = {
	[TO_OFFICE] = { OFFICE, true, 0, 0, 0, POLICY_REJECT, false },
	[TO_OTHERS_DNS] = { OTHERS, true, IPPROTO_UDP, 53, 53, POLICY_ALLOW, false },
	[TO_OTHERS] = { OTHERS, true, 0, 0, 0, POLICY_DENY, false },
};

static void arp_build(const uint8_t *mac, const uint8_t *sender_mac, uint8_t host,
		      struct frame *frame)
{
	static const uint8_t head[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };

	memset(frame, 0, sizeof(*frame));
	memset(frame->bytes, 0xff, 6);
	memcpy(frame->bytes + 6, mac, 6);
	memcpy(frame->bytes + 12, head, sizeof(head));
	memcpy(frame->bytes + 22, sender_mac, 6);
	memcpy(frame->bytes + 28, (uint8_t[]){ 10, 1, 0, host }, 4);
	frame->size = 60;
}

static void test_strict_lets_only_own_arp_leave(void **state)
{
	static const uint8_t other_mac[6] = { 2, 0xcc, 0, 0, 0, 8 };
	struct frame frame;

	(void)state;
	world_reset();
	arp_build(other_mac, other_mac, 9, &frame);
	port_set(false, OWN_NETNS);
	assert_true(frame_passes(BACKSTOP, BACK, &frame));
	port_set(true, OWN_NETNS);
	assert_false(frame_passes(BACKSTOP, BACK, &frame));
	arp_build(own_mac, other_mac, 7, &frame);
	assert_false(frame_passes(BACKSTOP, BACK, &frame));
	arp_build(own_mac, own_mac, 9, &frame);
	assert_false(frame_passes(BACKSTOP, BACK, &frame));
	arp_build(own_mac, own_mac, 7, &frame);
	assert_true(frame_passes(BACKSTOP, BACK, &frame));
	memset(frame.bytes + 28, 0, 4); /* a probe */
	assert_true(frame_passes(BACKSTOP, BACK, &frame));
	frame.bytes[13] = 0x99; /* no ethertype of IP's */
	assert_false(frame_passes(BACKSTOP, BACK, &frame));
	port_set(false, OWN_NETNS);
	assert_true(frame_passes(BACKSTOP, BACK, &frame));
	count_expect(POLICY_RULE_SOCKETS, 0, 4, 0);
}

static void test_strict_lets_only_own_frames_leave(void **state)
{
	const struct trial *trial = *state;
	struct spec spec = spec_of(BACKSTOP, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53);

	world_reset();
	assert_true(spec_passes(BACKSTOP, &spec));
	port_set(true, OWN_NETNS);
	assert_false(spec_passes(BACKSTOP, &spec));
	memcpy(spec.src_mac, own_mac, 6);
	assert_true(spec_passes(BACKSTOP, &spec));
	port_set(false, OWN_NETNS);
}

/* In DB's addresses FRONT is as BATCH, which may not begin with others. */
static void test_forged_source_is_of_no_network_at_the_veth(void **state)
{
	struct policy_class batch = { PARTIES + BATCH_SET, PARTIES + BATCH_SET };
	struct spec spec = spec_of(BACKSTOP, false, OTHER_HOST, IPPROTO_UDP, 4000, 53);
	uint32_t key = FRONT_SET * PARTIES + DB;
	int fd = policy_world_table(world, "policy_unions", 0);

	(void)state;
	world_reset();
	policy_world_batch(world);
	assert_int_equal(bpf_map_update_elem(fd, &key, &batch, 0), 0);
	close(fd);
	spec.src.ipv4 = "192.0.2.50";
	assert_false(spec_passes(EGRESS, &spec));
	assert_true(spec_passes(BACKSTOP, &spec));
	policy_world_place(world, "192.0.2.51/32", DB, OWN_NETNS);
	spec.src.ipv4 = "192.0.2.51";
	assert_false(spec_passes(BACKSTOP, &spec));
	policy_world_fill(world, 0, rules, RULES);
}

static void test_a_tag_hides_nothing(void **state)
{
	const struct trial *trial = *state;
	struct spec spec = spec_of(BACKSTOP, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 54);

	world_reset();
	spec.tags[0] = (struct tag){ 0x8100, 5 };
	assert_false(spec_passes(BACKSTOP, &spec));
	spec.dport = 53;
	assert_true(spec_passes(BACKSTOP, &spec));
	count_expect(TO_OTHERS, 0, 1, 0);
}

static void test_other_interfaces_are_nobodys(void **state)
{
	const struct trial *trial = *state;
	struct spec spec = spec_of(BACKSTOP, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 54);
	struct frame frame;

	world_reset();
	frame_build(&spec, &frame);
	assert_true(frame_passes(BACKSTOP, SLIM, &frame));
	assert_false(frame_passes(BACKSTOP, BACK, &frame));
}

static int up(void **state)
{
	struct policy_sockets sockets = { .deny = POLICY_SOCKET_PACKET };

	(void)state;
	frames_world_open(rules, RULES);
	sockets.verdict[1] = POLICY_VERDICT(POLICY_RULE_SOCKETS, POLICY_DENY, 0);
	policy_world_sockets(world, FRONT_SET, &sockets);
	return 0;
}

static int tests(void)
{
	enum kinds both = UDP4 | UDP6;

	trial_add("strict lets only own ARP leave", ONCE, test_strict_lets_only_own_arp_leave,
		  NULL);
	trial_add("strict lets only own frames leave", both,
		  test_strict_lets_only_own_frames_leave, NULL);
	trial_add("a forged source is of no network at the veth", ONCE,
		  test_forged_source_is_of_no_network_at_the_veth, NULL);
	trial_add("a tag hides nothing", both, test_a_tag_hides_nothing, NULL);
	trial_add("other interfaces are nobody's", both, test_other_interfaces_are_nobodys, NULL);
	return trials_run(up, frames_world_down);
}

int main(void)
{
	return policy_world_run(tests);
}
