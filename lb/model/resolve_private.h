/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What resolve.c and resolve_clash.c share. */
#ifndef LB_MODEL_RESOLVE_PRIVATE_H
#define LB_MODEL_RESOLVE_PRIVATE_H

#include "config/config.h"

/* It has no address, for this reason; `number` is that of no other such backend of the config. */
__attribute__((format(printf, 4, 5)))
void backend_trouble(struct config_backend *backend, const struct config_service *service,
		     uint32_t number, const char *format, ...);

/* Backends that are containers and stand in the way of others get that as their trouble. */
void clashes_resolve(struct config *config, uint32_t *troubles);

#endif
