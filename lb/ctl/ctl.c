/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How every command of lbctl speaks: usage errors, findings, JSON, and a question to the daemon
 * whose failure is one of the promised exit codes. */
#include "lb/ctl/ctl.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>

#include "lb/ctl/client.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/options.h"

#define ANSWER_TIMEOUT_MS 60000 /* a reload waits for readers of the old tables; not for people */

int ctl_usage(const struct ctl *ctl, const char *format, ...)
{
	const struct ctl_command *command = ctl->command;
	va_list args;

	fputs("lbctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (command)
		fprintf(stderr, "\nusage: lbctl %s%s%s\n", command->name, *command->args ? " " : "",
			command->args);
	else
		fputs("\nusage: lbctl [--socket PATH] [--pin DIR] [--json] VERB ..., "
		      "see lbctl --help\n", stderr);
	return CTL_USAGE;
}

int ctl_options(const struct ctl *ctl, int *argc, char **argv, const struct ctl_option *options)
{
	_cleanup_diag_ struct diag diag = { 0 };

	if (options_take(argc, argv, options, OPTIONS_REFUSE, &diag))
		return ctl_usage(ctl, "%s", diag.entries[0].text);
	return CTL_DONE;
}

int ctl_no_options(const struct ctl *ctl, int *argc, char **argv)
{
	const struct ctl_option none[] = { { 0 } };

	return ctl_options(ctl, argc, argv, none);
}

static struct json_object *errors_json(const struct diag *diag)
{
	struct json_object *reply = json_object_new_object();
	struct json_object *errors = json_object_new_array();

	for (size_t i = 0; i < diag->count; i++) {
		const struct diag_entry *entry = &diag->entries[i];
		struct json_object *error = json_object_new_object();

		json_object_object_add(error, "file",
				       entry->file ? json_object_new_string(entry->file) : NULL);
		json_object_object_add(error, "line", json_object_new_int(entry->line));
		json_object_object_add(error, "text", json_object_new_string(entry->text));
		json_object_array_add(errors, error);
	}
	json_object_object_add(reply, "errors", errors);
	return reply;
}

int ctl_report(const struct ctl *ctl, const struct diag *diag)
{
	diag_print(diag, stderr);
	if (ctl->json) {
		struct json_object *errors = errors_json(diag);

		ctl_print_json(errors);
		json_object_put(errors);
	}
	return CTL_FAILED;
}

int ctl_call(const struct ctl *ctl, const char *method, const char *path, struct json_object *body,
	     struct json_object **ret_reply)
{
	const struct client client = { .socket = ctl->socket, .timeout_ms = ANSWER_TIMEOUT_MS };
	_cleanup_diag_ struct diag diag = { 0 };
	int error = client_call(&client, method, path, body, ret_reply, &diag);

	if (!error)
		return CTL_DONE;
	ctl_report(ctl, &diag);
	return error == -ENOTCONN ? CTL_NO_DAEMON : CTL_FAILED;
}

int ctl_say(const struct ctl *ctl, const char *path, struct json_object *body)
{
	struct json_object *reply;
	int code = ctl_call(ctl, "POST", path, body, &reply);

	json_object_put(body);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(reply);
	else
		puts(field_text(reply, "text"));
	json_object_put(reply);
	return CTL_DONE;
}

void ctl_print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
}
