/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl capture: packets as they came and as they left, which no packet socket on this host sees.
 * The programs tell both halves of what is sampled; what is wanted of that is chosen here. */
#include <errno.h>
#include <json-c/json.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lb/ctl/ctl.h"
#include "lb/ctl/frame_text.h"
#include "lb/ctl/pcapng.h"
#include "lb/kernel/capture.h"
#include "lb/kernel/replay.h"
#include "lb/version.h"

#define SNAP_DEFAULT 262
#define SAMPLE_MAX 65535
#define POLL_MS 200
#define LABEL_MAX 256

struct taking {
	const struct ctl *ctl;
	struct capture *capture;
	FILE *file;		       /* NULL: lines on stdout */
	const char *service, *backend; /* names, NULL: any; `backend` is "service/backend" */
	int verdict;		       /* -1: any */
	struct bpf_program filter;
	bool has_filter;
	unsigned long count;   /* of packets that are wanted, 0: all */
	unsigned long seconds; /* 0: until it is ended */
	unsigned long sample, snap;
	unsigned long taken, others;
};

static volatile sig_atomic_t ended;

static void end_asked(int number)
{
	(void)number;
	ended = 1;
}

/* ---- which are wanted ------------------------------------------------------------------------ */

/* "web/web-a", "web", or "". */
static const char *owner_text(const struct taking *taking, const struct lb_captured *left,
			      char text[LABEL_MAX])
{
	const char *service = capture_service(taking->capture, left->service);
	const char *backend = capture_backend(taking->capture, left->backend);

	snprintf(text, LABEL_MAX, "%s%s%s", service ? service : "", service && backend ? "/" : "",
		 service && backend ? backend : "");
	return text;
}

static bool is_wanted(const struct taking *taking, const struct capture_packet *packet)
{
	const struct lb_captured *left = packet->left;
	const char *service = capture_service(taking->capture, left->service);
	struct pcap_pkthdr header = { .caplen = packet->came->kept, .len = packet->came->bytes };
	char owner[LABEL_MAX];

	if (taking->verdict >= 0 && left->verdict != taking->verdict)
		return false;
	if (taking->service && (!service || strcmp(service, taking->service)))
		return false;
	if (taking->backend && strcmp(owner_text(taking, left, owner), taking->backend))
		return false;
	return !taking->has_filter ||
	       pcap_offline_filter(&taking->filter, &header, packet->came_bytes);
}

/* ---- what is told of one -------------------------------------------------------------------- */

/* "REDIRECT_NAT to web/web-a", "DROP_NO_BACKEND of web", "PASS_NOT_SERVICE" */
static const char *outcome_text(const struct taking *taking, const struct lb_captured *left,
				char text[LABEL_MAX + 64])
{
	char owner[LABEL_MAX];
	enum lb_verdict verdict = left->verdict < LB_VERDICT_COUNT ? left->verdict : 0;
	enum lb_action action = verdict_action(verdict);
	bool to = left->program == LB_CAPTURE_LB && verdict != LB_REDIRECT_REPLY &&
		  verdict != LB_TX_REPLY && (action == LB_TX || action == LB_REDIRECT);

	owner_text(taking, left, owner);
	snprintf(text, LABEL_MAX + 64, "%s%s%s", verdict_name(verdict),
		 *owner ? (to ? " to " : " of ") : "", owner);
	return text;
}

/* What leaves by an interface; what the stack gets only where it is another packet than came. */
static bool has_left(const struct capture_packet *packet)
{
	enum lb_action action = verdict_action(
		packet->left->verdict < LB_VERDICT_COUNT ? packet->left->verdict : 0);

	if (action == LB_DROP || !packet->left->kept)
		return false;
	return action != LB_PASS || packet->left->bytes != packet->came->bytes ||
	       packet->left->kept != packet->came->kept ||
	       memcmp(packet->left_bytes, packet->came_bytes, packet->left->kept) != 0;
}

/* CLOCK_MONOTONIC as time of day. */
static uint64_t time_of_day(uint64_t at_ns)
{
	struct timespec day, boot;

	clock_gettime(CLOCK_REALTIME, &day);
	clock_gettime(CLOCK_MONOTONIC, &boot);
	return at_ns + (uint64_t)(day.tv_sec - boot.tv_sec) * 1000000000 + day.tv_nsec -
	       boot.tv_nsec;
}

static const char *interface_text(const struct lb_captured *came, char text[IF_NAMESIZE])
{
	if (!if_indextoname(came->ifindex, text))
		snprintf(text, IF_NAMESIZE, "#%u", came->ifindex);
	return text;
}

static void half_write(const struct taking *taking, enum pcapng_direction direction,
		       const struct lb_captured *half, const uint8_t *bytes, const char *comment)
{
	const struct pcapng_packet packet = {
		.direction = direction,
		.at_ns = time_of_day(half->at_ns),
		.frame = bytes,
		.kept = half->kept,
		.bytes = half->bytes,
		.comment = comment,
	};

	pcapng_write(taking->file, &packet);
}

static void packet_write(const struct taking *taking, const struct capture_packet *packet,
			 const char *outcome)
{
	char comment[LABEL_MAX + 128], interface[IF_NAMESIZE];

	snprintf(comment, sizeof(comment), "in by %s: %s", interface_text(packet->came, interface),
		 outcome);
	half_write(taking, PCAPNG_IN, packet->came, packet->came_bytes, comment);
	if (!has_left(packet))
		return;
	snprintf(comment, sizeof(comment), "out: %s", outcome);
	half_write(taking, PCAPNG_OUT, packet->left, packet->left_bytes, comment);
}

static void packet_print(const struct capture_packet *packet, const char *outcome)
{
	char *came = frame_text(packet->came_bytes, packet->came->kept);
	char *left = has_left(packet) ? frame_text(packet->left_bytes, packet->left->kept) : NULL;
	uint64_t at_ns = time_of_day(packet->came->at_ns);
	char interface[IF_NAMESIZE], clock[16];
	time_t seconds = (time_t)(at_ns / 1000000000);
	struct tm day;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&seconds, &day));
	printf("%s.%09llu %s %s: %s%s%s\n", clock, (unsigned long long)(at_ns % 1000000000),
	       interface_text(packet->came, interface), came ? came : "?", outcome,
	       left ? ", as " : "", left ? left : "");
	free(came);
	free(left);
}

static struct json_object *half_json(const struct lb_captured *half, const uint8_t *bytes)
{
	struct json_object *object = json_object_new_object();
	char *text = frame_text(bytes, half->kept), *hex = calloc(2, half->kept + 1UL);

	for (uint32_t i = 0; hex && i < half->kept; i++)
		snprintf(hex + 2UL * i, 3, "%02x", bytes[i]);
	json_object_object_add(object, "bytes", json_object_new_int64(half->bytes));
	json_object_object_add(object, "text", text ? json_object_new_string(text) : NULL);
	json_object_object_add(object, "hex", hex ? json_object_new_string(hex) : NULL);
	free(text);
	free(hex);
	return object;
}

static struct json_object *name_json(const char *name)
{
	return name ? json_object_new_string(name) : NULL;
}

static void packet_print_json(const struct taking *taking, const struct capture_packet *packet)
{
	const struct lb_captured *came = packet->came, *left = packet->left;
	enum lb_verdict verdict = left->verdict < LB_VERDICT_COUNT ? left->verdict : 0;
	struct json_object *line = json_object_new_object();
	char interface[IF_NAMESIZE];

	json_object_object_add(line, "at_ns",
			       json_object_new_int64((int64_t)time_of_day(came->at_ns)));
	json_object_object_add(
		line, "program",
		json_object_new_string(left->program == LB_CAPTURE_REPLY ? "lb_reply" : "lb"));
	json_object_object_add(line, "interface",
			       json_object_new_string(interface_text(came, interface)));
	json_object_object_add(line, "verdict", json_object_new_string(verdict_name(verdict)));
	json_object_object_add(line, "action",
			       json_object_new_string(action_name(verdict_action(verdict))));
	json_object_object_add(line, "service",
			       name_json(capture_service(taking->capture, left->service)));
	json_object_object_add(line, "backend",
			       name_json(capture_backend(taking->capture, left->backend)));
	json_object_object_add(line, "in", half_json(came, packet->came_bytes));
	json_object_object_add(line, "out",
			       has_left(packet) ? half_json(left, packet->left_bytes) : NULL);
	ctl_print_json(line);
	json_object_put(line);
}

static void packet_take(const struct capture_packet *packet, void *arg)
{
	struct taking *taking = arg;
	char outcome[LABEL_MAX + 64];

	if (taking->count && taking->taken == taking->count)
		return;
	if (!is_wanted(taking, packet)) {
		taking->others++;
		return;
	}
	taking->taken++;
	outcome_text(taking, packet->left, outcome);
	if (taking->file)
		packet_write(taking, packet, outcome);
	else if (taking->ctl->json)
		packet_print_json(taking, packet);
	else
		packet_print(packet, outcome);
}

/* ---- the command line ----------------------------------------------------------------------- */

static int number_take(const struct ctl *ctl, const char *option, const char *text,
		       unsigned long most, unsigned long *number)
{
	char *end = NULL;

	if (!text)
		return CTL_DONE;
	errno = 0;
	*number = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
	if (errno || !end || *end || !*number || *number > most)
		return ctl_usage(ctl, "%s wants a number from 1 to %lu, not \"%s\"", option, most,
				 text);
	return CTL_DONE;
}

static int verdict_take(const struct ctl *ctl, const char *text, int *verdict)
{
	*verdict = -1;
	for (int i = 0; text && i < LB_VERDICT_COUNT; i++)
		if (!strcasecmp(text, verdict_name((enum lb_verdict)i)))
			*verdict = i;
	if (text && *verdict < 0)
		return ctl_usage(ctl, "there is no verdict \"%s\": lbctl show verdicts", text);
	return CTL_DONE;
}

static int filter_take(const struct ctl *ctl, const char *text, struct taking *taking)
{
	pcap_t *ethernet;
	int code = CTL_DONE;

	if (!text)
		return CTL_DONE;
	ethernet = pcap_open_dead(DLT_EN10MB, LB_CAPTURE_SNAP_MAX);
	if (!ethernet || pcap_compile(ethernet, &taking->filter, text, 1, PCAP_NETMASK_UNKNOWN))
		code = ctl_usage(ctl, "--filter \"%s\": %s", text,
				 ethernet ? pcap_geterr(ethernet) : "out of memory");
	else
		taking->has_filter = true;
	if (ethernet)
		pcap_close(ethernet);
	return code;
}

/* A name that nobody has is a slip of the finger, and no capture of nothing. */
static int names_check(const struct taking *taking, struct diag *diag)
{
	const char *slash = taking->backend ? strchr(taking->backend, '/') : NULL, *name;
	bool service = !taking->service, backend = !taking->backend;

	for (uint32_t id = 1; id < LB_MAX_SERVICES && !service; id++) {
		name = capture_service(taking->capture, id);
		service = name && !strcmp(name, taking->service);
	}
	for (uint32_t id = 1; slash && id < LB_MAX_BACKENDS && !backend; id++) {
		name = capture_backend(taking->capture, id);
		backend = name && !strcmp(name, slash + 1);
	}
	if (!service)
		diag_add(diag, NULL, 0, "there is no service %s", taking->service);
	else if (!backend)
		diag_add(diag, NULL, 0, "there is no backend %s", taking->backend);
	return service && backend ? 0 : -ENOENT;
}

/* ---- the run --------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_over(const struct taking *taking, uint64_t begin_ms)
{
	return ended || ferror(taking->file ? taking->file : stdout) ||
	       (taking->count && taking->taken >= taking->count) ||
	       (taking->seconds && now_ms() - begin_ms >= taking->seconds * 1000);
}

static int packets_run(struct taking *taking, struct diag *diag)
{
	const struct sigaction action = { .sa_handler = end_asked };
	uint64_t begin_ms = now_ms();
	int err = 0;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	fputs("capturing; Ctrl-C ends it\n", stderr);
	while (!err && !is_over(taking, begin_ms)) {
		err = capture_poll(taking->capture, POLL_MS, diag);
		err = err == -EINTR ? 0 : err;
		fflush(taking->file ? taking->file : stdout);
	}
	capture_stop(taking->capture);
	fprintf(stderr, "%lu packet%s captured", taking->taken, taking->taken == 1 ? "" : "s");
	if (taking->others)
		fprintf(stderr, ", %lu other%s not wanted", taking->others,
			taking->others == 1 ? "" : "s");
	if (capture_lost(taking->capture))
		fprintf(stderr, ", %llu halves lost: too many at once (--sample, --snap)",
			(unsigned long long)capture_lost(taking->capture));
	fputs("\n", stderr);
	return err;
}

static int file_open(struct taking *taking, const char *name, struct diag *diag)
{
	if (!name)
		return 0;
	taking->file = strcmp(name, "-") ? fopen(name, "wb") : stdout;
	if (!taking->file) {
		diag_add(diag, name, 0, "%s", strerror(errno));
		return -EIO;
	}
	pcapng_begin(taking->file, (uint32_t)taking->snap, "lbctl " LB_VERSION);
	return 0;
}

static int file_close(struct taking *taking, const char *name, struct diag *diag)
{
	bool failed;

	if (!taking->file || taking->file == stdout)
		return 0; /* main() looks after stdout */
	failed = ferror(taking->file);
	if (!fclose(taking->file) && !failed)
		return 0;
	diag_add(diag, name, 0, "%s", strerror(errno));
	return -EIO;
}

/* FILE is opened last: a mistake before it leaves an older one as it was. */
static int capture_run(struct taking *taking, const char *name, struct diag *diag)
{
	int close_err, err = capture_open(taking->ctl->pin, (uint32_t)taking->sample,
					  (uint32_t)taking->snap, packet_take, taking,
					  &taking->capture, diag);

	if (!err)
		err = names_check(taking, diag);
	if (!err)
		err = file_open(taking, name, diag);
	if (!err)
		err = packets_run(taking, diag);
	capture_close(taking->capture);
	close_err = file_close(taking, name, diag);
	return err ? err : close_err;
}

int cmd_capture(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct taking taking = { .ctl = ctl, .sample = 1, .snap = SNAP_DEFAULT };
	const char *count = NULL, *seconds = NULL, *sample = NULL, *snap = NULL, *verdict = NULL,
		   *filter = NULL, *file = NULL;
	const struct ctl_option options[] = {
		{ "-w", .value = &file },
		{ "--count", .value = &count },
		{ "--seconds", .value = &seconds },
		{ "--sample", .value = &sample },
		{ "--snap", .value = &snap },
		{ "--service", .value = &taking.service },
		{ "--backend", .value = &taking.backend },
		{ "--verdict", .value = &verdict },
		{ "--filter", .value = &filter },
		{ 0 },
	};
	int error, code = ctl_options(ctl, &argc, argv, options);

	if (!code && argc != 1)
		code = ctl_usage(
			ctl, "capture takes options only; a pcap expression goes with --filter");
	if (!code && taking.backend && !strchr(taking.backend, '/'))
		code = ctl_usage(ctl, "\"%s\" is not SERVICE/BACKEND", taking.backend);
	if (!code)
		code = number_take(ctl, "--count", count, 1000000000, &taking.count);
	if (!code)
		code = number_take(ctl, "--seconds", seconds, 1000000, &taking.seconds);
	if (!code)
		code = number_take(ctl, "--sample", sample, SAMPLE_MAX, &taking.sample);
	if (!code)
		code = number_take(ctl, "--snap", snap, LB_CAPTURE_SNAP_MAX, &taking.snap);
	if (!code)
		code = verdict_take(ctl, verdict, &taking.verdict);
	if (!code)
		code = filter_take(ctl, filter, &taking);
	if (code)
		return code;
	error = capture_run(&taking, file, &diag);
	if (taking.has_filter)
		pcap_freecode(&taking.filter);
	return error ? ctl_report(ctl, &diag) : CTL_DONE;
}
