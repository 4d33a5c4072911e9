/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl drain, enable, disable, weight and reset: what an operator sets over the config at run
 * time. The daemon keeps it; each command is one sentence to it and one back. */
#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/ctl/backend_name.h"
#include "lb/ctl/ctl.h"
#include "lb/ctl/fields.h"

/* {"service","backend"} of argv[1]; the command adds what it wants. NULL once it was said what is
 * wrong with the name. */
static struct json_object *override_body(const struct ctl *ctl, const char *text)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct backend_name name;
	struct json_object *body;

	if (backend_name_parse(text, &name, &diag)) {
		ctl_usage(ctl, "%s", diag.entries[0].text);
		return NULL;
	}
	body = json_object_new_object();
	json_object_object_add(body, "service", json_object_new_string(name.service));
	json_object_object_add(body, "backend", json_object_new_string(name.backend));
	return body;
}

static int set_state(const struct ctl *ctl, int argc, char **argv, const char *state)
{
	struct json_object *body;
	int code = ctl_no_options(ctl, &argc, argv);

	if (code)
		return code;
	if (argc != 2)
		return ctl_usage(ctl, "%s wants one SERVICE/BACKEND", argv[0]);
	body = override_body(ctl, argv[1]);
	if (!body)
		return CTL_USAGE;
	json_object_object_add(body, "state", json_object_new_string(state));
	return ctl_say(ctl, "/v1/override", body);
}

int cmd_drain(struct ctl *ctl, int argc, char **argv)
{
	return set_state(ctl, argc, argv, "drain");
}

int cmd_enable(struct ctl *ctl, int argc, char **argv)
{
	return set_state(ctl, argc, argv, "up");
}

int cmd_disable(struct ctl *ctl, int argc, char **argv)
{
	return set_state(ctl, argc, argv, "off");
}

/* Digits only: strtol() would take " 5" and "+5" and wrap what is too long. */
static bool weight_parse(const char *text, int *ret_weight)
{
	size_t len = strlen(text);
	int weight;

	if (!len || len > 5 || strspn(text, "0123456789") != len)
		return false;
	weight = atoi(text);
	if (weight > CONFIG_WEIGHT_MAX)
		return false;
	*ret_weight = weight;
	return true;
}

int cmd_weight(struct ctl *ctl, int argc, char **argv)
{
	struct json_object *body;
	int weight, code;

	/* A negative number is a wrong weight, not an unknown option. */
	if (argc == 3 && argv[2][0] == '-' && isdigit((unsigned char)argv[2][1]))
		return ctl_usage(ctl, "\"%s\" is no weight from 0 to %d", argv[2],
				 CONFIG_WEIGHT_MAX);
	code = ctl_no_options(ctl, &argc, argv);
	if (code)
		return code;
	if (argc != 3)
		return ctl_usage(ctl, "weight wants one SERVICE/BACKEND and one number");
	if (!weight_parse(argv[2], &weight))
		return ctl_usage(ctl, "\"%s\" is no weight from 0 to %d", argv[2],
				 CONFIG_WEIGHT_MAX);
	body = override_body(ctl, argv[1]);
	if (!body)
		return CTL_USAGE;
	json_object_object_add(body, "weight", json_object_new_int(weight));
	return ctl_say(ctl, "/v1/override", body);
}

int cmd_reset(struct ctl *ctl, int argc, char **argv)
{
	bool all = false;
	const struct ctl_option options[] = { { "--all", .flag = &all }, { 0 } };
	struct json_object *body;
	int code = ctl_options(ctl, &argc, argv, options);

	if (code)
		return code;
	if (argc != (all ? 1 : 2))
		return ctl_usage(ctl, "reset wants one SERVICE/BACKEND, or --all");
	body = all ? json_object_new_object() : override_body(ctl, argv[1]);
	if (!body)
		return CTL_USAGE;
	json_object_object_add(body, all ? "reset_all" : "reset", json_object_new_boolean(true));
	return ctl_say(ctl, "/v1/override", body);
}
