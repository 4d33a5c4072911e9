/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl policy: break-glass and its end, and rules from what was seen. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lb/ctl/ctl.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/flow_query.h"
#include "lb/ctl/suggest.h"

static int mode_set(const struct ctl *ctl, const char *mode)
{
	struct json_object *body = json_object_new_object();

	json_object_object_add(body, "mode", json_object_new_string(mode));
	return ctl_say(ctl, "/v1/policy", body);
}

static int suggest(const struct ctl *ctl, const char *since)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct json_object *reply;
	uint64_t seconds = 0;
	char path[64];
	int code;

	if (since && since_parse(since, &seconds, &diag))
		return ctl_usage(ctl, "%s", diag.entries[0].text);
	snprintf(path, sizeof(path), "/v1/policy/seen?seconds=%" PRIu64, seconds);
	code = ctl_call(ctl, "GET", path, NULL, &reply);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(reply);
	else if (!list_length(field(reply, "seen")))
		fputs("lbctl: no flow of a container in a group was seen\n", stderr);
	else
		suggest_print(field(reply, "seen"), stdout);
	json_object_put(reply);
	return CTL_DONE;
}

int cmd_policy(struct ctl *ctl, int argc, char **argv)
{
	const char *since = NULL;
	const struct ctl_option options[] = { { "--since", .value = &since }, { 0 } };
	int code = ctl_options(ctl, &argc, argv, options);

	if (code)
		return code;
	if (argc != 2)
		return ctl_usage(ctl, "policy wants one of audit, enforce and suggest");
	if (!strcmp(argv[1], "suggest"))
		return suggest(ctl, since);
	if (strcmp(argv[1], "audit") && strcmp(argv[1], "enforce"))
		return ctl_usage(ctl, "policy has no \"%s\": audit, enforce or suggest", argv[1]);
	if (since)
		return ctl_usage(ctl, "--since belongs to suggest");
	return mode_set(ctl, argv[1]);
}
