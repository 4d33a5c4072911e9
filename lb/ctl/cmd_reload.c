/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl reload: a config file, or the one before, becomes the kernel's state, all or nothing.
 * What was done is printed as plan prints it. */
#include <json-c/json.h>

#include "lb/ctl/change.h"

static int reload_body(const char *file, bool previous, const struct ctl_values *breaks,
		       struct json_object **ret_body, struct diag *diag)
{
	struct json_object *body, *names;
	int error = change_body(file, &body, diag);

	if (error)
		return error;
	if (previous)
		json_object_object_add(body, "previous", json_object_new_boolean(true));
	if (breaks->count) {
		names = json_object_new_array();
		for (size_t i = 0; i < breaks->count; i++)
			json_object_array_add(names, json_object_new_string(breaks->text[i]));
		json_object_object_add(body, "break", names);
	}
	*ret_body = body;
	return 0;
}

int cmd_reload(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct ctl_values breaks = { .count = 0 };
	bool previous = false;
	const struct ctl_option options[] = {
		{ "--break", .values = &breaks },
		{ "--previous", .flag = &previous },
		{ 0 },
	};
	struct json_object *body, *plan;
	int code = ctl_options(ctl, &argc, argv, options);

	if (code)
		return code;
	if (argc > 2 || (previous && argc > 1))
		return ctl_usage(ctl, previous ? "--previous names the config already" :
						 "one file at the most");
	if (reload_body(argv[1], previous, &breaks, &body, &diag))
		return ctl_report(ctl, &diag);
	code = ctl_call(ctl, "POST", "/v1/reload", body, &plan);
	json_object_put(body);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(plan);
	else
		change_print(plan, stdout);
	json_object_put(plan);
	return CTL_DONE;
}
