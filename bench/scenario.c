/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The matrix, and what its scenarios are called. Not every product of its dimensions: each is
 * varied against one base point, which is IPv4 dsr with a million settled flows in the smallest
 * frames, to one service of ten backends. */
#include "bench/scenario.h"

#include <string.h>

#define U (IN_COST | IN_MPPS)
#define L (IN_COST_LATER | IN_MPPS_LATER)

#define ROW(family, forward, flows, motion, in)                                                   \
	{ TRAFFIC_SERVICE, family, forward, flows, motion, in, SIZE_64, false, 0, 0 }

/* 1 and 64k flows are measured by `few`, 1M by `many`. */
#define FLOWS(family, forward, motion, few, many)                                                 \
	ROW(family, forward, 1, motion, few),                                                     \
	ROW(family, forward, 1 << 16, motion, few),                                               \
	ROW(family, forward, 1 << 20, motion, many)

#define BASE(traffic, forward, in, size, zipf, services, backends)                                \
	{ traffic, IPV4, forward, 1 << 20, AT_REST, in, size, zipf, services, backends }

#define OTHER(traffic, family, forward, flows, motion)                                            \
	{ traffic, family, forward, flows, motion, IN_COST, SIZE_64, false, 0, 0 }

const struct scenario scenarios[] = {
	FLOWS(IPV4, CONFIG_NAT, AT_REST, U, U),
	FLOWS(IPV4, CONFIG_DSR, AT_REST, U, U),
	FLOWS(IPV6, CONFIG_NAT, AT_REST, L, U),
	FLOWS(IPV6, CONFIG_DSR, AT_REST, L, U),
	FLOWS(IPV4, CONFIG_IPIP, AT_REST, L, U),
	FLOWS(IPV6, CONFIG_IPIP, AT_REST, L, U),
	FLOWS(IPV4, CONFIG_GUE, AT_REST, L, U),
	ROW(IPV4, CONFIG_DSR, 1 << 4, AT_REST, IN_COST_LATER),
	ROW(IPV4, CONFIG_DSR, 1 << 8, AT_REST, IN_COST_LATER),
	ROW(IPV4, CONFIG_DSR, 1 << 12, AT_REST, IN_COST_LATER),
	ROW(IPV4, CONFIG_DSR, 1 << 18, AT_REST, IN_COST_LATER),
	BASE(TRAFFIC_SERVICE, CONFIG_DSR, L, SIZE_512, false, 0, 0),
	BASE(TRAFFIC_SERVICE, CONFIG_DSR, IN_COST_LATER | IN_MPPS, SIZE_1500, false, 0, 0),
	BASE(TRAFFIC_SERVICE, CONFIG_DSR, IN_MPPS, SIZE_IMIX, false, 0, 0),
	BASE(TRAFFIC_SERVICE, CONFIG_NAT, IN_MPPS_LATER, SIZE_1500, false, 0, 0),
	BASE(TRAFFIC_SERVICE, CONFIG_NAT, IN_MPPS_LATER, SIZE_IMIX, false, 0, 0),
	BASE(TRAFFIC_SERVICE, CONFIG_DSR, U, SIZE_64, true, 0, 0),
	BASE(TRAFFIC_SERVICE, CONFIG_NAT, L, SIZE_64, true, 0, 0),
	BASE(TRAFFIC_SYN, CONFIG_DSR, U, SIZE_64, false, 0, 0),
	BASE(TRAFFIC_SERVICE, CONFIG_DSR, L, SIZE_64, false, 0, 3),
	BASE(TRAFFIC_SERVICE, CONFIG_DSR, L, SIZE_64, false, 0, 100),
	BASE(TRAFFIC_SERVICE, CONFIG_DSR, IN_COST | IN_MPPS_LATER, SIZE_64, false, 0, 1000),
	BASE(TRAFFIC_SERVICE, CONFIG_DSR, IN_COST_LATER, SIZE_64, false, 10, 0),
	BASE(TRAFFIC_SERVICE, CONFIG_DSR, L, SIZE_64, false, 100, 0),
	BASE(TRAFFIC_SERVICE, CONFIG_DSR, U, SIZE_64, false, 1000, 0),
	BASE(TRAFFIC_SERVICE, CONFIG_NAT, L, SIZE_64, false, 1000, 0),
	FLOWS(IPV4, CONFIG_NAT, ALL_MOVING, IN_COST_LATER, IN_COST | IN_MPPS_LATER),
	FLOWS(IPV4, CONFIG_DSR, ALL_MOVING, IN_COST, U),
	FLOWS(IPV6, CONFIG_NAT, ALL_MOVING, IN_COST_LATER, IN_COST),
	FLOWS(IPV6, CONFIG_DSR, ALL_MOVING, IN_COST_LATER, IN_COST),
	/* One flow has one slot, which is moving or is not. */
	ROW(IPV4, CONFIG_NAT, 1 << 16, TENTH_MOVING, IN_COST_LATER),
	ROW(IPV4, CONFIG_NAT, 1 << 20, TENTH_MOVING, IN_COST_LATER),
	ROW(IPV4, CONFIG_DSR, 1 << 16, TENTH_MOVING, IN_COST_LATER),
	ROW(IPV4, CONFIG_DSR, 1 << 20, TENTH_MOVING, IN_COST | IN_MPPS_LATER),
	ROW(IPV4, CONFIG_DSR, 1 << 20, 25, IN_COST_LATER),
	ROW(IPV4, CONFIG_DSR, 1 << 20, 50, IN_COST_LATER),
	ROW(IPV4, CONFIG_DSR, 1 << 20, 75, IN_COST_LATER),
	OTHER(TRAFFIC_NEW, IPV4, CONFIG_DSR, 1 << 20, ALL_MOVING),
	OTHER(TRAFFIC_FLOOD, IPV4, CONFIG_DSR, 1 << 20, ALL_MOVING),
	OTHER(TRAFFIC_OTHER_PORT, IPV4, CONFIG_NAT, 1 << 20, AT_REST),
	OTHER(TRAFFIC_OTHER_PORT, IPV6, CONFIG_NAT, 1 << 20, AT_REST),
	OTHER(TRAFFIC_ICMP, IPV4, CONFIG_NAT, 1, AT_REST),
	OTHER(TRAFFIC_ARP, IPV4, CONFIG_NAT, 1, AT_REST),
};
const size_t scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);

unsigned int scenario_services(const struct scenario *scenario)
{
	return scenario->services ? scenario->services : 1;
}

unsigned int scenario_backends(const struct scenario *scenario)
{
	return scenario->backends ? scenario->backends : SCENARIO_BACKENDS;
}

bool scenario_is_in(const struct scenario *scenario, unsigned int part, bool whole_matrix)
{
	return scenario->parts & part || (whole_matrix && scenario->parts & part << 1);
}

bool scenario_is_plain(const struct scenario *scenario)
{
	return scenario->traffic == TRAFFIC_SERVICE && scenario->size == SIZE_64 &&
	       !scenario->zipf && !scenario->services && !scenario->backends;
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

static const char *flows_name(uint32_t flows, const char *million)
{
	static char name[16];

	if (flows == 1 << 20)
		return million;
	if (flows >= 1024)
		snprintf(name, sizeof(name), "%uk", flows / 1024);
	else
		snprintf(name, sizeof(name), "%u", flows);
	return name;
}

const char *flows_title(uint32_t flows)
{
	return flows_name(flows, "1M");
}

/* TCP to a service: "ipv4.dsr.1m", and a word for each thing that is not as in most. */
static void service_name(const struct scenario *scenario, const char *family, char *name)
{
	static const char *const sizes[] = { "", ".512", ".1500", ".imix" };
	char moving[24] = "", services[24] = "", backends[24] = "";

	if (scenario->moving == TENTH_MOVING)
		strcpy(moving, ".tenth");
	else if (scenario->moving == ALL_MOVING)
		strcpy(moving, ".moving");
	else if (scenario->moving)
		snprintf(moving, sizeof(moving), ".moving%u", scenario->moving);
	if (scenario->services)
		snprintf(services, sizeof(services), ".s%u", scenario->services);
	if (scenario->backends)
		snprintf(backends, sizeof(backends), ".b%u", scenario->backends);
	snprintf(name, SCENARIO_NAME_MAX, "%s.%s.%s%s%s%s%s%s%s", family,
		 config_forward_name(scenario->forward), flows_name(scenario->flows, "1m"),
		 moving, sizes[scenario->size], scenario->zipf ? ".zipf" : "",
		 scenario->traffic == TRAFFIC_SYN ? ".syn" : "", services, backends);
}

const char *scenario_name(const struct scenario *scenario, char *name)
{
	const char *family = scenario->family == IPV4 ? "ipv4" : "ipv6";

	switch (scenario->traffic) {
	case TRAFFIC_SERVICE:
	case TRAFFIC_SYN:
		service_name(scenario, family, name);
		break;
	case TRAFFIC_NEW:
	case TRAFFIC_FLOOD:
		snprintf(name, SCENARIO_NAME_MAX, "%s.%s.%s", family,
			 config_forward_name(scenario->forward),
			 scenario->traffic == TRAFFIC_NEW ? "new" : "flood");
		break;
	case TRAFFIC_OTHER_PORT:
		snprintf(name, SCENARIO_NAME_MAX, "%s.pass.%s", family,
			 flows_name(scenario->flows, "1m"));
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
	case TRAFFIC_OTHER_PORT:
		snprintf(title, sizeof(title), "%s, no service", family);
		break;
	case TRAFFIC_ICMP:
		snprintf(title, sizeof(title), "%s, ICMP", family);
		break;
	case TRAFFIC_ARP:
		return "ARP";
	default:
		snprintf(title, sizeof(title), "%s %s", family,
			 config_forward_name(scenario->forward));
	}
	return title;
}

const char *scenario_variation(const struct scenario *scenario)
{
	static const char *const sizes[] = { "", "frames of 512 bytes", "packets of 1,500 bytes",
					     "IMIX: 7 x 64, 4 x 594, 1 x 1,518" };
	static char text[48];

	if (scenario->size)
		return sizes[scenario->size];
	if (scenario->traffic == TRAFFIC_SYN)
		return "SYNs only";
	if (scenario->zipf)
		snprintf(text, sizeof(text), "Zipf's flows, exponent %.1f", SCENARIO_EXPONENT);
	else if (scenario->services)
		snprintf(text, sizeof(text), "%u services of %u backends", scenario->services,
			 scenario_backends(scenario));
	else if (scenario->moving)
		snprintf(text, sizeof(text), "%u%% of the slots moving, recorded",
			 scenario->moving);
	else
		snprintf(text, sizeof(text), "%u backends", scenario_backends(scenario));
	return text;
}
