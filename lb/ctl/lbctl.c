/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl: the table of commands, and what holds for all of them. Each command is one row here and
 * one file cmd_*.c; ctl.h is what they share. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xdp/libxdp.h>

#include "lb/ctl/ctl.h"
#include "lb/ctl/options.h"
#include "lb/version.h"

static const struct ctl_command commands[] = {
	{ "check", "FILE", "say what is wrong in a config file; needs no daemon", cmd_check },
	{ "plan", "[FILE]", "say what a reload would do, and do nothing", cmd_plan },
	{ "reload", "[FILE | --previous] [--break SERVICE]...",
	  "apply a config file, all or nothing (default: the daemon's own)", cmd_reload },
	{ "show", "[services|backends|interfaces|flows|policy|verdicts]",
	  "what the kernel really does (default: services)", cmd_show },
	{ "drain", "SERVICE/BACKEND", "no new flows; live ones go on until its drain time ends",
	  cmd_drain },
	{ "enable", "SERVICE/BACKEND", "use it, whatever the config says", cmd_enable },
	{ "disable", "SERVICE/BACKEND", "cut it off, live flows too", cmd_disable },
	{ "weight", "SERVICE/BACKEND N", "its weight, 0 to 65535; 0: no new flows", cmd_weight },
	{ "reset", "SERVICE/BACKEND | --all", "take such overrides back: the config decides",
	  cmd_reset },
	{ "replay", "IN.pcap OUT.pcap [--config FILE] [--reply]",
	  "each packet through the data plane, with its verdict", cmd_replay },
	{ "explain", "PROTO SRC:PORT DST:PORT [--flags SYN] [--interface NAME] [--reply]",
	  "why a packet goes where it goes", cmd_explain },
	{ "capture", "[-w FILE.pcapng] [--count N] [--seconds S] [--sample N] [--snap BYTES]\n"
	  "                     [--service S] [--backend S/B] [--verdict V] [--filter EXPRESSION]",
	  "packets as they come and as they leave", cmd_capture },
	{ "doctor", "[FILE]", "what on this host would hurt, and what mends it", cmd_doctor },
	{ "decap", "[IFACE [--from PREFIX]... [--mss N] | IFACE --off]",
	  "on a host of encapsulated backends: take packets out; without IFACE: what stands",
	  cmd_decap },
	{ "policy", "audit | enforce | suggest [--since TIME]",
	  "let everything pass and tell it, or not; rules from what was seen", cmd_policy },
	{ "flows", "[--since TIME] [--container NAME] [--peer ADDRESS|PREFIX|NAME] [--port N]\n"
	  "                   [-f | --follow]",
	  "who talks to whom now, with bytes, round trips and ends", cmd_flows },
	{ "graph", "[--since TIME] [--dot]", "who depends on whom, by containers and services",
	  cmd_graph },
	{ "unload", "[--all]", "stop balancing and leave nothing in the kernel", cmd_unload },
	{ "top", "[services|backends|containers] [-d SECONDS] [--batch [-n N]]",
	  "what passes in a second, live; --batch: as text, N times", cmd_top },
	{ "events", "[-f] [--since TIME] [--kind KIND]...", "what happened and why; -f: go on",
	  cmd_events },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct ctl_command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_help(void)
{
	puts("usage: lbctl [--socket PATH] [--pin DIR] [--json] VERB ...\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-10s%s\n", commands[i].name, commands[i].help);
	puts("\n"
	     "  --socket PATH  the daemon's socket, " CTL_SOCKET "\n"
	     "  --pin DIR      its pinned tables, " CTL_PIN "\n"
	     "  --json         JSON instead of text\n"
	     "  --help         this, or with VERB how it is used\n"
	     "  --version\n\n"
	     "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no daemon.");
}

static void print_command_help(const struct ctl_command *command)
{
	printf("usage: lbctl %s%s%s\n%s\n", command->name, *command->args ? " " : "", command->args,
	       command->help);
}

/* A full disk or a closed pipe must not look like success. */
static int output_end(int code)
{
	bool failed = ferror(stdout);

	if (!fflush(stdout) && !failed)
		return code;
	fprintf(stderr, "lbctl: cannot write the output: %s\n", strerror(errno));
	return code ? code : CTL_FAILED;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .socket = CTL_SOCKET, .pin = CTL_PIN };
	const char *pin = NULL;
	bool help = false, version = false;
	const struct ctl_option globals[] = {
		{ "--socket", .value = &ctl.socket },
		{ "--pin", .value = &pin },
		{ "--json", .flag = &ctl.json },
		{ "--help", .flag = &help },
		{ "-h", .flag = &help },
		{ "--version", .flag = &version },
		{ 0 },
	};
	_cleanup_diag_ struct diag diag = { 0 };

	libbpf_set_print(NULL); /* their findings come as sentences in a diag */
	libxdp_set_print(NULL);
	if (options_take(&argc, argv, globals, OPTIONS_LEAVE, &diag))
		return ctl_usage(&ctl, "%s", diag.entries[0].text);
	if (pin) {
		ctl.pin = pin;
		ctl.pin_given = true;
	}
	if (version) {
		puts("lbctl " LB_VERSION);
		return output_end(CTL_DONE);
	}
	if (argc < 2 && help) {
		print_help();
		return output_end(CTL_DONE);
	}
	if (argc < 2)
		return ctl_usage(&ctl, "no verb");
	if (argv[1][0] == '-')
		return ctl_usage(&ctl, "unknown option \"%s\"", argv[1]);
	ctl.command = command_find(argv[1]);
	if (!ctl.command)
		return ctl_usage(&ctl, "unknown verb \"%s\"", argv[1]);
	if (help) {
		print_command_help(ctl.command);
		return output_end(CTL_DONE);
	}
	return output_end(ctl.command->fn(&ctl, argc - 1, argv + 1));
}
