/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/kernel/capture.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "lb/kernel/dataplane.h"

#define BUFFER_PAGES 256 /* for each CPU: 1 MiB with pages of 4 KiB */
#define LEASE_TICKS 4	 /* how long the programs go on without us */
#define RENEW_MS 1000

/* A packet as it came, until it leaves: the next thing that its CPU tells. */
struct pending {
	struct lb_captured told;
	uint8_t *bytes; /* told.kept; NULL: nothing is pending */
};

struct capture {
	struct dataplane *dataplane;
	struct perf_buffer *buffer;
	capture_function *function;
	void *arg;
	uint32_t sample, snap;
	uint64_t word; /* as we wrote it last; 0: it is off */
	uint64_t renewed_ms;
	uint64_t lost;
	struct pending pending[LB_CAPTURE_CPUS];
};

/* ---- the word in the settings ---------------------------------------------------------------- */

static bool word_set(struct capture *capture, uint64_t word)
{
	uint64_t *place = (uint64_t *)&capture->dataplane->settings->capture;

	if (!__atomic_compare_exchange_n(place, &capture->word, word, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	capture->word = word;
	return true;
}

static uint64_t word_now(const struct capture *capture)
{
	uint32_t deadline = (uint32_t)(clock_ns() >> LB_TICK_SHIFT) + LEASE_TICKS;

	return LB_CAPTURE_WORD(capture->sample, capture->snap, deadline);
}

/* What stands there may be of a capture that was killed. */
static int word_take(struct capture *capture, const char *pin, struct diag *diag)
{
	const uint64_t *place = (const uint64_t *)&capture->dataplane->settings->capture;
	int32_t left;

	capture->word = __atomic_load_n(place, __ATOMIC_SEQ_CST);
	left = (int32_t)(LB_CAPTURE_DEADLINE(capture->word) -
			 (uint32_t)(clock_ns() >> LB_TICK_SHIFT));
	if ((!capture->word || left <= 0) && word_set(capture, word_now(capture))) {
		capture->renewed_ms = clock_ns() / 1000000;
		return 0;
	}
	capture->word = 0;
	diag_add(
		diag, NULL, 0,
		"pins %s: somebody captures already, and there can be only one at a time (one that "
		"was killed is over after %d seconds)",
		pin, LEASE_TICKS + 1);
	return -EBUSY;
}

static int word_renew(struct capture *capture, struct diag *diag)
{
	uint64_t now_ms = clock_ns() / 1000000;

	if (now_ms - capture->renewed_ms < RENEW_MS)
		return 0;
	capture->renewed_ms = now_ms;
	if (word_set(capture, word_now(capture)))
		return 0;
	capture->word = 0;
	diag_add(diag, NULL, 0, "another capture has begun while this one stood still");
	return -EBUSY;
}

/* ---- joining the halves ---------------------------------------------------------------------- */

static void half_keep(struct pending *pending, const struct lb_captured *told)
{
	free(pending->bytes);
	pending->bytes = malloc(told->kept + 1); /* never of nothing */
	if (!pending->bytes)
		return;
	pending->told = *told;
	memcpy(pending->bytes, told + 1, told->kept);
}

static void half_came(void *arg, int cpu, void *data, __u32 size)
{
	const struct lb_captured *told = data;
	struct capture *capture = arg;
	struct pending *pending = &capture->pending[cpu];
	struct capture_packet packet = { .came = &pending->told,
					 .left = told,
					 .left_bytes = data + sizeof(*told) };

	if (size < sizeof(*told) || size - sizeof(*told) < told->kept)
		return;
	if (!told->leaves) {
		half_keep(pending, told);
		return;
	}
	if (!pending->bytes || pending->told.number != told->number)
		return; /* its first half was lost, and counted */
	packet.came_bytes = pending->bytes;
	capture->function(&packet, capture->arg);
	free(pending->bytes);
	pending->bytes = NULL;
}

static void halves_lost(void *arg, int cpu, __u64 count)
{
	struct capture *capture = arg;

	(void)cpu;
	capture->lost += count;
}

/* ---- life ----------------------------------------------------------------------------------- */

int capture_open(const char *pin, uint32_t sample, uint32_t snap, capture_function *function,
		 void *arg, struct capture **ret_capture, struct diag *diag)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int err;

	if (!capture)
		return -ENOMEM;
	capture->function = function;
	capture->arg = arg;
	capture->sample = sample;
	capture->snap = snap;
	err = dataplane_open_existing(pin, &capture->dataplane, diag);
	if (!err)
		err = word_take(capture, pin, diag);
	/* Behind the word: whoever comes first has the buffers too. */
	if (!err) {
		capture->buffer = perf_buffer__new(capture->dataplane->capture, BUFFER_PAGES,
						   half_came, halves_lost, capture, NULL);
		err = capture->buffer ? 0 : -errno;
		if (err)
			diag_add(diag, NULL, 0, "cannot make the buffers of a capture: %s",
				 strerror(-err));
	}
	if (err) {
		capture_close(capture);
		return err;
	}
	*ret_capture = capture;
	return 0;
}

int capture_poll(struct capture *capture, int timeout_ms, struct diag *diag)
{
	int err = word_renew(capture, diag), got;

	if (err)
		return err;
	got = perf_buffer__poll(capture->buffer, timeout_ms < RENEW_MS ? timeout_ms : RENEW_MS);
	if (got < 0 && got != -EINTR)
		diag_add(diag, NULL, 0, "cannot read the packets: %s", strerror(-got));
	return got < 0 ? got : 0;
}

void capture_stop(struct capture *capture)
{
	if (!capture->word)
		return;
	word_set(capture, 0);
	capture->word = 0;
	dataplane_grace(capture->dataplane);
	if (capture->buffer)
		perf_buffer__consume(capture->buffer);
}

uint64_t capture_lost(const struct capture *capture)
{
	return capture->lost;
}

const char *capture_service(const struct capture *capture, uint32_t id)
{
	const struct lb_service_info *info = &capture->dataplane->service_info[id];

	return id && id < LB_MAX_SERVICES && info->name[0] ? info->name : NULL;
}

const char *capture_backend(const struct capture *capture, uint32_t id)
{
	const struct lb_backend_info *info = &capture->dataplane->backend_info[id];

	return id && id < LB_MAX_BACKENDS && info->name[0] ? info->name : NULL;
}

void capture_close(struct capture *capture)
{
	if (!capture)
		return;
	if (capture->dataplane)
		capture_stop(capture);
	perf_buffer__free(capture->buffer);
	for (size_t cpu = 0; cpu < LB_CAPTURE_CPUS; cpu++)
		free(capture->pending[cpu].bytes);
	dataplane_close(capture->dataplane);
	free(capture);
}
