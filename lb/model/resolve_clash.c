/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of config/claims.c that only addresses can break, for addresses that the file did not
 * have: with nat one backend address:port/protocol stands behind one vip:port of its family; and a
 * service has no backend twice. Where containers break one, they are down, and nobody else is. */
#include <stdlib.h>

#include "config/mem.h"
#include "config/service.h"
#include "lb/model/resolve_private.h"

struct row {
	struct config_service *service;
	struct config_backend *backend;
	int family;
	bool container;
	size_t order;		/* in the config */
};

static const struct addr *row_addr(const struct row *row)
{
	return &row->backend->address[row->family];
}

static bool is_udp(const struct row *row)
{
	return row->service->protocol != CONFIG_TCP;
}

static int compare_rows(const void *a_row, const void *b_row)
{
	const struct row *a = a_row, *b = b_row;
	int order = addr_compare(row_addr(a), row_addr(b));

	if (!order)
		order = is_udp(a) - is_udp(b);
	if (!order)
		order = a->container - b->container;
	return order ? order : (a->order > b->order) - (a->order < b->order);
}

/* Ports of the backend, and how far from them those of the vip are. */
struct span {
	uint32_t first, last;
	int shift;
};

static struct span span_of(const struct row *row, size_t ports)
{
	const struct config_ports *of = &row->service->ports[ports];
	uint16_t own = row->backend->port;

	if (own)
		return (struct span){ own, own, of->first - own };
	if (ports_level(of) == PORTS_ANY)
		return (struct span){ 0, UINT16_MAX, 0 };
	return (struct span){ of->first, of->last, 0 };
}

static bool replies_are_ambiguous(const struct row *a, const struct row *b)
{
	size_t vip_a = 0, vip_b = 0;
	bool other_vip;

	service_vips(a->service, a->family, &vip_a);
	service_vips(b->service, b->family, &vip_b);
	other_vip = !addr_equal(&a->service->vips[vip_a], &b->service->vips[vip_b]);
	for (size_t i = 0; i < a->service->port_count; i++)
		for (size_t j = 0; j < b->service->port_count; j++) {
			struct span x = span_of(a, i), y = span_of(b, j);

			if (x.first <= y.last && y.first <= x.last &&
			    (other_vip || x.shift != y.shift))
				return true;
		}
	return false;
}

static bool clashes(const struct row *a, const struct row *b)
{
	bool nat = a->backend->forward == CONFIG_NAT;

	if (a->backend == b->backend || a->backend->forward != b->backend->forward)
		return false;
	if (a->service == b->service)
		return !nat || a->backend->port == b->backend->port;
	return nat && replies_are_ambiguous(a, b);
}

/* Rows of one address and protocol: those that the file has itself come first. */
static void group_resolve(const struct row *rows, size_t count, uint32_t *troubles)
{
	for (size_t i = 1; i < count; i++)
		for (size_t j = 0; rows[i].container && j < i; j++) {
			if (rows[i].backend->trouble || rows[j].backend->trouble ||
			    !clashes(&rows[j], &rows[i]))
				continue;
			backend_trouble(rows[i].backend, rows[i].service, ++*troubles,
					rows[i].service == rows[j].service
						? "it has the address of %s/%s"
						: "it has the address of %s/%s, and with nat a "
						  "reply could not tell which",
					rows[j].service->name, rows[j].backend->name);
		}
}

static size_t rows_fill(struct config *config, struct row *rows)
{
	size_t count = 0;

	for (size_t s = 0; s < config->service_count; s++)
		for (size_t b = 0; b < config->services[s].backend_count; b++)
			for (int family = 0; family < 2; family++) {
				struct config_service *service = &config->services[s];
				struct config_backend *backend = &service->backends[b];

				if (backend->trouble || !backend->has_address[family])
					continue;
				rows[count] = (struct row){
					service, backend, family,
					backend->container || backend->label, count,
				};
				count++;
			}
	return count;
}

void clashes_resolve(struct config *config, uint32_t *troubles)
{
	size_t most = 0, count, start = 0;
	struct addr *addrs;
	struct row *rows;

	for (size_t s = 0; s < config->service_count; s++)
		most += 2 * config->services[s].backend_count;
	rows = mem_array(most, sizeof(*rows));
	count = rows_fill(config, rows);
	if (count)
		qsort(rows, count, sizeof(*rows), compare_rows);
	/* A backend that gets into trouble has another address from then on. */
	addrs = mem_array(count, sizeof(*addrs));
	for (size_t i = 0; i < count; i++)
		addrs[i] = *row_addr(&rows[i]);
	for (size_t i = 1; i <= count; i++)
		if (i == count || !addr_equal(&addrs[start], &addrs[i]) ||
		    is_udp(&rows[start]) != is_udp(&rows[i])) {
			group_resolve(&rows[start], i - start, troubles);
			start = i;
		}
	free(addrs);
	free(rows);
}
