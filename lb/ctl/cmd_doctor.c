/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl doctor: what on this host would hurt, each finding with the command that mends it. Runs
 * as root in the daemon's network namespace. With a config file it asks no daemon, so that a host
 * can be looked at before the daemon starts, or because it refuses to. */
#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>

#include "lb/ctl/ctl.h"
#include "lb/ctl/doctor.h"

static void (*const checks[])(const struct doctor *doctor, struct findings *findings) = {
	check_foreign_xdp, check_vips_answered, check_partial_checksums,
	check_napi,	   check_mtu,		check_forwarding,
	check_way_back,	   check_dsr,		check_encap,
	check_vlan_offload, check_published_ports,
};

/* What could not be looked at is said, always: else "nothing" would claim too much. */
static void print_findings(const struct ctl *ctl, const struct doctor *doctor,
			   const struct findings *findings)
{
	diag_print(&doctor->unseen, stderr);
	if (ctl->json) {
		struct json_object *reply = findings_json(findings);

		ctl_print_json(reply);
		json_object_put(reply);
	} else if (findings->count) {
		findings_print(findings, stdout);
	} else {
		printf("nothing that would hurt: %zu interface%s and %zu backend address%s "
		       "looked at\n",
		       doctor->front_count, doctor->front_count == 1 ? "" : "s",
		       doctor->backend_count, doctor->backend_count == 1 ? "" : "es");
	}
}

static int doctor_run(const struct ctl *ctl, struct doctor *doctor)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct findings findings = { 0 };
	int code = CTL_DONE;

	if (doctor_look(doctor, &diag))
		return ctl_report(ctl, &diag);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](doctor, &findings);
	print_findings(ctl, doctor, &findings);
	if (findings.count)
		code = CTL_FAILED;
	findings_clear(&findings);
	return code;
}

/* Fills the subject from the file, or with NULL from the daemon. */
static int subject_read(struct ctl *ctl, const char *file, struct doctor *doctor)
{
	_cleanup_config_ struct config *config = NULL;
	_cleanup_diag_ struct diag diag = { 0 };
	struct json_object *reply;
	int code;

	if (file) {
		if (config_load(file, &config, &diag))
			return ctl_report(ctl, &diag);
		doctor_from_config(doctor, config);
		return CTL_DONE;
	}
	code = ctl_call(ctl, "GET", "/v1/show", NULL, &reply);
	if (code)
		return code;
	doctor_from_show(doctor, reply);
	json_object_put(reply);
	return CTL_DONE;
}

int cmd_doctor(struct ctl *ctl, int argc, char **argv)
{
	struct doctor doctor = { 0 };
	int code = ctl_no_options(ctl, &argc, argv);

	if (code)
		return code;
	if (argc > 2)
		return ctl_usage(ctl, "one config file at the most");
	code = subject_read(ctl, argc == 2 ? argv[1] : NULL, &doctor);
	if (!code && geteuid() != 0) {
		_cleanup_diag_ struct diag diag = { 0 };

		diag_add(&diag, NULL, 0,
			 "doctor must be root: it looks into the containers' networks");
		code = ctl_report(ctl, &diag);
	}
	if (!code)
		code = doctor_run(ctl, &doctor);
	doctor_clear(&doctor);
	return code;
}
