/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks are off: what is measured is the way of a change through the daemon, and ten thousand
 * servers that answer checks would be measured with it. */
#include "bench/control_config.h"

static struct addr address(unsigned int first, unsigned int second, unsigned int low)
{
	const uint8_t bytes[4] = { first, second, low >> 8, low };

	return addr_from_ipv4(bytes);
}

struct addr control_vip(unsigned int service)
{
	return address(198, 18, service + 1);
}

/* Behind the first 256 addresses of CONTROL_NETWORK, of which one is the link's own. */
struct addr control_backend(unsigned int number)
{
	return address(10, 128, number + 256);
}

static void service_write(unsigned int service, unsigned int weight, FILE *to)
{
	const struct addr vip = control_vip(service);
	char text[ADDR_TEXT_MAX];

	fprintf(to, "  { name = \"s%u\"; vips = [ \"%s\" ]; protocol = \"tcp\"; ports = [ %d ];\n"
		    "    forward = \"nat\"; check: { type = \"none\"; };\n    backends = (\n",
		service, addr_format(&vip, text), CONTROL_PORT);
	for (unsigned int b = 0; b < CONTROL_BACKENDS; b++) {
		const struct addr backend = control_backend(service * CONTROL_BACKENDS + b);

		fprintf(to, "      { name = \"b%u\"; address = \"%s\"; port = 8080; weight = %u; "
			    "}%s\n",
			b, addr_format(&backend, text),
			b == CONTROL_CHANGED ? weight : CONTROL_WEIGHT,
			b + 1 < CONTROL_BACKENDS ? "," : "");
	}
	fputs("    ); }", to);
}

void control_config_write(unsigned int services, unsigned int weight, FILE *to)
{
	fputs("version = 1;\n"
	      "interfaces = ( { name = \"front\"; mode = \"native\"; },\n"
	      "               { name = \"" CONTROL_LINK "\"; mode = \"native\"; } );\n"
	      "services = (\n", to);
	for (unsigned int s = 0; s < services; s++) {
		service_write(s, s == control_changed_service(services) ? weight : CONTROL_WEIGHT,
			      to);
		fputs(s + 1 < services ? ",\n" : "\n", to);
	}
	fputs(");\ntuning: { hash_seed = \"edgelb bench\"; };\n", to);
}
