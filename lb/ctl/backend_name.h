/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "service/backend", the name under which people know a backend. */
#ifndef LB_CTL_BACKEND_NAME_H
#define LB_CTL_BACKEND_NAME_H

#include "config/config.h"

struct backend_name {
	char service[CONFIG_NAME_MAX];
	char backend[CONFIG_NAME_MAX];
};

/* Splits at the first '/'. Whether anybody has the name only the daemon knows. Returns 0, or
 * -EINVAL with one sentence in diag. */
int backend_name_parse(const char *text, struct backend_name *ret_name, struct diag *diag);

#endif
