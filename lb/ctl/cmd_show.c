/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl show: what the kernel really does, as the daemon reads it there. The daemon gives one
 * object; a view is a choice from it, so with --json every view is that object. What containers did
 * is too much for it and is asked for by itself. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lb/ctl/ctl.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/show.h"

struct view {
	const char *name;
	void (*show)(struct json_object *reply, FILE *to);
	const char *path;	/* what it is a view of; NULL: the one object */
};

static const struct view views[] = {
	{ "services", show_services, NULL },	 { "backends", show_backends, NULL },
	{ "interfaces", show_interfaces, NULL }, { "verdicts", show_verdicts, NULL },
	{ "flows", show_flows, "/v1/containers" }, { "policy", show_policy, NULL },
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

static int view_print(const struct ctl *ctl, const struct view *view, struct json_object *reply)
{
	struct json_object *own = NULL;

	if (view->path) {
		int code = ctl_call(ctl, "GET", view->path, NULL, &own);

		if (code)
			return code;
	}
	print_config(field(reply, "config"));
	view->show(own ? own : reply, stdout);
	json_object_put(own);
	return CTL_DONE;
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
	code = ctl_call(ctl, "GET", "/v1/show", NULL, &reply);
	if (code)
		return code;
	if (ctl->json)
		ctl_print_json(reply);
	else
		code = view_print(ctl, view, reply);
	json_object_put(reply);
	return code;
}
