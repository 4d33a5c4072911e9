/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the words of a packet become on its way: the expectation of a row. */
#ifndef TESTS_PROG_WORDS_H
#define TESTS_PROG_WORDS_H

#include "tests/prog/trials.h"

/* From CLIENT; family and protocol as the trial says; to `vip` unless the words say where. */
void spec_complete(const struct spec *words, const struct trial *trial, struct host vip,
		   struct spec *ret_spec);

/* The words of a packet after it was sent to `backend`; text[ADDR_TEXT_MAX] holds its address. */
void spec_at_backend(const struct spec *in, const struct backend *backend, char *text,
		     struct spec *ret_out);

/* That a packet of the words `in` leaves as one of the words `out`, for `name`. */
void assert_forwarded(const struct spec *in, const struct spec *out, const char *name,
		      enum lb_verdict verdict);

/* "SERVICE-udp/a" or "SERVICE-tcp/a" into name[2 * LB_NAME_MAX]. */
void backend_name(const char *service, const struct trial *trial, char *name);

#endif
