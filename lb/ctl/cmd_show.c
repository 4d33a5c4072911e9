/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl show: what the kernel really does, as the daemon reads it there. The daemon gives one
 * object; a view is a choice from it, so with --json every view is that object. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lb/ctl/ctl.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/show.h"

struct view {
	const char *name;
	void (*show)(struct json_object *reply, FILE *to);	/* NULL: not built yet */
};

static const struct view views[] = {
	{ "services", show_services },	   { "backends", show_backends },
	{ "interfaces", show_interfaces }, { "verdicts", show_verdicts },
	{ "flows", NULL },		   { "policy", show_policy },
};

static const struct view *view_find(const char *name)
{
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		if (!strcmp(views[i].name, name))
			return &views[i];
	return NULL;
}

/* Which config this is, and whether it is the whole truth. */
static void print_config(struct json_object *config)
{
	static const struct {
		const char *source, *words;
	} sources[] = {
		{ "-c", "the daemon's own" },
		{ "once", "reloaded once: a restart returns to the daemon's own" },
		{ "previous", "gone back to: a restart returns to the daemon's own" },
	};
	const char *source = field_text(config, "source"), *words = source;
	uint64_t overrides = field_count(config, "overrides");

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (!strcmp(sources[i].source, source))
			words = sources[i].words;
	printf("config %s, loaded %s (%s)\n", field_text(config, "file"),
	       field_text(config, "loaded"), words);
	if (overrides)
		printf("%" PRIu64 " override%s over it\n", overrides,
		       overrides == 1 ? " stands" : "s stand");
	putchar('\n');
}

int cmd_show(struct ctl *ctl, int argc, char **argv)
{
	const struct view *view = &views[0];
	struct json_object *reply;
	int code = ctl_no_options(ctl, &argc, argv);

	if (code)
		return code;
	if (argc > 2)
		return ctl_usage(ctl, "one view at a time");
	if (argc == 2)
		view = view_find(argv[1]);
	if (!view)
		return ctl_usage(ctl, "there is no view \"%s\"", argv[1]);
	if (!view->show) {
		fprintf(stderr, "lbctl: show %s is not built yet\n", view->name);
		return CTL_FAILED;
	}
	code = ctl_call(ctl, "GET", "/v1/show", NULL, &reply);
	if (code)
		return code;
	if (ctl->json) {
		ctl_print_json(reply);
	} else {
		print_config(field(reply, "config"));
		view->show(reply, stdout);
	}
	json_object_put(reply);
	return CTL_DONE;
}
