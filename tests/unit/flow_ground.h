/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host whose flows are named: its lb.conf, its containers as the runtime tells of them, and the
 * cgroups that flows were seen of. */
#ifndef TESTS_UNIT_FLOW_GROUND_H
#define TESTS_UNIT_FLOW_GROUND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "lb/flows/names.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
#define WEB    HEX "01"
#define SHOP   HEX "02"
#define UNSEEN HEX "03"
#define SILENT HEX "04"		/* of which no runtime tells */
#define INNER  HEX "05"

#define HOST_NETNS 1

enum { CGROUP_NONE, CGROUP_ROOT, CGROUP_WEB, CGROUP_SHOP, CGROUP_SHOP_NESTED, CGROUP_SSH,
       CGROUP_SILENT, CGROUP_SILENT_NESTED, CGROUP_GONE, CGROUP_INNER, CGROUP_CARETAKER,
       CGROUP_LONG, CGROUP_TWICE, CGROUP_SCOPE, CGROUP_BATCH, CGROUP_DIGITS, CGROUP_NEW,
       CGROUP_BYTES };

static const char conf[] =
	"version = 1; interfaces = ( { name = \"eth0\"; } );\n"
	"services = (\n"
	"{ name = \"web\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ]; ports = [ 80 ];\n"
	"  backends = ( { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; port = 8080; },\n"
	"               { name = \"far\"; address = [ \"10.9.0.2\", \"fd09::2\" ];\n"
	"                 port = 8080; } ); },\n"
	"{ name = \"range\"; vips = [ \"203.0.113.10\" ]; ports = [ \"70-90\" ];\n"
	"  backends = ( { name = \"a\"; address = \"10.1.0.2\"; } ); },\n"
	"{ name = \"every\"; vips = [ \"203.0.113.10\" ]; ports = [ ]; forward = \"dsr\";\n"
	"  backends = ( { name = \"a\"; address = \"10.1.0.3\"; } ); },\n"
	"{ name = \"dns\"; vips = [ \"203.0.113.53\" ]; protocol = \"udp\"; ports = [ 53 ];\n"
	"  backends = ( { name = \"a\"; address = \"10.1.0.2\"; } ); },\n"
	"{ name = \"sip\"; vips = [ \"203.0.113.53\" ]; protocol = \"udp\"; ports = [ 5060 ];\n"
	"  forward = \"gue\"; backends = ( { name = \"a\"; address = \"10.1.0.2\"; } ); } );\n"
	"policy: { groups = (\n"
	"  { name = \"town\"; cidr = [ \"198.51.0.0/16\", \"2001:db8:7::/48\" ]; },\n"
	"  { name = \"six\"; cidr = [ \"::/0\" ]; },\n"
	"  { name = \"office\"; cidr = [ \"198.51.100.0/25\", \"198.51.100.7\" ]; } ); };\n";

static struct flow_names *names;
static struct config *config;

static struct addr address(const char *text)
{
	struct addr addr;

	if (addr_parse(text, &addr))
		fail_msg("%s is no address", text);
	return addr;
}

static struct prefix prefix(const char *text)
{
	struct prefix parsed;

	if (prefix_parse(text, &parsed))
		fail_msg("%s is no prefix", text);
	return parsed;
}

/* ---- the host -------------------------------------------------------------------------------- */

static struct container_network bridge(const char *ipv4, const char *ipv6)
{
	struct container_network network = { .name = (char *)"bridge",
					     .has_address = { true, ipv6 != NULL } };

	network.address[0] = address(ipv4);
	if (ipv6)
		network.address[1] = address(ipv6);
	return network;
}

static void runtime_tells(void)
{
	struct container_network web = bridge("10.1.0.2", "fd00::2");
	struct container_network shop = bridge("10.1.0.9", NULL);
	struct container_network unseen = bridge("10.1.0.77", NULL);
	const struct container list[] = {
		{ .id = (char *)SHOP, .name = (char *)"shop", .running = true, .networks = &shop,
		  .network_count = 1 },
		{ .id = (char *)UNSEEN, .name = (char *)"unseen", .running = true,
		  .networks = &unseen, .network_count = 1 },
		{ .id = (char *)WEB, .name = (char *)"web", .running = true, .networks = &web,
		  .network_count = 1 },
	};

	flow_names_containers(names, list, ROWS(list));
}

static const char *long_path(void)
{
	static char path[400];

	memset(path, 'a', sizeof(path) - 1);
	strcpy(path + sizeof(path) - sizeof("/long.service"), "/long.service");
	return path;
}

static void cgroups_come(void)
{
	flow_names_cgroup(names, CGROUP_ROOT, "");
	flow_names_cgroup(names, CGROUP_WEB, "docker/" WEB);
	flow_names_cgroup(names, CGROUP_SHOP, "machine.slice/libpod-" SHOP ".scope");
	flow_names_cgroup(names, CGROUP_SHOP_NESTED,
			  "machine.slice/libpod-" SHOP ".scope/container");
	flow_names_cgroup(names, CGROUP_SSH, "system.slice/ssh.service");
	flow_names_cgroup(names, CGROUP_SILENT, "libpod_parent/libpod-" SILENT);
	flow_names_cgroup(names, CGROUP_SILENT_NESTED, "libpod_parent/libpod-" SILENT "/a/b");
	flow_names_cgroup(names, CGROUP_GONE, NULL);
	flow_names_cgroup(names, CGROUP_INNER, "docker/" WEB "/docker/" INNER "/init");
	flow_names_cgroup(names, CGROUP_CARETAKER, "machine.slice/libpod-conmon-" SHOP ".scope");
	flow_names_cgroup(names, CGROUP_LONG, long_path());
	flow_names_cgroup(names, CGROUP_TWICE, "docker/" SILENT "/docker/" INNER "/init");
	flow_names_cgroup(names, CGROUP_SCOPE, "system.slice/docker-" WEB ".scope");
	flow_names_cgroup(names, CGROUP_BATCH, "batch.slice");
	flow_names_cgroup(names, CGROUP_DIGITS, "pod/" WEB "0");
}

static int host_set(void **state)
{
	const struct prefix direct[] = { prefix("10.1.0.0/24"), prefix("fd00::/64"),
					 prefix("192.0.2.1/32") };
	_cleanup_diag_ struct diag diag = { 0 };

	(void)state;
	if (config_load_text("lb.conf", conf, &config, &diag))
		fail_msg("%s", diag_text(&diag));
	config->services[4].protocol = CONFIG_QUIC; /* lb.conf does not take it yet */
	names = flow_names_new();
	flow_names_services(names, config, direct, ROWS(direct));
	cgroups_come();
	runtime_tells();
	return 0;
}

static int host_clear(void **state)
{
	(void)state;
	flow_names_free(names);
	config_free(config);
	return 0;
}

/* ---- flows ----------------------------------------------------------------------------------- */

static uint64_t cgroup_of(const char *name)
{
	static const char *const cgroups[] = { [CGROUP_WEB] = "web", [CGROUP_SHOP] = "shop",
					       [CGROUP_SSH] = "ssh", [CGROUP_BATCH] = "batch" };

	for (uint64_t id = 0; id < ROWS(cgroups); id++)
		if (cgroups[id] && !strcmp(cgroups[id], name))
			return id;
	return strtoull(name, NULL, 10);
}

static void address_put(__u8 bytes[16], const char *text)
{
	const struct addr addr = address(text);

	memcpy(bytes, addr.byte, sizeof(addr.byte));
}

/* "CGROUP PROTOCOL LOCAL PORT > REMOTE PORT for VIP PORT"; "<" for one that came in, "?" for one
 * from before the programs. */
static struct flow flow_of(const char *text)
{
	char cgroup[16], protocol[8], local[48], remote[48], vip[48], way;
	unsigned int local_port, remote_port, vip_port;
	int found = sscanf(text, "%15s %7s %47s %u %c %47s %u for %47s %u", cgroup, protocol, local,
			   &local_port, &way, remote, &remote_port, vip, &vip_port);
	struct flow flow = { .start_ns = 1 };

	if (found != 7 && found != 9)
		fail_msg("no flow: %s", text);
	flow.cgroup = cgroup_of(cgroup);
	flow.netns = 100 + flow.cgroup;
	flow.protocol = *protocol == 't' ? IPPROTO_TCP : *protocol == 'u' ? IPPROTO_UDP
									  : IPPROTO_ICMP;
	flow.direction = way == '>' ? FLOW_OUT : way == '<' ? FLOW_IN : FLOW_UNKNOWN;
	address_put(flow.local, local);
	address_put(flow.remote, remote);
	flow.local_port = (__u16)local_port;
	flow.remote_port = (__u16)remote_port;
	if (found == 9) {
		address_put(flow.vip, vip);
		flow.vip_port = (__u16)vip_port;
	}
	return flow;
}

#endif
