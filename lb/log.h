/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's log: one line on stderr for each change of state, with the object, old → new, and
 * the cause. Under systemd a line begins with its priority (sd-daemon(3)). */
#ifndef LB_LOG_H
#define LB_LOG_H

#include <syslog.h>

#include "config/diag.h"

int log_level_parse(const char *name); /* "error", "warning", "notice", "info", "debug"; or -1 */
void log_level_set(int level);

__attribute__((format(printf, 2, 3)))
void log_line(int level, const char *format, ...);

void log_diag(int level, const struct diag *diag);

#define log_error(...)	 log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_line(LOG_NOTICE, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_DEBUG, __VA_ARGS__)

#endif
