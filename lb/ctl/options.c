/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How lbctl's command line is taken apart. Called twice: by main() for the global options, which
 * may stand before or after the verb and so leave unknown ones alone, then by the command for its
 * own. Pure but for argv, which it moves together. */
#include "lb/ctl/options.h"

#include <errno.h>
#include <string.h>

/* "--name" or "--name=VALUE". */
static const struct ctl_option *option_find(const struct ctl_option *options, const char *word,
					    const char **ret_equals)
{
	size_t len = strcspn(word, "=");

	for (; options->name; options++) {
		if (strlen(options->name) != len || strncmp(options->name, word, len))
			continue;
		*ret_equals = word[len] ? word + len + 1 : NULL;
		return options;
	}
	return NULL;
}

static int option_store(const struct ctl_option *option, const char *value, struct diag *diag)
{
	struct ctl_values *values = option->values;

	if (!*value) {
		diag_add(diag, NULL, 0, "option %s wants a value that is not empty", option->name);
		return -EINVAL;
	}
	if (option->value) {
		*option->value = value;
		return 0;
	}
	if (values->count == CTL_VALUES_MAX) {
		diag_add(diag, NULL, 0, "option %s stands more than %d times", option->name,
			 CTL_VALUES_MAX);
		return -EINVAL;
	}
	values->text[values->count++] = value;
	return 0;
}

/* `next` is the word behind the option, NULL at the end. */
static int option_take(const struct ctl_option *option, const char *equals, const char *next,
		       bool *ret_took_next, struct diag *diag)
{
	*ret_took_next = false;
	if (option->flag) {
		if (equals) {
			diag_add(diag, NULL, 0, "option %s takes no value", option->name);
			return -EINVAL;
		}
		*option->flag = true;
		return 0;
	}
	if (!equals && !next) {
		diag_add(diag, NULL, 0, "option %s wants a value", option->name);
		return -EINVAL;
	}
	*ret_took_next = !equals;
	return option_store(option, equals ? equals : next, diag);
}

int options_take(int *argc, char **argv, const struct ctl_option *options,
		 enum options_unknown unknown, struct diag *diag)
{
	bool ended = false;
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		const struct ctl_option *option;
		const char *equals;
		bool took_next;
		int error;

		if (ended || argv[i][0] != '-' || !argv[i][1]) {
			argv[kept++] = argv[i];
			continue;
		}
		if (!strcmp(argv[i], "--")) {
			ended = true;
			if (unknown == OPTIONS_LEAVE)
				argv[kept++] = argv[i];
			continue;
		}
		option = option_find(options, argv[i], &equals);
		if (!option && unknown == OPTIONS_LEAVE) {
			argv[kept++] = argv[i];
			continue;
		}
		if (!option) {
			diag_add(diag, NULL, 0, "unknown option \"%s\"", argv[i]);
			return -EINVAL;
		}
		error = option_take(option, equals, i + 1 < *argc ? argv[i + 1] : NULL, &took_next,
				    diag);
		if (error)
			return error;
		i += took_next;
	}
	argv[kept] = NULL;
	*argc = kept;
	return 0;
}
