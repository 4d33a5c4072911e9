/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole file as text: for config/, and for lbctl, which sends a file to the daemon. */
#ifndef CONFIG_SLURP_H
#define CONFIG_SLURP_H

#include <stdbool.h>

/* The file's bytes with a final NUL, for the caller to free. only_regular refuses what could
 * block or never end. Returns 0, -errno of open(2) or read(2), -EFBIG above 64 MB, -EINVAL for a
 * NUL byte inside. */
int slurp(const char *path, bool only_regular, char **ret_text);

/* A sentence for what slurp() returned. */
const char *slurp_error(int error);

#endif
