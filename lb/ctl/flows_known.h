/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which flows were told already, while somebody follows them: each is told when it appears and when
 * it ends, once. Pure. */
#ifndef LB_CTL_FLOWS_KNOWN_H
#define LB_CTL_FLOWS_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct flows_known;

struct flows_known *flows_known_new(void); /* never NULL */
void flows_known_free(struct flows_known *known); /* NULL is fine */

/* How far the next question must go back, in seconds, so that no end is missed: `elapsed_s` after
 * the last one. */
uint64_t flows_known_since(uint64_t elapsed_s);

/* Gives each flow of the answer that is news. `with_past`: in the first answer also those that had
 * ended before. Each question must go back as far as flows_known_since() says. */
void flows_known_news(struct flows_known *known, struct json_object *flows, bool with_past,
		      void (*tell)(struct json_object *flow));

#endif
