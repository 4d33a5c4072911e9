/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon takes: to start with many services, to change one backend among them, to follow
 * its neighbours, to build a ring; and its memory. A real lbd in the edge namespace, on the CPU to
 * which the bench is bound; what watches it and what sends packets is on another, if there is
 * one. A round of a start begins without pins; a round of a change goes to another weight of one
 * backend and leaves it for the next round to go back. */
#include "bench/control.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bench/balancer.h"
#include "bench/control_api.h"
#include "bench/control_config.h"
#include "bench/control_flow.h"
#include "bench/control_memory.h"
#include "bench/control_neighbours.h"
#include "bench/control_watch.h"
#include "config/mem.h"
#include "lb/kernel/attach.h"
#include "lb/model/ring.h"

#define SERVICES_MOST	1000
#define BACKENDS_MOST	(SERVICES_MOST * CONTROL_BACKENDS)
#define WEIGHT_OTHER	50
#define MAPS_MOST	32
#define MAPS_SHOWN	0.05	/* MB from which on a map has a figure of its own */

/* ---- the ground ------------------------------------------------------------------------------ */

/* The link's network, whose addresses and neighbours nobody else on the ground has. */
static int network_make(const struct ground *ground, struct diag *diag)
{
	int err = ground_enter_edge(ground);

	if (!err) {
		err = system("ip address add " CONTROL_NETWORK " dev " CONTROL_LINK) ? -EIO : 0;
		ground_leave_edge(ground);
	}
	if (!err)
		err = neighbours_set(ground, BACKENDS_MOST, 0);
	if (err)
		diag_add(diag, NULL, 0, "cannot make the backends' neighbours: %s",
			 strerror(-err));
	return err;
}

static void network_unmake(const struct ground *ground)
{
	neighbours_clear(ground, BACKENDS_MOST);
	if (ground_enter_edge(ground))
		return;
	if (system("ip address delete " CONTROL_NETWORK " dev " CONTROL_LINK))
		fputs("bench: " CONTROL_NETWORK " stays on " CONTROL_LINK "\n", stderr);
	ground_leave_edge(ground);
}

/* Tables and programs that a daemon left. Where a program does not stand, libbpf says so. */
static int pins_remove(const struct ground *ground, struct diag *diag)
{
	libbpf_print_fn_t print;
	int err;

	if (access(CONTROL_PIN, F_OK))
		return 0;
	err = ground_enter_edge(ground);
	if (err)
		return err;
	print = libbpf_set_print(NULL);
	err = unload_pins(CONTROL_PIN, diag);
	libbpf_set_print(print);
	ground_leave_edge(ground);
	return err;
}

/* This process goes to another CPU than lbd's, which inherits ours when it is started. */
struct seat {
	cpu_set_t own, other;
};

static void seat_find(struct seat *seat)
{
	cpu_set_t set;

	sched_getaffinity(0, sizeof(seat->own), &seat->own);
	seat->other = seat->own;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (CPU_ISSET(cpu, &seat->own) || sched_setaffinity(0, sizeof(set), &set))
			continue;
		seat->other = set;
		break;
	}
	sched_setaffinity(0, sizeof(seat->own), &seat->own);
	prctl(PR_SET_TIMERSLACK, 1000);
}

/* ---- a daemon -------------------------------------------------------------------------------- */

struct daemon {
	const struct ground *ground;
	const struct pace *pace;
	struct seat seat;
	struct balancer balancer;
	struct dataplane *tables;
	unsigned int services;
	uint32_t weight;	/* of the backend that is changed, now */
	uint8_t generation;	/* of the neighbours, now */
	struct diag *diag;
};

static int config_write(const struct daemon *daemon)
{
	FILE *file;

	if (mkdir(CONTROL_FOLDER, 0700) && errno != EEXIST)
		return -errno;
	file = fopen(CONTROL_CONFIG, "we");
	if (!file)
		return -errno;
	control_config_write(daemon->services, daemon->weight, file);
	return fclose(file) ? -errno : 0;
}

static int daemon_start(struct daemon *daemon, double *ret_seconds)
{
	double began;
	int err;

	sched_setaffinity(0, sizeof(daemon->seat.own), &daemon->seat.own);
	began = watch_now_ms();
	err = balancer_start_in(&daemon->ground->edge, CONTROL_NAME, NULL, NULL,
				&daemon->balancer, daemon->diag);
	*ret_seconds = (watch_now_ms() - began) / 1e3;
	sched_setaffinity(0, sizeof(daemon->seat.other), &daemon->seat.other);
	if (!err)
		err = dataplane_open_existing(CONTROL_PIN, &daemon->tables, daemon->diag);
	return err;
}

static void daemon_stop(struct daemon *daemon)
{
	dataplane_close(daemon->tables);
	daemon->tables = NULL;
	balancer_stop(&daemon->balancer);
}

static double cpu_ms(const struct daemon *daemon)
{
	struct timespec spent = { 0 };
	clockid_t clock;

	if (!clock_getcpuclockid(daemon->balancer.pid, &clock))
		clock_gettime(clock, &spent);
	return spent.tv_sec * 1e3 + spent.tv_nsec / 1e6;
}

/* ---- starts ---------------------------------------------------------------------------------- */

struct starts {
	struct samples ready, cpu, memory, again;
};

static void maps_report(struct report *report)
{
	struct map_memory maps[MAPS_MOST];
	struct samples total = { 0 };
	double sum = 0;
	size_t count = maps_memory(CONTROL_PIN, maps, MAPS_MOST, &sum);

	for (size_t i = 0; i < count; i++) {
		struct samples one = { 0 };

		samples_add(&one, maps[i].mb);
		if (maps[i].mb >= MAPS_SHOWN)
			report_add(report, &one, "MB", "control.maps.%s", maps[i].name);
	}
	samples_add(&total, sum);
	report_add(report, &total, "MB", "control.maps.all");
}

/* Without pins; then once more with them, as after an upgrade. The daemon is left running. */
static int start_round(struct daemon *daemon, struct starts *starts)
{
	double seconds = 0;
	int err = pins_remove(daemon->ground, daemon->diag);

	if (!err)
		err = config_write(daemon);
	if (!err)
		err = daemon_start(daemon, &seconds);
	if (err)
		return err;
	samples_add(&starts->ready, seconds);
	samples_add(&starts->cpu, cpu_ms(daemon) / 1e3);
	samples_add(&starts->memory, process_memory_mb(daemon->balancer.pid));
	daemon_stop(daemon);
	err = daemon_start(daemon, &seconds);
	samples_add(&starts->again, seconds);
	return err;
}

static int starts_measure(struct daemon *daemon, unsigned int services, struct report *report)
{
	struct starts starts = { 0 };
	int err = 0;

	daemon->services = services;
	daemon->weight = CONTROL_WEIGHT;
	for (unsigned int round = 0; !err && round < daemon->pace->rounds; round++) {
		daemon_stop(daemon);
		err = start_round(daemon, &starts);
	}
	if (err)
		return err;
	report_add(report, &starts.ready, "s", "control.load.%u.ready", services);
	report_add(report, &starts.cpu, "s", "control.load.%u.cpu", services);
	report_add(report, &starts.memory, "MB", "control.load.%u.memory", services);
	report_add(report, &starts.again, "s", "control.load.%u.again", services);
	return 0;
}

/* ---- one backend changed --------------------------------------------------------------------- */

enum way { BY_RELOAD, BY_OVERRIDE };

struct changes {
	struct samples slots, write, answer;
};

/* Asks for the change; the fd of the answer, or -errno. */
static int change_ask(const struct daemon *daemon, enum way way)
{
	char body[128];

	if (way == BY_RELOAD)
		return api_post("/v1/reload", "{}");
	snprintf(body, sizeof(body), "{\"service\":\"s%u\",\"backend\":\"b%u\",\"weight\":%u}",
		 control_changed_service(daemon->services), CONTROL_CHANGED, daemon->weight);
	return api_post("/v1/override", body);
}

static int change_round(struct daemon *daemon, enum way way, struct changes *changes)
{
	struct slots_wanted wanted;
	double began, first = 0, last = 0;
	int fd, err;

	daemon->weight = daemon->weight == CONTROL_WEIGHT ? WEIGHT_OTHER : CONTROL_WEIGHT;
	err = way == BY_RELOAD ? config_write(daemon) : 0;
	if (!err)
		err = slots_expect(daemon->tables, control_changed_service(daemon->services),
				   daemon->weight, &wanted);
	if (err)
		return err;
	began = watch_now_ms();
	fd = change_ask(daemon, way);
	err = fd < 0 ? fd : slots_wait(&wanted, began, &first, &last);
	slots_forget(&wanted);
	if (fd >= 0 && (api_finish(fd, daemon->diag) || err))
		return err ? err : -EREMOTEIO;
	samples_add(&changes->slots, last);
	samples_add(&changes->write, last - first);
	samples_add(&changes->answer, watch_now_ms() - began);
	return err;
}

static int changes_run(struct daemon *daemon, enum way way, struct changes *changes)
{
	int err = 0;

	for (unsigned int round = 0; !err && round < daemon->pace->rounds; round++)
		err = change_round(daemon, way, changes);
	if (err && !daemon->diag->count)
		diag_add(daemon->diag, NULL, 0, "a changed backend did not reach its slots: %s",
			 strerror(-err));
	return err;
}

static int changes_measure(struct daemon *daemon, enum way way, const char *name,
			   struct report *report)
{
	const struct addr vip = control_vip(control_changed_service(daemon->services));
	struct samples sent = { 0 }, lost = { 0 };
	struct changes quiet = { 0 }, busy = { 0 };
	struct flow_sender *sender;
	struct flow_result flow;
	int err = changes_run(daemon, way, &quiet);

	if (!err)
		err = flow_sender_start(&vip, CONTROL_PORT, &sender, daemon->diag);
	if (err)
		return err;
	err = changes_run(daemon, way, &busy);
	flow_sender_stop(sender, &flow);
	if (err)
		return err;
	samples_add(&sent, flow.sent);
	samples_add(&lost, flow.lost);
	report_add(report, &quiet.slots, "ms", "control.%s.slots", name);
	report_add(report, &quiet.write, "ms", "control.%s.write", name);
	report_add(report, &quiet.answer, "ms", "control.%s.answer", name);
	report_add(report, &busy.slots, "ms", "control.%s.busy", name);
	report_add(report, &sent, "packets", "control.%s.sent", name);
	report_add(report, &lost, "packets", "control.%s.missing", name);
	return 0;
}

/* What of a reload is reading and checking the file: by the same function, in this process. */
static int parse_measure(const struct daemon *daemon, struct report *report)
{
	struct samples samples = { 0 };
	int err = 0;

	sched_setaffinity(0, sizeof(daemon->seat.own), &daemon->seat.own);
	for (unsigned int round = 0; !err && round < daemon->pace->rounds; round++) {
		struct config *config = NULL;
		double began = watch_now_ms();

		err = config_load(CONTROL_CONFIG, &config, daemon->diag);
		samples_add(&samples, watch_now_ms() - began);
		config_free(config);
	}
	sched_setaffinity(0, sizeof(daemon->seat.other), &daemon->seat.other);
	report_add(report, &samples, "ms", "control.reload.parse");
	return err;
}

/* ---- neighbours ------------------------------------------------------------------------------ */

/* Messages that the kernel could not give to lbd, whose sockets are the only ones that ask for
 * any there. */
static double overruns(const struct daemon *daemon)
{
	unsigned long drops;
	char line[256];
	double sum = 0;
	FILE *file;

	snprintf(line, sizeof(line), "/proc/%d/net/netlink", daemon->balancer.pid);
	file = fopen(line, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %lu", &drops) == 1)
			sum += (double)drops;
	if (file)
		fclose(file);
	return sum;
}

static int neighbours_round(struct daemon *daemon, struct samples *hops, struct samples *cpu,
			    struct samples *kernel)
{
	double cpu_before = cpu_ms(daemon), began = watch_now_ms(), last = 0;
	int err = neighbours_set(daemon->ground, BACKENDS_MOST, ++daemon->generation);

	samples_add(kernel, watch_now_ms() - began);
	if (!err)
		err = hops_wait(daemon->tables, BACKENDS_MOST, daemon->generation, began, &last);
	samples_add(hops, last);
	samples_add(cpu, cpu_ms(daemon) - cpu_before);
	return err;
}

static int neighbours_measure(struct daemon *daemon, struct report *report)
{
	struct samples hops = { 0 }, cpu = { 0 }, kernel = { 0 }, lost = { 0 };
	double before = overruns(daemon);
	int err = 0;

	for (unsigned int round = 0; !err && round < daemon->pace->rounds; round++)
		err = neighbours_round(daemon, &hops, &cpu, &kernel);
	if (err) {
		diag_add(daemon->diag, NULL, 0, "neighbours that changed did not reach the "
			 "backends: %s", strerror(-err));
		return err;
	}
	samples_add(&lost, overruns(daemon) - before);
	report_add(report, &kernel, "ms", "control.neighbours.kernel");
	report_add(report, &hops, "ms", "control.neighbours.hops");
	report_add(report, &cpu, "ms", "control.neighbours.cpu");
	report_add(report, &lost, "messages", "control.neighbours.overruns");
	return 0;
}

/* ---- rings ----------------------------------------------------------------------------------- */

static int ring_measure(unsigned int rounds, unsigned int backends, uint32_t slots,
			struct report *report)
{
	struct ring_member *members = mem_array(backends, sizeof(*members));
	char (*names)[CONTROL_RING_NAME] = mem_array(backends, sizeof(*names));
	uint32_t *owners = mem_array(slots, sizeof(*owners));
	struct samples build = { 0 };
	int err = 0;

	for (unsigned int i = 0; i < backends; i++) {
		snprintf(names[i], sizeof(names[i]), "b%u", i);
		members[i] = (struct ring_member){ names[i], CONTROL_WEIGHT };
	}
	for (unsigned int round = 0; !err && round < rounds; round++) {
		double began = watch_now_ms();

		err = ring_build(members, backends, slots, owners);
		samples_add(&build, watch_now_ms() - began);
	}
	report_add(report, &build, "ms", "control.ring.%u.%u", backends, slots);
	free(owners);
	free(names);
	free(members);
	return err;
}

static int rings_measure(const struct pace *pace, struct report *report)
{
	int err = 0;

	for (size_t s = 0; s < CONTROL_RINGS; s++)
		for (size_t b = 0; !err && b < CONTROL_RINGS; b++)
			err = ring_measure(pace->rounds, control_ring_backends[b],
					   control_ring_slots[s], report);
	return err;
}

/* ---- the part -------------------------------------------------------------------------------- */

const unsigned int control_loads[CONTROL_LOADS] = { 1, 100, SERVICES_MOST };
const unsigned int control_ring_backends[CONTROL_RINGS] = { 10, 100, 1000 };
const uint32_t control_ring_slots[CONTROL_RINGS] = { 1021, 65537, 1000003 };

static int daemon_measure(struct daemon *daemon, struct report *report)
{
	int err = 0;

	for (size_t i = 0; !err && i < CONTROL_LOADS; i++) {
		progress("control", "starts");
		err = starts_measure(daemon, control_loads[i], report);
	}
	if (err)
		return err;
	maps_report(report);
	progress("control", "one backend changed");
	err = changes_measure(daemon, BY_RELOAD, "reload", report);
	if (!err)
		err = parse_measure(daemon, report);
	if (!err)
		err = changes_measure(daemon, BY_OVERRIDE, "override", report);
	progress("control", "neighbours");
	return err ? err : neighbours_measure(daemon, report);
}

static int control_measure(const struct pace *pace, const struct ground *ground,
			   struct report *report, struct diag *diag)
{
	struct daemon daemon = { .ground = ground, .pace = pace, .diag = diag };
	int err = rings_measure(pace, report), gone;

	if (!err)
		err = network_make(ground, diag);
	if (err)
		return err;
	seat_find(&daemon.seat);
	err = daemon_measure(&daemon, report);
	daemon_stop(&daemon);
	sched_setaffinity(0, sizeof(daemon.seat.own), &daemon.seat.own);
	network_unmake(ground);
	gone = pins_remove(ground, diag);
	return err ? err : gone;
}

const struct part control_part = {
	.name = "control",
	.help = "the daemon: starts, changes and memory with 1,000 services",
	.pace = { [QUICK] = { 1, 0 }, [USUAL] = { 7, 0 }, [FULL] = { 15, 0 } },
	.measure = control_measure,
	.print = control_print,
};
