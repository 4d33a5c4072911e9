/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking options out of a command line, without printing. ctl_options() is its caller for what
 * belongs to one command, main() for what belongs to all of them. */
#ifndef LB_CTL_OPTIONS_H
#define LB_CTL_OPTIONS_H

#include "lb/ctl/ctl.h"

enum options_unknown { OPTIONS_REFUSE, OPTIONS_LEAVE };

/* Takes `options` out of argv[1..] with their values and moves the rest together; *argc follows.
 * "--name VALUE" and "--name=VALUE" are the same. "--" ends options; it is taken out, too, but
 * with OPTIONS_LEAVE it stays for whoever looks next. Values point into argv.
 * Returns 0, or -EINVAL with one sentence in diag. */
int options_take(int *argc, char **argv, const struct ctl_option *options,
		 enum options_unknown unknown, struct diag *diag);

#endif
