/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking "service/backend" apart. Called by the override commands before they ask the daemon, so
 * that a slip of the hand is wrong usage and not a refusal. */
#include "lb/ctl/backend_name.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* [A-Za-z0-9][A-Za-z0-9_.-]*, as lb.conf has it. */
static bool is_name(const char *text, size_t len)
{
	if (!len || !isalnum((unsigned char)text[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("_.-", text[i]))
			return false;
	return true;
}

static int take_part(const char *whole, const char *what, const char *text, size_t len,
		     char ret_name[CONFIG_NAME_MAX], struct diag *diag)
{
	if (len >= CONFIG_NAME_MAX) {
		diag_add(diag, NULL, 0, "\"%s\": the %s's name is longer than %d bytes", whole,
			 what, CONFIG_NAME_MAX - 1);
		return -EINVAL;
	}
	if (!is_name(text, len)) {
		diag_add(diag, NULL, 0, "\"%s\": \"%.*s\" is not the name of a %s", whole, (int)len,
			 text, what);
		return -EINVAL;
	}
	memcpy(ret_name, text, len);
	ret_name[len] = '\0';
	return 0;
}

int backend_name_parse(const char *text, struct backend_name *ret_name, struct diag *diag)
{
	const char *slash = strchr(text, '/');
	struct backend_name name;
	int error;

	if (!slash) {
		diag_add(diag, NULL, 0, "\"%s\" is not SERVICE/BACKEND", text);
		return -EINVAL;
	}
	error = take_part(text, "service", text, (size_t)(slash - text), name.service, diag);
	if (error)
		return error;
	error = take_part(text, "backend", slash + 1, strlen(slash + 1), name.backend, diag);
	if (error)
		return error;
	*ret_name = name;
	return 0;
}
