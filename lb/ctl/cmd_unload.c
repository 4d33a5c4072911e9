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
#include "policy/flows.h"
#include "policy/kernel.h"

#define UNLOAD_TIMEOUT_MS 60000 /* withdrawing waits for the network to notice */
#define ENDING_MS 5000		/* a daemon that was told to end has gone by then */
#define ASK_AGAIN_MS 50

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

/* Says what was done. Returns 0, -EBUSY while a daemon works with the pins, another -errno. */
static int unload_without_daemon(const struct ctl *ctl, bool all, struct diag *diag)
{
	bool isolates = policy_is_loaded(ctl->pin), sees = flow_kernel_is_loaded(ctl->pin);
	char text[4300];
	int error = unload_pins(ctl->pin, diag);

	if (error && error != -ENOENT)
		return error;
	if (sees && flow_kernel_unload(ctl->pin, diag))
		return -EIO;
	if (all && isolates && policy_unload(ctl->pin, diag))
		return -EIO;
	if (sees || (all && isolates))
		rmdir(ctl->pin); /* unless the pins of decap are in it */
	snprintf(text, sizeof(text), "%s %s%s",
		 error && !sees && !(all && isolates) ? "nothing is loaded under" :
					       "unloaded what a daemon left under", ctl->pin,
		 isolates && !all ? "; isolation stays in force (\"unload --all\" takes it away)" :
				    "");
	print_text(ctl, text);
	return 0;
}

/* By the daemon, or without one. Says what was done; 0 or -errno. */
static int unload(const struct ctl *ctl, bool all, struct diag *diag)
{
	const struct client client = { .socket = ctl->socket, .timeout_ms = UNLOAD_TIMEOUT_MS };
	struct json_object *body = json_object_new_object(), *reply;
	int error;

	json_object_object_add(body, "all", json_object_new_boolean(all));
	if (ctl->pin_given) /* a daemon with other pins is another one: it must refuse */
		json_object_object_add(body, "pin", json_object_new_string(ctl->pin));
	error = client_call(&client, "POST", "/v1/unload", body, &reply, diag);
	json_object_put(body);
	if (error == -ENOTCONN) {
		diag_clear(diag);
		return unload_without_daemon(ctl, all, diag);
	}
	if (error)
		return error;
	print_text(ctl, field_text(reply, "text"));
	json_object_put(reply);
	return 0;
}

int cmd_unload(struct ctl *ctl, int argc, char **argv)
{
	bool all = false;
	const struct ctl_option options[] = { { "--all", .flag = &all }, { 0 } };
	_cleanup_diag_ struct diag diag = { 0 };
	int error, code = ctl_options(ctl, &argc, argv, options);

	if (code)
		return code;
	if (argc != 1)
		return ctl_usage(ctl, "unload takes no names: --pin and --socket say which one");
	error = unload(ctl, all, &diag);
	/* A daemon that is ending hangs up, and leaves its pins a little after its socket. */
	for (int waited = 0; (error == -ECONNRESET || error == -EBUSY) && waited < ENDING_MS;
	     waited += ASK_AGAIN_MS) {
		usleep(ASK_AGAIN_MS * 1000);
		diag_clear(&diag);
		error = unload(ctl, all, &diag);
	}
	return error ? ctl_report(ctl, &diag) : CTL_DONE;
}
