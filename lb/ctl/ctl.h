/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands of lbctl share. A command is one row of the table in lbctl.c and one function
 * here; it gets what is left of the command line after the global options, with its own name as
 * argv[0], prints, and returns an exit code. Only commands print: the parts below them fill a
 * struct diag. */
#ifndef LB_CTL_CTL_H
#define LB_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "config/diag.h"

struct json_object;

#define CTL_SOCKET	"/run/edgelb/lbd.sock"
#define CTL_PIN		"/sys/fs/bpf/edgelb"

/* Exit codes: a promise to scripts. */
enum ctl_exit {
	CTL_DONE,
	CTL_FAILED,	/* refused or failed; the reason is on stderr */
	CTL_USAGE,	/* wrong usage */
	CTL_NO_DAEMON,	/* nobody answers at the socket */
};

struct ctl {
	const char *socket;	/* of the daemon's API */
	const char *pin;	/* directory of the pinned tables */
	bool pin_given;		/* by --pin; else it is CTL_PIN */
	bool json;
	const struct ctl_command *command;	/* the one that runs */
};

struct ctl_command {
	const char *name;
	const char *args;	/* as its usage line shows them; "" */
	const char *help;	/* one line */
	int (*fn)(struct ctl *ctl, int argc, char **argv);	/* returns enum ctl_exit */
};

/* An option of a command, "--name". Exactly one of flag, value and values is set. */
struct ctl_option {
	const char *name;	/* with its dashes; NULL ends a list */
	bool *flag;		/* set to true where the option stands */
	const char **value;	/* gets what follows, at last */
	struct ctl_values *values;	/* collects what follows; may stand often */
};

#define CTL_VALUES_MAX 64

struct ctl_values {
	const char *text[CTL_VALUES_MAX];
	size_t count;
};

/* Takes a command's options out of argv, wherever they stand: argv[1..] is then what has no
 * dashes ("--" ends options). Returns CTL_DONE, or CTL_USAGE once it has said what is wrong. */
int ctl_options(const struct ctl *ctl, int *argc, char **argv, const struct ctl_option *options);

/* The same for a command that has none: says so if there is one. */
int ctl_no_options(const struct ctl *ctl, int *argc, char **argv);

/* Says what is wrong with the command line, and the command's usage line. Returns CTL_USAGE. */
__attribute__((format(printf, 2, 3)))
int ctl_usage(const struct ctl *ctl, const char *format, ...);

/* Findings to stderr, one a line, and with --json to stdout as {"errors":[…]}.
 * Returns CTL_FAILED. */
int ctl_report(const struct ctl *ctl, const struct diag *diag);

/* One order to the daemon, whose answer is a sentence: prints it. Takes `body`. Returns as
 * ctl_call() does. */
int ctl_say(const struct ctl *ctl, const char *path, struct json_object *body);

/* One question to the daemon. `body` may be NULL and stays the caller's; *ret_reply is the
 * caller's to json_object_put(). Returns CTL_DONE, or another code once it has said why. */
int ctl_call(const struct ctl *ctl, const char *method, const char *path, struct json_object *body,
	     struct json_object **ret_reply);

/* One line of JSON to stdout. */
void ctl_print_json(struct json_object *object);

/* The commands. */
int cmd_check(struct ctl *ctl, int argc, char **argv);
int cmd_plan(struct ctl *ctl, int argc, char **argv);
int cmd_reload(struct ctl *ctl, int argc, char **argv);
int cmd_show(struct ctl *ctl, int argc, char **argv);
int cmd_drain(struct ctl *ctl, int argc, char **argv);
int cmd_enable(struct ctl *ctl, int argc, char **argv);
int cmd_disable(struct ctl *ctl, int argc, char **argv);
int cmd_weight(struct ctl *ctl, int argc, char **argv);
int cmd_reset(struct ctl *ctl, int argc, char **argv);
int cmd_replay(struct ctl *ctl, int argc, char **argv);
int cmd_explain(struct ctl *ctl, int argc, char **argv);
int cmd_capture(struct ctl *ctl, int argc, char **argv);
int cmd_decap(struct ctl *ctl, int argc, char **argv);
int cmd_doctor(struct ctl *ctl, int argc, char **argv);
int cmd_policy(struct ctl *ctl, int argc, char **argv);
int cmd_flows(struct ctl *ctl, int argc, char **argv);
int cmd_graph(struct ctl *ctl, int argc, char **argv);
int cmd_events(struct ctl *ctl, int argc, char **argv);
int cmd_top(struct ctl *ctl, int argc, char **argv);
int cmd_unload(struct ctl *ctl, int argc, char **argv);

#endif
