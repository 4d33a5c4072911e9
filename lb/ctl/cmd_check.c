/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl check: what is wrong in a config file. It asks nobody: no root, daemon or network. */
#include <json-c/json.h>
#include <stdio.h>

#include "config/config.h"
#include "lb/ctl/ctl.h"

static void print_summary(const struct config *config)
{
	size_t services = config->service_count, backends = 0;

	for (size_t i = 0; i < services; i++)
		backends += config->services[i].backend_count;
	printf("%s: fine, %zu service%s, %zu backend%s\n", config->file, services,
	       services == 1 ? "" : "s", backends, backends == 1 ? "" : "s");
}

static void print_no_errors(void)
{
	struct json_object *reply = json_object_new_object();

	json_object_object_add(reply, "errors", json_object_new_array());
	ctl_print_json(reply);
	json_object_put(reply);
}

int cmd_check(struct ctl *ctl, int argc, char **argv)
{
	_cleanup_config_ struct config *config = NULL;
	_cleanup_diag_ struct diag diag = { 0 };
	int code = ctl_no_options(ctl, &argc, argv);

	if (code)
		return code;
	if (argc != 2)
		return ctl_usage(ctl, "check wants one file");
	if (config_load(argv[1], &config, &diag))
		return ctl_report(ctl, &diag);
	if (ctl->json)
		print_no_errors();
	else
		print_summary(config);
	return CTL_DONE;
}
