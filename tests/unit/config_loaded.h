/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A config of the corpus, which must be a good one. */
#ifndef TESTS_UNIT_CONFIG_LOADED_H
#define TESTS_UNIT_CONFIG_LOADED_H

#include <stdio.h>

#include "config/config.h"

static inline struct config *loaded(const char *name)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct config *config = NULL;

	if (config_load(name, &config, &diag)) {
		diag_print(&diag, stderr);
		fail_msg("%s was refused", name);
	}
	return config;
}

static inline void assert_addr(const struct addr *addr, const char *expected)
{
	char text[ADDR_TEXT_MAX];

	assert_string_equal(addr_format(addr, text), expected);
}

#endif
