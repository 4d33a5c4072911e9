/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench: what the data plane costs, beside the least that any program could. Needs root, changes
 * nothing on the machine, and leaves nothing behind. */
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

struct options {
	bool quick, json, cost, flood, motion;
	int cpu;		/* -1: the last one that may be used */
	const char *out;	/* NULL: bench.json beside this program */
};

static const char help_text[] =
	"Usage: bench [--quick] [--json] [--only cost|mpps|motion] [--cpu N] [--out FILE]\n"
	"\n"
	"  --quick       all figures, but rough\n"
	"  --json        JSON lines on stdout instead of the table, and no file\n"
	"  --only PART   cost (of the program), mpps (over veth, through lbd), or motion (what a\n"
	"                change of backends moves, and the daemon's time for it)\n"
	"  --cpu N       the CPU on which everything runs (the last one)\n"
	"  --out FILE    where the JSON lines go (bench.json beside this program)\n";

static int options_read(int argc, char **argv, struct options *options)
{
	enum { QUICK = 256, JSON, ONLY, CPU, OUT, HELP };
	static const struct option long_options[] = {
		{ "quick", no_argument, NULL, QUICK },	 { "json", no_argument, NULL, JSON },
		{ "only", required_argument, NULL, ONLY }, { "cpu", required_argument, NULL, CPU },
		{ "out", required_argument, NULL, OUT },  { "help", no_argument, NULL, HELP },
		{ 0 },
	};
	char *end;
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		switch (option) {
		case QUICK:
			options->quick = true;
			break;
		case JSON:
			options->json = true;
			break;
		case ONLY:
			options->cost = !strcmp(optarg, "cost");
			options->flood = !strcmp(optarg, "mpps");
			options->motion = !strcmp(optarg, "motion");
			if (!options->cost && !options->flood && !options->motion)
				return -EINVAL;
			break;
		case CPU:
			options->cpu = (int)strtol(optarg, &end, 10);
			if (*end || end == optarg || options->cpu < 0 ||
			    options->cpu >= CPU_SETSIZE)
				return -EINVAL;
			break;
		case OUT:
			options->out = optarg;
			break;
		case HELP:
			fputs(help_text, stdout);
			exit(0);
		default:
			return -EINVAL;
		}
	return optind < argc ? -EINVAL : 0;
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

/* What the kernel's test runs measure, they measure where this process is. */
static int cpu_bind(int wanted, int *ret_cpu)
{
	cpu_set_t set;
	int cpu = wanted;

	if (cpu < 0) {
		if (sched_getaffinity(0, sizeof(set), &set))
			return -errno;
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &set))
				cpu = i;
	}
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return -errno;
	*ret_cpu = cpu;
	return 0;
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
	const struct pace rough = { .rounds = 1, .packets = 20000 };
	const struct pace cost = { .rounds = 13, .packets = 1 << 19 };
	const struct pace flood = { .rounds = 9, .packets = 1 << 19 };
	struct ground ground;
	int err = ground_make(&ground, diag);

	if (err)
		return err;
	if (options->cost)
		err = cost_measure(options->quick ? &rough : &cost, report, diag);
	if (!err && options->flood)
		err = flood_measure(options->quick ? &rough : &flood, &ground, report, diag);
	if (!err && options->motion)
		err = motion_measure(options->quick ? &rough : &cost, report, diag);
	progress(NULL, NULL);
	ground_unmake(&ground);
	return err;
}

int main(int argc, char **argv)
{
	struct options options = { .cost = true, .flood = true, .motion = true, .cpu = -1 };
	_cleanup_diag_ struct diag diag = { 0 };
	struct report report;
	int cpu = 0, err;

	if (options_read(argc, argv, &options)) {
		fputs(help_text, stderr);
		return 2;
	}
	if (geteuid()) {
		fputs("bench: needs root\n", stderr);
		return 1;
	}
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	err = cpu_bind(options.cpu, &cpu);
	if (err) {
		fprintf(stderr, "bench: cannot run on that CPU: %s\n", strerror(-err));
		return 1;
	}
	report_begin(&report, cpu);
	err = measure(&options, &report, &diag);
	if (!err && options.json)
		report_print_json(&report, stdout);
	else if (!err)
		report_print_table(&report, stdout);
	if (!err && !options.json)
		err = json_write(&report, options.out, &diag);
	diag_print(&diag, stderr);
	report_end(&report);
	return err ? 1 : 0;
}
