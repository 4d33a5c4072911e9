/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl replay: the packets of a capture through the data plane, one verdict a packet, and what
 * leaves into another capture. It is the data plane's test tool, so its lines are for scripts:
 * a packet that cannot be run gets no line, and the command then fails. */
#include <errno.h>
#include <json-c/json.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lb/ctl/ctl.h"
#include "lb/ctl/result_json.h"
#include "lb/kernel/replay.h"

#define CLASSIC_MICROSECONDS 0xd4 /* first byte of a little-endian classic file */

struct run {
	const struct ctl *ctl;
	const char *in_name, *out_name;
	bool reply;
	pcap_t *in, *out_format;
	pcap_dumper_t *out;
	struct replay *replay;
	unsigned long packets, cut_short, refused;
	unsigned long first_refused;	/* number of the packet */
	char first_reason[128];
};

/* ---- files ---------------------------------------------------------------------------------- */

/* IN must not be emptied by opening OUT. */
static bool same_file(const char *a, const char *b)
{
	struct stat a_stat, b_stat;

	return !stat(a, &a_stat) && !stat(b, &b_stat) && a_stat.st_dev == b_stat.st_dev &&
	       a_stat.st_ino == b_stat.st_ino && S_ISREG(a_stat.st_mode);
}

/* Microseconds stay microseconds; whatever may hold finer times is read, and written, with
 * nanoseconds. */
static int in_open(struct run *run, struct diag *diag)
{
	char error[PCAP_ERRBUF_SIZE];
	FILE *file = fopen(run->in_name, "rb");
	int first, link;

	if (!file) {
		diag_add(diag, run->in_name, 0, "%s", strerror(errno));
		return -EIO;
	}
	first = getc(file);
	if (first == EOF) {
		diag_add(diag, run->in_name, 0, "%s",
			 ferror(file) ? strerror(errno) : "it is empty");
		fclose(file);
		return -EIO;
	}
	ungetc(first, file);
	run->in = pcap_fopen_offline_with_tstamp_precision(file, first == CLASSIC_MICROSECONDS ?
							   PCAP_TSTAMP_PRECISION_MICRO :
							   PCAP_TSTAMP_PRECISION_NANO, error);
	if (!run->in) {
		fclose(file);
		diag_add(diag, run->in_name, 0, "%s", error);
		return -EIO;
	}
	link = pcap_datalink(run->in);
	if (link != DLT_EN10MB) {
		const char *name = pcap_datalink_val_to_name(link);

		diag_add(diag, run->in_name, 0,
			 "its packets are of link type %s; only Ethernet can be replayed",
			 name ? name : "unknown");
		return -EINVAL;
	}
	return 0;
}

static int out_open(struct run *run, struct diag *diag)
{
	run->out_format = pcap_open_dead_with_tstamp_precision(
		DLT_EN10MB, 262144, (unsigned int)pcap_get_tstamp_precision(run->in));
	run->out = run->out_format ? pcap_dump_open(run->out_format, run->out_name) : NULL;
	if (run->out)
		return 0;
	diag_add(diag, NULL, 0, "%s", run->out_format ? pcap_geterr(run->out_format) :
							"out of memory");
	return -EIO;
}

/* What was buffered and did not fit shows only now. */
static int out_close(struct run *run, struct diag *diag)
{
	int error = 0;

	if (run->out) {
		if (pcap_dump_flush(run->out) || ferror(pcap_dump_file(run->out))) {
			diag_add(diag, run->out_name, 0, "%s", strerror(errno));
			error = -EIO;
		}
		pcap_dump_close(run->out);
	}
	if (run->out_format)
		pcap_close(run->out_format);
	return error;
}

/* ---- one packet ----------------------------------------------------------------------------- */

static void print_json(unsigned long number, const struct replay_result *result)
{
	struct json_object *line = json_object_new_object();

	json_object_object_add(line, "packet", json_object_new_int64((int64_t)number));
	result_json_add(line, result);
	ctl_print_json(line);
	json_object_put(line);
}

static void print_result(const struct run *run, const struct replay_result *result)
{
	if (run->ctl->json)
		print_json(run->packets, result);
	else
		printf("%lu %s %s %s\n", run->packets, verdict_name(result->verdict),
		       result->service ? result->service : "-",
		       result->backend ? result->backend : "-");
}

/* Told once at the end: a capture with segmentation offload has thousands of them. */
static void packet_refused(struct run *run, const struct pcap_pkthdr *header, int error)
{
	unsigned int most = run->reply ? REPLAY_REPLY_MAX : REPLAY_PACKET_MAX;

	if (run->refused++)
		return;
	run->first_refused = run->packets;
	if (header->caplen > most)
		snprintf(run->first_reason, sizeof(run->first_reason),
			 "it has %u bytes, and %u can be run", header->caplen, most);
	else if (header->caplen < 14)
		snprintf(run->first_reason, sizeof(run->first_reason),
			 "its %u bytes are not an Ethernet header", header->caplen);
	else
		snprintf(run->first_reason, sizeof(run->first_reason), "%s", strerror(-error));
}

static void packet_run(struct run *run, const struct pcap_pkthdr *header, const u_char *frame)
{
	unsigned char out[REPLAY_OUT_MAX];
	size_t size = sizeof(out);
	struct replay_result result;
	int error = -EMSGSIZE;

	run->packets++;
	run->cut_short += header->caplen < header->len;
	if (header->caplen <= REPLAY_PACKET_MAX)
		error = replay_run(run->replay, run->reply, frame, header->caplen, out, &size,
				   &result);
	if (error) {
		packet_refused(run, header, error);
		return;
	}
	print_result(run, &result);
	if (result.action == LB_TX || result.action == LB_REDIRECT) {
		struct pcap_pkthdr left = { .ts = header->ts, .caplen = (bpf_u_int32)size };

		/* What the capture cut off is still missing. */
		left.len = left.caplen + (header->len - header->caplen);
		pcap_dump((u_char *)run->out, &left, out);
	}
}

/* ---- the run -------------------------------------------------------------------------------- */

static int packets_run(struct run *run, struct diag *diag)
{
	struct pcap_pkthdr *header;
	const u_char *frame;
	int got;

	while ((got = pcap_next_ex(run->in, &header, &frame)) == 1)
		packet_run(run, header, frame);
	if (got == PCAP_ERROR)
		diag_add(diag, run->in_name, 0, "behind packet %lu: %s", run->packets,
			 pcap_geterr(run->in));
	if (run->refused)
		diag_add(diag, run->in_name, 0, "packet %lu cannot be run: %s%s",
			 run->first_refused, run->first_reason,
			 run->refused > 1 ? "; nor can others behind it" : "");
	if (run->cut_short)
		fprintf(stderr, "%s: %lu packet%s cut short when captured; the data plane sees "
			"what is there\n", run->in_name, run->cut_short,
			run->cut_short == 1 ? " was" : "s were");
	return got == PCAP_ERROR || run->refused ? -EIO : 0;
}

static int replay_open(struct run *run, struct config *config, struct diag *diag)
{
	if (config)
		return replay_open_config(config, &run->replay, diag);
	return replay_open_pins(run->ctl->pin, &run->replay, diag);
}

/* OUT is opened last: a mistake before it leaves an older OUT as it was. */
static int replay_files(struct run *run, const char *config_name, struct diag *diag)
{
	_cleanup_config_ struct config *config = NULL;
	int error = 0, close_error;

	if (config_name)
		error = config_load(config_name, &config, diag);
	if (!error)
		error = in_open(run, diag);
	if (!error)
		error = replay_open(run, config, diag);
	if (!error)
		error = out_open(run, diag);
	if (!error)
		error = packets_run(run, diag);
	close_error = out_close(run, diag);
	replay_close(run->replay);
	if (run->in)
		pcap_close(run->in);
	return error ? error : close_error;
}

int cmd_replay(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct run run = { .ctl = ctl };
	const char *config = NULL;
	const struct ctl_option options[] = {
		{ "--config", .value = &config },
		{ "--reply", .flag = &run.reply },
		{ 0 },
	};
	int code = ctl_options(ctl, &argc, argv, options);

	if (code)
		return code;
	if (argc != 3)
		return ctl_usage(ctl, "replay wants a capture to read and one to write");
	if (!strcmp(argv[2], "-")) /* libpcap would write it between the lines */
		return ctl_usage(ctl, "OUT must be a file: stdout has the verdicts");
	if (same_file(argv[1], argv[2]))
		return ctl_usage(ctl, "IN and OUT are the same file");
	run.in_name = argv[1];
	run.out_name = argv[2];
	if (replay_files(&run, config, &diag))
		return ctl_report(ctl, &diag);
	return CTL_DONE;
}
