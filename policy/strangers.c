/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time in which this daemon itself did not run counts for nothing: what the runtime told meanwhile
 * has yet to be read. */
#include "policy/strangers.h"

#include <stdlib.h>
#include <time.h>

#include "config/mem.h"

#define STRANGER_SEC 5
#define LOOK_SEC     3	/* of it count between two looks, at most */

struct stranger {
	uint64_t cgroup;
	time_t waited, last;	/* the last look at it, CLOCK_MONOTONIC */
	bool used;
	bool known;		/* to be none of the runtime's */
};

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static struct stranger *stranger_add(struct strangers *strangers, uint64_t cgroup)
{
	struct stranger *stranger;

	strangers->list = mem_must(reallocarray(strangers->list, strangers->count + 1,
						sizeof(*stranger)));
	stranger = &strangers->list[strangers->count++];
	*stranger = (struct stranger){ .cgroup = cgroup, .last = now() };
	return stranger;
}

bool stranger_is_known(struct strangers *strangers, uint64_t cgroup, bool complete, bool old)
{
	struct stranger *stranger = NULL;
	time_t passed;

	for (size_t i = 0; !stranger && i < strangers->count; i++)
		if (strangers->list[i].cgroup == cgroup)
			stranger = &strangers->list[i];
	if (!stranger)
		stranger = stranger_add(strangers, cgroup);
	passed = now() - stranger->last;
	stranger->last += passed;
	if (complete)
		stranger->waited += passed < LOOK_SEC ? passed : LOOK_SEC;
	stranger->known |= stranger->waited >= STRANGER_SEC || (complete && old);
	stranger->used = true;
	return stranger->known;
}

void strangers_keep_used(struct strangers *strangers)
{
	size_t kept = 0;

	for (size_t i = 0; i < strangers->count; i++) {
		if (!strangers->list[i].used)
			continue;
		strangers->list[i].used = false;
		strangers->list[kept++] = strangers->list[i];
	}
	strangers->count = kept;
}

void strangers_clear(struct strangers *strangers)
{
	free(strangers->list);
	*strangers = (struct strangers){ 0 };
}
