/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets and configs of the matrix. Vips are those of RFC 5737 and RFC 3849 (documentation);
 * clients are 10.0.0.0/12 (see vary.bpf.h), backends 10.64.0.0/12. */
#include "bench/scenario.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <string.h>

#define SERVICE_PORT 80
#define BACKEND_PORT 8080
#define FRAME_MIN    60	/* a frame of 64 bytes without its checksum */

#define FLOWS(family, forward, motion)                                                            \
	{ TRAFFIC_SERVICE, family, forward, 1, motion },                                          \
	{ TRAFFIC_SERVICE, family, forward, 1 << 16, motion },                                    \
	{ TRAFFIC_SERVICE, family, forward, 1 << 20, motion }

const struct scenario scenarios[] = {
	FLOWS(IPV4, CONFIG_NAT, AT_REST),
	FLOWS(IPV4, CONFIG_DSR, AT_REST),
	FLOWS(IPV6, CONFIG_NAT, AT_REST),
	FLOWS(IPV6, CONFIG_DSR, AT_REST),
	FLOWS(IPV4, CONFIG_IPIP, AT_REST),
	FLOWS(IPV6, CONFIG_IPIP, AT_REST),
	FLOWS(IPV4, CONFIG_GUE, AT_REST),
	FLOWS(IPV4, CONFIG_NAT, ALL_MOVING),
	FLOWS(IPV4, CONFIG_DSR, ALL_MOVING),
	FLOWS(IPV6, CONFIG_NAT, ALL_MOVING),
	FLOWS(IPV6, CONFIG_DSR, ALL_MOVING),
	/* One flow has one slot, which is moving or is not. */
	{ TRAFFIC_SERVICE, IPV4, CONFIG_NAT, 1 << 16, TENTH_MOVING },
	{ TRAFFIC_SERVICE, IPV4, CONFIG_NAT, 1 << 20, TENTH_MOVING },
	{ TRAFFIC_SERVICE, IPV4, CONFIG_DSR, 1 << 16, TENTH_MOVING },
	{ TRAFFIC_SERVICE, IPV4, CONFIG_DSR, 1 << 20, TENTH_MOVING },
	{ TRAFFIC_NEW, IPV4, CONFIG_DSR, 1 << 20, ALL_MOVING },
	{ TRAFFIC_FLOOD, IPV4, CONFIG_DSR, 1 << 20, ALL_MOVING },
	{ TRAFFIC_OTHER_PORT, IPV4, CONFIG_NAT, 1 << 20, AT_REST },
	{ TRAFFIC_OTHER_PORT, IPV6, CONFIG_NAT, 1 << 20, AT_REST },
	{ TRAFFIC_ICMP, IPV4, CONFIG_NAT, 1, AT_REST },
	{ TRAFFIC_ARP, IPV4, CONFIG_NAT, 1, AT_REST },
};
const size_t scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);

bool scenario_is_steady(const struct scenario *scenario)
{
	return scenario->traffic == TRAFFIC_SERVICE && scenario->motion == AT_REST;
}

bool scenario_wraps(const struct scenario *scenario)
{
	return scenario->forward == CONFIG_IPIP || scenario->forward == CONFIG_GUE;
}

bool scenario_is_of_new_flows(const struct scenario *scenario)
{
	return scenario->traffic == TRAFFIC_NEW || scenario->traffic == TRAFFIC_FLOOD;
}

/* ---- names ---------------------------------------------------------------------------------- */

const char *flows_title(uint32_t flows)
{
	return flows == 1 ? "1" : flows == 1 << 16 ? "64k" : "1M";
}

const char *scenario_name(const struct scenario *scenario, char *name)
{
	static const char *const motions[] = { "", ".tenth", ".moving" };
	const char *family = scenario->family == IPV4 ? "ipv4" : "ipv6";
	const char *flows = scenario->flows == 1 ? "1" : scenario->flows == 1 << 16 ? "64k" : "1m";

	switch (scenario->traffic) {
	case TRAFFIC_SERVICE:
		snprintf(name, SCENARIO_NAME_MAX, "%s.%s.%s%s", family,
			 config_forward_name(scenario->forward), flows,
			 motions[scenario->motion]);
		break;
	case TRAFFIC_NEW:
	case TRAFFIC_FLOOD:
		snprintf(name, SCENARIO_NAME_MAX, "%s.%s.%s", family,
			 config_forward_name(scenario->forward),
			 scenario->traffic == TRAFFIC_NEW ? "new" : "flood");
		break;
	case TRAFFIC_OTHER_PORT:
		snprintf(name, SCENARIO_NAME_MAX, "%s.pass.%s", family, flows);
		break;
	case TRAFFIC_ICMP:
		snprintf(name, SCENARIO_NAME_MAX, "%s.icmp", family);
		break;
	case TRAFFIC_ARP:
		snprintf(name, SCENARIO_NAME_MAX, "arp");
		break;
	}
	return name;
}

const char *scenario_title(const struct scenario *scenario)
{
	static char title[SCENARIO_NAME_MAX];
	const char *family = scenario->family == IPV4 ? "IPv4" : "IPv6";

	switch (scenario->traffic) {
	case TRAFFIC_SERVICE:
	case TRAFFIC_NEW:
	case TRAFFIC_FLOOD:
		snprintf(title, sizeof(title), "%s %s", family,
			 config_forward_name(scenario->forward));
		break;
	case TRAFFIC_OTHER_PORT:
		snprintf(title, sizeof(title), "%s, no service", family);
		break;
	case TRAFFIC_ICMP:
		snprintf(title, sizeof(title), "%s, ICMP", family);
		break;
	case TRAFFIC_ARP:
		return "ARP";
	}
	return title;
}

/* ---- packets -------------------------------------------------------------------------------- */

/* Each way of forwarding has its own vip, 192.0.2.1 and on, 2001:db8::1 and on. */
static unsigned int vip_number(enum config_forward forward)
{
	return 1 + forward;
}

/* Checksums are left at zero: the flows would make them wrong, and nobody on the bench's ground
 * looks at them. What lb does to them is the same. */
static size_t ipv4_fill(const struct scenario *scenario, uint8_t *frame)
{
	struct iphdr *ip = (void *)(frame + ETH_HLEN);

	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = scenario->traffic == TRAFFIC_ICMP ? IPPROTO_ICMP : IPPROTO_TCP;
	ip->tot_len = htons(sizeof(*ip) + sizeof(struct tcphdr));
	ip->saddr = htonl(0x0a000001);
	ip->daddr = htonl(0xc0000200 + vip_number(scenario->forward));
	return ETH_HLEN + sizeof(*ip);
}

static size_t ipv6_fill(const struct scenario *scenario, uint8_t *frame)
{
	struct ipv6hdr *ip = (void *)(frame + ETH_HLEN);
	static const uint8_t client[16] = { 0x20, 0x01, 0x0d, 0xb8, 1 };
	static const uint8_t vip[15] = { 0x20, 0x01, 0x0d, 0xb8 };

	ip->version = 6;
	ip->hop_limit = 64;
	ip->nexthdr = IPPROTO_TCP;
	ip->payload_len = htons(sizeof(struct tcphdr));
	memcpy(&ip->saddr, client, sizeof(client));
	memcpy(&ip->daddr, vip, sizeof(vip));
	ip->daddr.s6_addr[15] = vip_number(scenario->forward);
	return ETH_HLEN + sizeof(*ip);
}

static size_t tcp_fill(const struct scenario *scenario, bool syn, uint8_t *frame, size_t offset)
{
	struct tcphdr *tcp = (void *)(frame + offset);
	bool other = scenario->traffic == TRAFFIC_OTHER_PORT;

	tcp->source = htons(1024);
	tcp->dest = htons(other ? SERVICE_PORT + 1 : SERVICE_PORT);
	tcp->seq = htonl(!syn);
	tcp->doff = 5;
	tcp->syn = syn;
	tcp->ack = !syn;
	tcp->window = htons(1024);
	return offset + sizeof(*tcp);
}

static size_t frame_fill(const struct scenario *scenario, bool syn, uint8_t *frame)
{
	static const uint8_t macs[12] = { 0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1 };
	struct ethhdr *eth = (void *)frame;
	bool ipv6 = scenario->family == IPV6;
	size_t size;

	memset(frame, 0, BENCH_FRAME_MAX);
	memcpy(frame, macs, sizeof(macs));
	if (scenario->traffic == TRAFFIC_ARP) {
		eth->h_proto = htons(ETH_P_ARP);
		return FRAME_MIN;
	}
	eth->h_proto = htons(ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	size = ipv6 ? ipv6_fill(scenario, frame) : ipv4_fill(scenario, frame);
	if (scenario->traffic != TRAFFIC_ICMP)
		size = tcp_fill(scenario, syn, frame, size);
	return size < FRAME_MIN ? FRAME_MIN : size;
}

/* The backends have addresses of both families: the outer header is of the inner's. */
static uint8_t wrap_bytes(const struct scenario *scenario)
{
	uint8_t ip = scenario->family == IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	if (!scenario_wraps(scenario))
		return 0;
	return scenario->forward == CONFIG_GUE ? ip + sizeof(struct udphdr) : ip;
}

size_t scenario_frame(const struct scenario *scenario, struct bench_run *run)
{
	run->ipv6 = scenario->family == IPV6;
	run->wrap = wrap_bytes(scenario);
	run->varies = scenario->traffic <= TRAFFIC_OTHER_PORT;
	run->renews = scenario_is_of_new_flows(scenario);
	run->flow_mask = scenario->flows - 1;
	frame_fill(scenario, true, run->syn);
	return frame_fill(scenario, run->renews, run->frame);
}

/* ---- configs -------------------------------------------------------------------------------- */

static unsigned int backend_count(const struct scenario_config *config)
{
	return SCENARIO_BACKENDS + config->before;
}

static void backend_write(const struct scenario_config *config, enum config_forward forward,
			  unsigned int number, FILE *to)
{
	unsigned int low = forward * 256 + number;

	if (number > SCENARIO_BACKENDS)
		fprintf(to, "    { name = \"%s\"; weight = 0;", SCENARIO_BEFORE);
	else
		fprintf(to, "    { name = \"b%u\";", number);
	fprintf(to, " address = [ \"10.64.%u.%u\", \"fd00::%x\" ];", low / 256, low % 256, low);
	if (forward == CONFIG_NAT)
		fprintf(to, " port = %d;", BACKEND_PORT);
	if (config->interface[forward])
		fprintf(to, " mac = \"02:00:00:00:01:%02x\"; interface = \"%s\";", number,
			config->interface[forward]);
	fprintf(to, " }%s\n", number < backend_count(config) ? "," : "");
}

static void service_write(const struct scenario_config *config, enum config_forward forward,
			  FILE *to)
{
	const char *name = config_forward_name(forward);
	unsigned int vip = vip_number(forward);

	fprintf(to, "  { name = \"bench-%s\"; forward = \"%s\"; protocol = \"tcp\";\n"
		    "    vips = [ \"192.0.2.%u\", \"2001:db8::%x\" ]; ports = [ %d ];\n"
		    "    check: { type = \"none\"; };\n",
		name, name, vip, vip, SERVICE_PORT);
	if (forward == CONFIG_IPIP || forward == CONFIG_GUE)
		fputs("    encap_source = [ \"192.0.2.254/32\", \"2001:db8::fe/128\" ];\n", to);
	fputs("    backends = (\n", to);
	for (unsigned int b = 1; b <= backend_count(config); b++)
		backend_write(config, forward, b, to);
	fputs("    ); }", to);
}

void scenario_config_write(const struct scenario_config *config, FILE *to)
{
	const char *before = "";

	fputs("version = 1;\ninterfaces = (", to);
	for (int i = 0; i < 2 && config->fronts[i]; i++)
		fprintf(to, "%s { name = \"%s\"; mode = \"native\"; }", i ? "," : "",
			config->fronts[i]);
	fputs(" );\nservices = (\n", to);
	for (int forward = CONFIG_NAT; forward <= CONFIG_GUE; forward++) {
		if (!config->forward[forward])
			continue;
		fputs(before, to);
		service_write(config, forward, to);
		before = ",\n";
	}
	fputs("\n);\ntuning: { hash_seed = \"edgelb bench\"; };\n", to);
}
