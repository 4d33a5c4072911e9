/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl plan: what a reload would do. It changes nothing. */
#include <json-c/json.h>

#include "lb/ctl/change.h"

int cmd_plan(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct json_object *body, *plan;
	int code = ctl_no_options(ctl, &argc, argv);

	if (code)
		return code;
	if (argc > 2)
		return ctl_usage(ctl, "one file at the most");
	if (change_body(argv[1], &body, &diag))
		return ctl_report(ctl, &diag);
	code = ctl_call(ctl, "POST", "/v1/plan", body, &plan);
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
