/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each run has a socket of its own, which the kernel makes in the cgroup of the test. */
#include "tests/prog/policy_frames.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "build/policy.skel.h"
#include "tests/prog/trials.h"

struct policy_world *world;

bool frame_passes(enum hook hook, unsigned int ifindex, const struct frame *frame)
{
	const struct bpf_program *programs[] = { world->skel->progs.policy_egress,
						 world->skel->progs.policy_ingress,
						 world->skel->progs.policy_backstop };
	struct __sk_buff context = { .ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes,
		    .data_size_in = frame->size, .repeat = 1, .ctx_in = &context,
		    .ctx_size_in = sizeof(context));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(programs[hook]), &options), 0);
	if (hook == BACKSTOP) {
		assert_true((int)options.retval == TC_ACT_UNSPEC || options.retval == TC_ACT_SHOT);
		return options.retval != TC_ACT_SHOT;
	}
	assert_in_range(options.retval, 0, 1);
	return options.retval;
}

bool spec_passes(enum hook hook, const struct spec *spec)
{
	struct frame frame;

	frame_build(spec, &frame);
	return frame_passes(hook, hook == BACKSTOP ? BACK : FRONT, &frame);
}

struct spec spec_of(enum hook hook, bool ipv6, struct host remote, uint8_t protocol,
		    uint16_t local_port, uint16_t remote_port)
{
	bool comes = hook == INGRESS;
	struct spec spec = { .ipv6 = ipv6, .protocol = protocol, .payload = 32 };

	spec.src = comes ? remote : OWN;
	spec.dst = comes ? OWN : remote;
	spec.sport = comes ? remote_port : local_port;
	spec.dport = comes ? local_port : remote_port;
	return spec;
}

const uint8_t own_mac[6] = { 2, 0xcc, 0, 0, 0, 7 };

void port_set(bool strict, uint32_t netns)
{
	struct policy_port port = { .netns = netns, .set = FRONT_SET, .strict = strict };

	memcpy(port.mac, own_mac, 6);
	policy_world_port(world, BACK, &port);
}

void frames_world_open(const struct rule *rules, size_t count)
{
	world = policy_world_open();
	policy_world_fill(world, 0, rules, count);
	policy_world_place(world, "10.1.0.7/32", OTHERS, OWN_NETNS);
	policy_world_place(world, "fd00::7/128", OTHERS, OWN_NETNS);
	port_set(false, OWN_NETNS);
}

int frames_world_down(void **state)
{
	(void)state;
	policy_world_close(world);
	return 0;
}

void world_reset(void)
{
	policy_world_forget(world);
	world->settings->audit = 0;
	policy_world_turn(world, 0);
}

void count_expect(uint32_t rule, uint64_t allowed, uint64_t refused, uint64_t audited)
{
	struct policy_count count = policy_world_count(world, rule);

	assert_int_equal(count.allowed, allowed);
	assert_int_equal(count.refused, refused);
	assert_int_equal(count.audited, audited);
	assert_int_equal(count.told + count.untold, refused + audited);
}
