/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test and the programs that it holds (held.bpf.h) share: one value, mapped. */
#ifndef TESTS_PROG_HELD_ABI_H
#define TESTS_PROG_HELD_ABI_H

#include <linux/types.h>

#define HELD_NS 150000000ULL /* at most */

struct held {
	__u32 thread; /* who is to be held, once; 0: nobody */
	__u32 stands; /* it is */
	__u32 stood;  /* it was */
	__u32 go;     /* it may go on before its time */
};

#endif
