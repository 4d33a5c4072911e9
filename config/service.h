/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks of lb.conf ask of a service, in the words of docs/config.md; inside config/.
 * A family is 0 for IPv4 and 1 for IPv6, as in struct config_backend. */
#ifndef CONFIG_SERVICE_H
#define CONFIG_SERVICE_H

#include "config/config.h"

#define CONFIG_NO_NAME "?" /* of what has none; no name can be this */

/* An exact port beats a range, a range beats any: only equals contradict each other. */
enum ports_level { PORTS_EXACT, PORTS_RANGE, PORTS_ANY };

static inline enum ports_level ports_level(const struct config_ports *ports)
{
	if (!ports->first)
		return PORTS_ANY;
	return ports->first == ports->last ? PORTS_EXACT : PORTS_RANGE;
}

static inline int family_of(const struct addr *addr)
{
	return addr_is_ipv4(addr) ? 0 : 1;
}

static inline const char *family_name(int family)
{
	return family ? "IPv6" : "IPv4";
}

static inline bool forward_encapsulates(enum config_forward forward)
{
	return forward == CONFIG_IPIP || forward == CONFIG_GUE;
}

/* Its addresses are the runtime's to tell, and may be of either family. */
static inline bool backend_is_found(const struct config_backend *backend)
{
	return backend->container || backend->label;
}

static inline bool backend_may_have(const struct config_backend *backend, int family)
{
	return backend->has_address[family] || backend_is_found(backend);
}

/* nat and dsr serve vips of the backend's own family, encapsulation any; but where it has two
 * addresses, each of them those of its own. */
static inline bool backend_serves_both(const struct config_backend *backend)
{
	return forward_encapsulates(backend->forward) &&
	       backend->has_address[0] != backend->has_address[1];
}

static inline bool backend_serves(const struct config_backend *backend, int family)
{
	return backend_may_have(backend, family) || backend_serves_both(backend);
}

static inline size_t service_rows(const struct config_service *service, int family)
{
	size_t rows = 0;

	for (size_t i = 0; i < service->backend_count; i++)
		rows += backend_serves(&service->backends[i], family);
	return rows;
}

/* How many vips of the family there are; *ret_last is the last one's index, if any. */
static inline size_t service_vips(const struct config_service *service, int family,
				  size_t *ret_last)
{
	size_t count = 0;

	for (size_t i = 0; i < service->vip_count; i++)
		if (family_of(&service->vips[i]) == family) {
			*ret_last = i;
			count++;
		}
	return count;
}

#endif
