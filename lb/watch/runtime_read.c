/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The containers now, for who cannot wait for the loop: the same conversation in its own loop. */
#include <errno.h>
#include <stdio.h>

#include "lb/watch/runtime.h"

struct reading {
	struct event_base *loop;
	struct runtime *runtime;
};

static void on_changed(void *data)
{
	const struct reading *reading = data;

	if (runtime_known(reading->runtime))
		event_base_loopbreak(reading->loop);
}

static int reading_run(struct reading *reading, long wait_ms, struct containers *ret_containers,
		       char *ret_reason)
{
	struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };
	const struct container *list;
	size_t count;

	event_base_loopexit(reading->loop, &wait);
	event_base_dispatch(reading->loop);
	if (!runtime_known(reading->runtime)) {
		snprintf(ret_reason, RUNTIME_REASON_MAX, "%s", runtime_reason(reading->runtime));
		return -ETIMEDOUT;
	}
	list = runtime_containers(reading->runtime, &count);
	*ret_containers = containers_copy(list, count);
	return 0;
}

int runtime_read(const char *socket, long wait_ms, struct containers *ret_containers,
		 char ret_reason[RUNTIME_REASON_MAX])
{
	struct reading reading = { .loop = event_base_new() };
	int err = reading.loop ? runtime_open(reading.loop, socket, on_changed, &reading,
					      &reading.runtime)
			       : -ENOMEM;

	if (!err)
		err = reading_run(&reading, wait_ms, ret_containers, ret_reason);
	runtime_close(reading.runtime);
	if (reading.loop)
		event_base_free(reading.loop);
	return err;
}
