/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one run of bench found out, and about which machine. */
#include "bench/report.h"

#include <stdarg.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "config/mem.h"

/* ---- the machine ---------------------------------------------------------------------------- */

static void processor_read(struct machine *machine)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	strcpy(machine->processor, "unknown processor");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "model name : %127[^\n]", machine->processor) == 1)
			break;
	if (file)
		fclose(file);
	machine->processors = sysconf(_SC_NPROCESSORS_ONLN);
}

/* Of the working directory: that is where the build came from. */
static void commit_read(struct machine *machine)
{
	FILE *git = popen("git describe --always --dirty 2>/dev/null", "re");

	if (!git || fscanf(git, "%63s", machine->commit) != 1)
		strcpy(machine->commit, "unknown");
	if (git)
		pclose(git);
}

void report_begin(struct report *report, int cpu)
{
	struct machine *machine = &report->machine;
	struct utsname names;
	time_t now = time(NULL);
	struct tm utc;

	memset(report, 0, sizeof(*report));
	machine->cpu = cpu;
	processor_read(machine);
	commit_read(machine);
	uname(&names);
	snprintf(machine->kernel, sizeof(machine->kernel), "%.16s %.64s %.32s", names.sysname,
		 names.release, names.machine);
	strftime(machine->time, sizeof(machine->time), "%Y-%m-%dT%H:%M:%SZ",
		 gmtime_r(&now, &utc));
}

void report_end(struct report *report)
{
	free(report->figures);
	memset(report, 0, sizeof(*report));
}

/* ---- figures -------------------------------------------------------------------------------- */

void report_add(struct report *report, const struct samples *samples, const char *unit,
		const char *name, ...)
{
	struct figure figure = { .unit = unit };
	va_list args;

	va_start(args, name);
	vsnprintf(figure.name, sizeof(figure.name), name, args);
	va_end(args);
	figure.value = samples_median(samples);
	figure.least = samples_min(samples);
	figure.most = samples_max(samples);
	figure.spread = samples_spread(samples);
	report->figures = mem_must(realloc(report->figures,
					   (report->count + 1) * sizeof(*report->figures)));
	report->figures[report->count++] = figure;
}

const struct figure *report_find(const struct report *report, const char *name, ...)
{
	char wanted[FIGURE_NAME_MAX];
	va_list args;

	va_start(args, name);
	vsnprintf(wanted, sizeof(wanted), name, args);
	va_end(args);
	for (size_t i = 0; i < report->count; i++)
		if (!strcmp(report->figures[i].name, wanted))
			return &report->figures[i];
	return NULL;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void text_print(const char *name, const char *text, FILE *to)
{
	fprintf(to, "{\"name\":\"%s\",\"value\":\"", name);
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			fprintf(to, "\\%c", *text);
		else if ((unsigned char)*text >= ' ')
			fputc(*text, to);
	fputs("\",\"unit\":\"text\"}\n", to);
}

void report_print_json(const struct report *report, FILE *to)
{
	const struct machine *machine = &report->machine;

	text_print("machine", machine->processor, to);
	fprintf(to, "{\"name\":\"processors\",\"value\":%ld,\"unit\":\"count\"}\n",
		machine->processors);
	fprintf(to, "{\"name\":\"cpu\",\"value\":%d,\"unit\":\"number\"}\n", machine->cpu);
	text_print("kernel", machine->kernel, to);
	text_print("commit", machine->commit, to);
	text_print("time", machine->time, to);
	for (size_t i = 0; i < report->count; i++) {
		const struct figure *figure = &report->figures[i];

		fprintf(to,
			"{\"name\":\"%s\",\"value\":%.7g,\"unit\":\"%s\",\"least\":%.7g,"
			"\"most\":%.7g,\"spread\":%.3g}\n",
			figure->name, figure->value, figure->unit, figure->least, figure->most,
			figure->spread);
	}
}
