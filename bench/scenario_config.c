/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lb.conf of a scenario, for private tables (rig.c) and for a running lbd. Backends are
 * 10.64.0.0/12 and fd00::/96, each with an address of both families. */
#include "bench/scenario.h"

#define BACKEND_PORT 8080
#define FULL_WEIGHT  100

unsigned int scenario_vip(enum config_forward forward, unsigned int service)
{
	return 1 + forward * 8192 + service;
}

static unsigned int services_of(const struct scenario_config *config)
{
	return config->services ? config->services : 1;
}

static unsigned int backends_of(const struct scenario_config *config)
{
	return config->backends ? config->backends : SCENARIO_BACKENDS;
}

/* So that SCENARIO_BEFORE, the last one, has its share of the ring, or has left it. */
static unsigned int weight_of(const struct scenario_config *config, bool last)
{
	unsigned int share = config->before_share;

	if (config->before != BEFORE_OWNS)
		return last ? 0 : FULL_WEIGHT;
	return last ? share * backends_of(config) : FULL_WEIGHT - share;
}

static void backend_write(const struct scenario_config *config, enum config_forward forward,
			  unsigned int service, unsigned int number, FILE *to)
{
	unsigned int count = backends_of(config) + (config->before != NO_BEFORE);
	unsigned int low = (forward << 18) + service * count + number;
	bool last = number > backends_of(config);

	if (last)
		fprintf(to, "    { name = \"%s\";", SCENARIO_BEFORE);
	else
		fprintf(to, "    { name = \"b%u\";", number);
	fprintf(to, " weight = %u; address = [ \"10.%u.%u.%u\"", weight_of(config, last),
		64 + (low >> 16), low >> 8 & 255, low & 255);
	if (services_of(config) == 1)
		fprintf(to, ", \"fd00::%x:%x\"", low >> 16, low & 0xffff);
	fputs(" ];", to);
	if (forward == CONFIG_NAT)
		fprintf(to, " port = %d;", BACKEND_PORT);
	if (config->interface[forward])
		fprintf(to, " mac = \"02:00:00:01:%02x:%02x\"; interface = \"%s\";",
			low >> 8 & 255, low & 255, config->interface[forward]);
	fprintf(to, " }%s\n", number < count ? "," : "");
}

static void service_write(const struct scenario_config *config, enum config_forward forward,
			  unsigned int service, FILE *to)
{
	const char *name = config_forward_name(forward);
	unsigned int vip = scenario_vip(forward, service);

	fprintf(to, "  { name = \"bench-%s-%u\"; forward = \"%s\"; protocol = \"tcp\";\n"
		    "    ports = [ %d ]; check: { type = \"none\"; };\n"
		    "    vips = [ \"" SCENARIO_VIP4 "%u.%u\"",
		name, service, name, SCENARIO_PORT, vip >> 8, vip & 255);
	if (services_of(config) == 1)
		fprintf(to, ", \"2001:db8::%x\"", vip);
	fputs(" ];\n", to);
	if (forward == CONFIG_IPIP || forward == CONFIG_GUE)
		fputs("    encap_source = [ \"192.0.2.254/32\", \"2001:db8::fe/128\" ];\n", to);
	fputs("    backends = (\n", to);
	for (unsigned int b = 1; b <= backends_of(config) + (config->before != NO_BEFORE); b++)
		backend_write(config, forward, service, b, to);
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
	for (int forward = CONFIG_NAT; forward <= CONFIG_GUE; forward++)
		for (unsigned int i = 0; config->forward[forward] && i < services_of(config); i++) {
			fputs(before, to);
			service_write(config, forward, i, to);
			before = ",\n";
		}
	fputs("\n);\ntuning: { hash_seed = \"edgelb bench\"; };\n", to);
}
