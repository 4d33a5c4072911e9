/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A text that is drawn again and again in the same place of a terminal. */
#ifndef LB_CTL_SCREEN_H
#define LB_CTL_SCREEN_H

#include <stdio.h>

struct screen {
	unsigned int rows, columns;
};

/* Of the terminal that `fd` is; one that does not say is 24 by 80. */
struct screen screen_of(int fd);

/* Over all that stands there. Lines end at the edge; of `body` as many are left out as `foot`
 * (lines as well) needs room, and how many that are is said between them. */
void screen_draw(const struct screen *screen, const char *body, const char *foot, FILE *to);

#endif
