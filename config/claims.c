/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who owns which ports: no vip, protocol and port may belong to two services, and with nat no
 * backend's address, port and protocol may stand behind two vip:port, for its replies could not
 * tell which. Called by check_between.c, over all services at once.
 *
 * Both are the same question over intervals of ports: sorted by their first port, an interval is
 * compared with the one so far that reaches furthest. If any two contradict each other, some such
 * pair does, for what overlaps both ends of a chain overlaps its links. */
#include <string.h>

#include "config/load.h"
#include "config/mem.h"
#include "config/schema.h"
#include "config/service.h"

#define PORTS_TEXT_MAX 24

static const char *ports_format(uint32_t first, uint32_t last, char *text)
{
	if (!first)
		snprintf(text, PORTS_TEXT_MAX, "any port");
	else if (first == last)
		snprintf(text, PORTS_TEXT_MAX, "port %u", first);
	else
		snprintf(text, PORTS_TEXT_MAX, "ports %u-%u", first, last);
	return text;
}

/* quic is udp on the wire. */
static bool is_udp(const struct config_service *service)
{
	return service->protocol != CONFIG_TCP;
}

static const char *transport_name(bool udp)
{
	return udp ? "udp" : "tcp";
}

/* One entry of a service's ports on one of its vips. */
struct claim {
	struct addr vip;
	bool udp;
	enum ports_level level;
	uint32_t first, last;
	size_t service, vip_index, ports_index;
};

static int compare_sizes(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

/* The part of a claim within which ports can contradict each other. */
static int compare_claim_space(const struct claim *a, const struct claim *b)
{
	int order = addr_compare(&a->vip, &b->vip);

	if (!order)
		order = a->udp - b->udp;
	if (!order)
		order = (int)a->level - (int)b->level;
	return order;
}

static int compare_claims(const void *a_claim, const void *b_claim)
{
	const struct claim *a = a_claim, *b = b_claim;
	int order = compare_claim_space(a, b);

	if (!order)
		order = compare_sizes(a->first, b->first);
	if (!order)
		order = compare_sizes(a->service, b->service);
	if (!order)
		order = compare_sizes(a->ports_index, b->ports_index);
	return order;
}

static void report_claims(const struct load *load, const struct claim *a, const struct claim *b)
{
	bool in_order = a->service != b->service ? a->service < b->service :
						   a->ports_index < b->ports_index;
	const struct claim *first = in_order ? a : b;
	const struct claim *again = in_order ? b : a;
	const struct config_service *services = load->config->services;
	const config_setting_t *other = load_ports(load, first->service, first->ports_index);
	const config_setting_t *place = load_ports(load, again->service, again->ports_index);
	char vip[ADDR_TEXT_MAX], where[LOAD_WHERE_MAX];
	char ports[PORTS_TEXT_MAX], other_ports[PORTS_TEXT_MAX];

	ports_format(again->first, again->last, ports);
	ports_format(first->first, first->last, other_ports);
	load_where(load, other, place, where);
	if (a->service != b->service)
		load_report(load, place, "service \"%s\" cannot have %s %s of vip %s: "
			    "service \"%s\" has %s there (%s)", services[again->service].name,
			    transport_name(a->udp), ports, addr_format(&a->vip, vip),
			    services[first->service].name, other_ports, where);
	else if (!a->vip_index && !b->vip_index) /* the other vips would say the same */
		load_report(load, place, "service \"%s\" has %s beside %s (%s), which overlap",
			    services[a->service].name, ports, other_ports, where);
}

static size_t claims_of(const struct load *load, size_t service_index, struct claim *claims)
{
	const struct config_service *service = &load->config->services[service_index];
	size_t count = 0;

	for (size_t i = 0; i < service->vip_count; i++)
		for (size_t j = 0; j < service->port_count; j++)
			claims[count++] = (struct claim){
				.vip = service->vips[i],
				.udp = is_udp(service),
				.level = ports_level(&service->ports[j]),
				.first = service->ports[j].first,
				.last = service->ports[j].last,
				.service = service_index,
				.vip_index = i,
				.ports_index = j,
			};
	return count;
}

static void check_vip_ports(const struct load *load)
{
	/* A claim is one pair at the least, and there are not more than these. */
	struct claim *claims = mem_array(CONFIG_VIP_PORTS_MAX, sizeof(*claims));
	const struct claim *widest = claims;
	size_t count = 0;

	for (size_t i = 0; i < load->config->service_count; i++)
		if (!(load->flaws[i] & (FLAW_VIPS | FLAW_PROTOCOL | FLAW_PORTS)))
			count += claims_of(load, i, claims + count);
	qsort(claims, count, sizeof(*claims), compare_claims);
	for (size_t i = 1; i < count; i++) {
		const struct claim *claim = &claims[i];
		bool same_space = !compare_claim_space(widest, claim);

		if (same_space && claim->first <= widest->last)
			report_claims(load, widest, claim);
		if (!same_space || claim->last > widest->last)
			widest = claim;
	}
	free(claims);
}

/* A NAT backend's address. */
struct nat_row {
	struct addr addr;
	bool udp;
	size_t service, backend;
};

static int compare_row_addresses(const struct nat_row *a, const struct nat_row *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : a->udp - b->udp;
}

static int compare_rows(const void *a_row, const void *b_row)
{
	const struct nat_row *a = a_row, *b = b_row;
	int order = compare_row_addresses(a, b);

	if (!order)
		order = compare_sizes(a->service, b->service);
	if (!order)
		order = compare_sizes(a->backend, b->backend);
	return order;
}

/* Ports of such an address, and what stands before them: port p of the backend is port
 * p + shift of the vip. */
struct nat_ports {
	const struct nat_row *row;
	struct addr vip;
	uint32_t first, last;
	int shift;
};

static int compare_nat_ports(const void *a_ports, const void *b_ports)
{
	const struct nat_ports *a = a_ports, *b = b_ports;
	int order = compare_sizes(a->first, b->first);

	return order ? order : compare_rows(a->row, b->row);
}

static const char *endpoint_format(const struct addr *addr, uint32_t port, char *text)
{
	char plain[ADDR_TEXT_MAX];

	snprintf(text, ADDR_TEXT_MAX + 8, addr_is_ipv4(addr) ? "%s:%u" : "[%s]:%u",
		 addr_format(addr, plain), port);
	return text;
}

static void report_nat(const struct load *load, const struct nat_ports *a,
		       const struct nat_ports *b)
{
	const struct nat_ports *first = compare_rows(a->row, b->row) < 0 ? a : b;
	const struct nat_ports *again = first == a ? b : a;
	const struct nat_row *row = again->row;
	const struct config_service *service = &load->config->services[row->service];
	const config_setting_t *place = load_backend(load, row->service, row->backend);
	const config_setting_t *other = load_backend(load, first->row->service,
						     first->row->backend);
	uint32_t port = a->first > b->first ? a->first : b->first;
	char backend[ADDR_TEXT_MAX + 8], vip[ADDR_TEXT_MAX + 8], other_vip[ADDR_TEXT_MAX + 8];
	char where[LOAD_WHERE_MAX];

	load_report(load, place, "backend \"%s\" in service \"%s\": with nat %s/%s cannot stand "
		    "behind vip %s, for it stands behind vip %s (%s) and a reply could not tell "
		    "which",
		    service->backends[row->backend].name, service->name,
		    endpoint_format(&row->addr, port, backend), transport_name(row->udp),
		    endpoint_format(&again->vip, port + (uint32_t)again->shift, vip),
		    endpoint_format(&first->vip, port + (uint32_t)first->shift, other_vip),
		    load_where(load, other, place, where));
}

static size_t nat_ports_of(const struct load *load, const struct nat_row *row,
			   struct nat_ports *ret_ports)
{
	const struct config_service *service = &load->config->services[row->service];
	uint16_t own_port = service->backends[row->backend].port;
	size_t vip = 0;

	service_vips(service, family_of(&row->addr), &vip);
	for (size_t i = 0; i < service->port_count; i++) {
		const struct config_ports *ports = &service->ports[i];

		ret_ports[i] = (struct nat_ports){
			.row = row,
			.vip = service->vips[vip],
			.first = own_port ? own_port : ports->first,
			.last = own_port ? own_port : ports->last,
			.shift = own_port ? ports->first - own_port : 0,
		};
	}
	return service->port_count;
}

/* Rows of one address and protocol; only different services can make them ambiguous. */
static void check_nat_rows(const struct load *load, const struct nat_row *rows, size_t count)
{
	const struct nat_ports *widest;
	struct nat_ports *ports;
	size_t space = 0, filled = 0;

	if (rows[0].service == rows[count - 1].service)
		return;
	for (size_t i = 0; i < count; i++)
		space += load->config->services[rows[i].service].port_count;
	ports = mem_array(space, sizeof(*ports));
	for (size_t i = 0; i < count; i++)
		filled += nat_ports_of(load, &rows[i], ports + filled);
	qsort(ports, filled, sizeof(*ports), compare_nat_ports);
	widest = ports;
	for (size_t i = 1; i < filled; i++) {
		if (ports[i].first <= widest->last && (!addr_equal(&ports[i].vip, &widest->vip) ||
						       ports[i].shift != widest->shift))
			report_nat(load, widest, &ports[i]);
		if (ports[i].last > widest->last)
			widest = &ports[i];
	}
	free(ports);
}

/* Whether replies of the service's backends are unambiguous within it; if not, that was said. */
static bool is_clear(const struct load *load, size_t index, int family)
{
	const struct config_service *service = &load->config->services[index];
	size_t last;

	return !(load->flaws[index] & (FLAW_VIPS | FLAW_PROTOCOL | FLAW_PORTS | FLAW_FORWARD |
				       FLAW_BACKENDS | FLAW_PORT)) &&
	       service_vips(service, family, &last) == 1 &&
	       ports_level(&service->ports[0]) != PORTS_ANY;
}

static size_t nat_rows_of(const struct load *load, size_t index, int family, struct nat_row *rows)
{
	const struct config_service *service = &load->config->services[index];
	size_t count = 0;

	if (!is_clear(load, index, family))
		return 0;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct config_backend *backend = &service->backends[i];

		if (backend->forward == CONFIG_NAT && backend->has_address[family])
			rows[count++] = (struct nat_row){ backend->address[family],
							  is_udp(service), index, i };
	}
	return count;
}

static void check_nat_replies(const struct load *load)
{
	struct nat_row *rows = mem_array(CONFIG_BACKENDS_MAX, sizeof(*rows));
	size_t count = 0, start = 0;

	for (size_t i = 0; i < load->config->service_count; i++)
		for (int family = 0; family < 2; family++)
			count += nat_rows_of(load, i, family, rows + count);
	qsort(rows, count, sizeof(*rows), compare_rows);
	for (size_t i = 1; i <= count; i++)
		if (i == count || compare_row_addresses(&rows[start], &rows[i])) {
			check_nat_rows(load, &rows[start], i - start);
			start = i;
		}
	free(rows);
}

void load_check_claims(const struct load *load)
{
	check_vip_ports(load);
	check_nat_replies(load);
}
