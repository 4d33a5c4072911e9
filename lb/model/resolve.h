/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backends that are containers, made concrete: a config and the containers of this host in, the
 * same config with nothing but addresses out. A pure step, before desired() and all that it needs;
 * whatever a container does is from here on an ordinary change of the config.
 *
 * A backend `container = "web-b"` becomes one with that container's address. `label = "app=web"` of
 * a backend "web-c" becomes one backend "web-c.NAME" for each container that has the label, in the
 * order of names. What has no address keeps its place with the reason in `trouble`, and with an
 * address that is nobody's, so that it can be listed, overridden and counted like any other. */
#ifndef LB_MODEL_RESOLVE_H
#define LB_MODEL_RESOLVE_H

#include "config/config.h"
#include "lb/model/container.h"

/* Whether any of its backends is a container. */
bool config_needs_containers(const struct config *config);

/* `unknown`: why nothing is known of containers; NULL: `containers` are all there are. The result
 * borrows everything but its services' backends from `written`, and is freed by
 * config_resolved_free() before that is freed. Two equal inputs give equal results.
 *
 * What the file could not say is decided here: of two backends that NAT could not tell apart in a
 * reply, and of two in one service that are the same address, the one that stands later in the
 * config, or else the one that is a container, has that for its trouble. */
struct config *config_resolve(const struct config *written, const struct containers *containers,
			      const char *unknown);
void config_resolved_free(struct config *config); /* NULL is fine */

/* Whether both have the same backends, where both were made from one config. */
bool config_resolved_equal(const struct config *a, const struct config *b);

/* Whether it stands for no address: in 0.0.0.0/8 (RFC 1122, 3.2.1.3), or in 0:0:0:0:e00::/72 of the
 * block that is reserved by the IETF (RFC 4291, 2.4). */
bool addr_is_nobody(const struct addr *addr);

#endif
