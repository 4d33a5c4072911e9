/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tags where the way to the backend says something about them: taken off, put on, rewritten. That
 * they are kept where it does not is in test_forward.c. */
#include <string.h>

#include "tests/prog/words.h"

#define VIP	((struct host){ "203.0.113.10", "2001:db8::10" })

#define SERVICE(name, protocol, port, forward, more)                                              \
	"{ name = \"" name "-" protocol "\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"      \
	"  protocol = \"" protocol "\"; ports = [ " port " ]; forward = \"" forward "\"; "        \
	"backends = ( { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; " more "} ); }\n"
#define SERVICES(protocol)                                                                        \
	SERVICE("nat", protocol, "80", "nat", "port = 8080; ") ","                                \
	SERVICE("dsr", protocol, "81", "dsr", "")

static const char config[] = "version = 1; services = (\n" SERVICES("tcp") "," SERVICES("udp") ");"
			     "tuning: { hash_seed = \"vlan\"; max_slots = 100000; };";

static const struct ground_hop hops[] = { { "dsr-tcp/a", BACK, true }, { "dsr-udp/a", BACK, true },
					  { 0 } };

struct row {
	const char *sentence;
	uint16_t vlan;		/* of the next hop */
	struct tag in[2], out[2];
};

static const struct row rows[] = {
	{ "a way without VLANs: untagged stays so", LB_VLAN_NONE, { { 0 } }, { { 0 } } },
	{ "a way without VLANs: one tag is taken off", LB_VLAN_NONE, { { 0x8100, 5 } }, { { 0 } } },
	{ "a way without VLANs: both tags are taken off", LB_VLAN_NONE,
	  { { 0x88a8, 5 }, { 0x8100, 6 } }, { { 0 } } },
	{ "another VLAN: a tag is put on", 100, { { 0 } }, { { 0x8100, 100 } } },
	{ "another VLAN: the number changes, the priority stays", 100, { { 0x8100, 0xa005 } },
	  { { 0x8100, 0xa064 } } },
	{ "another VLAN is an 802.1Q one", 4094, { { 0x88a8, 5 } }, { { 0x8100, 4094 } } },
	{ "another VLAN: of two tags one is left", 100, { { 0x88a8, 0x6005 }, { 0x8100, 6 } },
	  { { 0x8100, 0x6064 } } },
	{ "the same VLAN", 5, { { 0x8100, 5 } }, { { 0x8100, 5 } } },
	{ "no word about VLANs: kept", LB_VLAN_KEEP, { { 0x88a8, 5 }, { 0x8100, 6 } },
	  { { 0x88a8, 5 }, { 0x8100, 6 } } },
};

static void way_run(const struct trial *trial, const struct row *row, const char *service,
		    enum lb_verdict verdict)
{
	const struct spec words = { .dport = verdict == LB_REDIRECT_NAT ? 80 : 81, .payload = 33 };
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	const struct backend *backend;
	struct spec in, out;

	backend_name(service, trial, name);
	backend = ground_backend(ground, name, trial->ipv6);
	ground->dataplane->backends[backend->id].hop.vlan = row->vlan;
	spec_complete(&words, trial, VIP, &in);
	memcpy(in.tags, row->in, sizeof(in.tags));
	spec_at_backend(&in, backend, text, &out);
	memcpy(out.tags, row->out, sizeof(out.tags));
	assert_forwarded(&in, &out, name, verdict);
}

static void test_row(void **state)
{
	const struct trial *trial = *state;

	way_run(trial, trial->row, "nat", LB_REDIRECT_NAT);
	way_run(trial, trial->row, "dsr", LB_REDIRECT_DSR);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, ALL, test_row, &rows[i]);
	return trials_run_over(config, hops);
}
