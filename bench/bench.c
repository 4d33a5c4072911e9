/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench: what the data plane costs, beside the least that any program could. Needs root, and leaves
 * the machine as it was: all happens in namespaces of its own, but that connection tracking's
 * limits are raised for the time in which nftables is measured. */
#include "bench/bench.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bench/cpus.h"

/* In the order in which they are measured and printed. */
static const struct part *const all_parts[] = { &cost_part, &mpps_part, &motion_part,
					       &tcp_part, &congestion_part, &policy_part,
					       &flows_part, &control_part, &seen_part };

#define PARTS (sizeof(all_parts) / sizeof(all_parts[0]))

struct options {
	enum extent extent;
	bool json;
	const struct part *parts[PARTS + 1]; /* to be measured, up to a NULL */
	int cpu;		/* -1: the last one that may be used */
	const char *out;	/* NULL: bench.json beside this program */
};

static void help_print(FILE *to)
{
	fputs("Usage: bench [--quick|--full] [--json] [--only PART[,PART]...] [--cpu N] "
	      "[--out FILE]\n"
	      "\n"
	      "  --quick       all figures, but rough\n"
	      "  --full        the whole matrix\n"
	      "  --json        JSON lines on stdout instead of the table, and no file\n"
	      "  --only PARTS  a part or several:\n", to);
	for (size_t i = 0; i < PARTS; i++)
		fprintf(to, "                  %-12s %s\n", all_parts[i]->name,
			all_parts[i]->help);
	fputs("  --cpu N       the CPU on which everything runs (the last one)\n"
	      "  --out FILE    where the JSON lines go (bench.json beside this program)\n", to);
}

static const struct part *part_find(const char *name)
{
	for (size_t i = 0; i < PARTS; i++)
		if (!strcmp(all_parts[i]->name, name))
			return all_parts[i];
	return NULL;
}

static int parts_read(char *names, struct options *options)
{
	size_t count = 0;
	char *rest = NULL;

	for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		const struct part *part = part_find(name);

		if (!part || count == PARTS)
			return -EINVAL;
		options->parts[count++] = part;
	}
	options->parts[count] = NULL;
	return count ? 0 : -EINVAL;
}

static int cpu_read(const char *text, int *ret_cpu)
{
	char *end;
	long cpu = strtol(text, &end, 10);

	if (*end || end == text || cpu < 0 || cpu >= CPU_SETSIZE)
		return -EINVAL;
	*ret_cpu = (int)cpu;
	return 0;
}

static int options_read(int argc, char **argv, struct options *options)
{
	enum { QUICKLY = 256, FULLY, JSON, ONLY, CPU, OUT, HELP };
	static const struct option long_options[] = {
		{ "quick", no_argument, NULL, QUICKLY }, { "full", no_argument, NULL, FULLY },
		{ "json", no_argument, NULL, JSON },	 { "only", required_argument, NULL, ONLY },
		{ "cpu", required_argument, NULL, CPU }, { "out", required_argument, NULL, OUT },
		{ "help", no_argument, NULL, HELP },	 { 0 },
	};
	int option, err = 0;

	memcpy(options->parts, all_parts, sizeof(all_parts));
	while (!err && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		switch (option) {
		case QUICKLY:
			options->extent = QUICK;
			break;
		case FULLY:
			options->extent = FULL;
			break;
		case JSON:
			options->json = true;
			break;
		case ONLY:
			err = parts_read(optarg, options);
			break;
		case CPU:
			err = cpu_read(optarg, &options->cpu);
			break;
		case OUT:
			options->out = optarg;
			break;
		case HELP:
			help_print(stdout);
			exit(0);
		default:
			return -EINVAL;
		}
	return err || optind < argc ? -EINVAL : 0;
}

void progress(const char *part, const char *name)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (name)
		fprintf(stderr, "\r\033[K%s %s", part, name);
	else
		fputs("\r\033[K", stderr);
}

static int json_write(const struct report *report, const char *out, struct diag *diag)
{
	char path[PATH_MAX], self[PATH_MAX - 16] = "";
	FILE *file;
	int err;

	if (!out) {
		if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
			return -errno;
		snprintf(path, sizeof(path), "%s/bench.json", dirname(self));
		out = path;
	}
	file = fopen(out, "we");
	if (file) {
		report_print_json(report, file);
		if (!fclose(file))
			return 0;
	}
	err = -errno;
	diag_add(diag, out, 0, "cannot be written: %s", strerror(-err));
	return err;
}

static int measure(const struct options *options, struct report *report, struct diag *diag)
{
	struct ground ground;
	int err = ground_make(&ground, diag);

	if (err)
		return err;
	for (const struct part *const *part = options->parts; !err && *part; part++) {
		struct pace pace = (*part)->pace[options->extent];

		pace.extent = options->extent;
		err = (*part)->measure(&pace, &ground, report, diag);
	}
	progress(NULL, NULL);
	ground_unmake(&ground);
	return err;
}

int main(int argc, char **argv)
{
	struct options options = { .extent = USUAL, .cpu = -1 };
	_cleanup_diag_ struct diag diag = { 0 };
	struct report report;
	int cpu = 0, err;

	if (options_read(argc, argv, &options)) {
		help_print(stderr);
		return 2;
	}
	if (geteuid()) {
		fputs("bench: needs root\n", stderr);
		return 1;
	}
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	/* What the kernel's test runs measure, they measure where this process is. */
	err = cpus_bind(options.cpu, &cpu);
	if (err) {
		fprintf(stderr, "bench: cannot run on that CPU: %s\n", strerror(-err));
		return 1;
	}
	report_begin(&report, cpu);
	err = measure(&options, &report, &diag);
	if (!err && options.json)
		report_print_json(&report, stdout);
	else if (!err)
		report_print_table(&report, options.parts, stdout);
	if (!err && !options.json)
		err = json_write(&report, options.out, &diag);
	diag_print(&diag, stderr);
	report_end(&report);
	return err ? 1 : 0;
}
