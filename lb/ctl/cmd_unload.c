/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl unload: the balancer leaves the kernel. A running daemon does it and ends; without one
 * it is done here, over the pins. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>

#include "lb/ctl/client.h"
#include "lb/ctl/ctl.h"
#include "lb/ctl/fields.h"
#include "lb/kernel/attach.h"
#include "policy/kernel.h"

#define UNLOAD_TIMEOUT_MS 60000 /* withdrawing waits for the network to notice */

/* One sentence about what was done. */
static void print_text(const struct ctl *ctl, const char *text)
{
	struct json_object *reply;

	if (!ctl->json) {
		puts(text);
		return;
	}
	reply = json_object_new_object();
	json_object_object_add(reply, "text", json_object_new_string(text));
	ctl_print_json(reply);
	json_object_put(reply);
}

static int unload_without_daemon(const struct ctl *ctl, bool all)
{
	_cleanup_diag_ struct diag diag = { 0 };
	bool isolates = policy_is_loaded(ctl->pin);
	char text[4300];
	int error;

	/* It finds out whether a daemon works with them. */
	error = unload_pins(ctl->pin, &diag);
	if (error && error != -ENOENT)
		return ctl_report(ctl, &diag);
	if (all && isolates && policy_unload(ctl->pin, &diag))
		return ctl_report(ctl, &diag);
	if (all && isolates)
		rmdir(ctl->pin); /* unless the pins of decap are in it */
	snprintf(text, sizeof(text), "%s %s%s",
		 error && !(all && isolates) ? "nothing is loaded under" :
					       "unloaded what a daemon left under", ctl->pin,
		 isolates && !all ? "; isolation stays in force (\"unload --all\" takes it away)" :
				    "");
	print_text(ctl, text);
	return CTL_DONE;
}

int cmd_unload(struct ctl *ctl, int argc, char **argv)
{
	const struct client client = { .socket = ctl->socket, .timeout_ms = UNLOAD_TIMEOUT_MS };
	bool all = false;
	const struct ctl_option options[] = { { "--all", .flag = &all }, { 0 } };
	_cleanup_diag_ struct diag diag = { 0 };
	struct json_object *body, *reply;
	int error, code = ctl_options(ctl, &argc, argv, options);

	if (code)
		return code;
	if (argc != 1)
		return ctl_usage(ctl, "unload takes no names: --pin and --socket say which one");
	body = json_object_new_object();
	json_object_object_add(body, "all", json_object_new_boolean(all));
	if (ctl->pin_given) /* a daemon with other pins is another one: it must refuse */
		json_object_object_add(body, "pin", json_object_new_string(ctl->pin));
	error = client_call(&client, "POST", "/v1/unload", body, &reply, &diag);
	json_object_put(body);
	if (error == -ENOTCONN)
		return unload_without_daemon(ctl, all);
	if (error)
		return ctl_report(ctl, &diag);
	print_text(ctl, field_text(reply, "text"));
	json_object_put(reply);
	return CTL_DONE;
}
