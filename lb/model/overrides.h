/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operator set at run time (drain, enable, disable, weight): it stands over the config
 * until it is reset, and survives reload, restart and reboot in the state directory. Overrides of
 * backends that the config no longer names stay, and are shown as orphans. */
#ifndef LB_MODEL_OVERRIDES_H
#define LB_MODEL_OVERRIDES_H

#include "config/config.h"
#include "config/diag.h"

struct override {
	char service[CONFIG_NAME_MAX], backend[CONFIG_NAME_MAX];
	bool has_state, has_weight;
	enum config_state state;
	uint32_t weight;
};

struct overrides {
	struct override *entries;
	size_t count;
};

const struct override *override_find(const struct overrides *overrides, const char *service,
				     const char *backend);

/* The entry of that backend, made if there is none. Never NULL. */
struct override *override_make(struct overrides *overrides, const char *service,
			       const char *backend);
bool override_remove(struct overrides *overrides, const char *service, const char *backend);
void overrides_clear(struct overrides *overrides);

/* DIR/overrides.json, replaced as a whole (written aside, synced, renamed). A missing file is an
 * empty list. Returns 0 or -errno, with a sentence in diag. */
int overrides_load(const char *dir, struct overrides *ret_overrides, struct diag *diag);
int overrides_save(const char *dir, const struct overrides *overrides, struct diag *diag);

#endif
