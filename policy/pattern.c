/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Not fnmatch(): a cgroup's name may hold brackets, and systemd writes backslashes into it. */
#include "policy/pattern.h"

#include <stddef.h>
#include <string.h>

/* Of the first `size` bytes of text. After a mismatch only the last star can take more: whatever
 * an earlier one took, the last can make up for. A star is thrown back to nothing by a slash. */
static bool matches(const char *pattern, const char *text, size_t size)
{
	const char *end = text + size, *star = NULL, *taken = NULL;

	while (text < end) {
		if (*pattern == '*') {
			star = ++pattern;
			taken = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star && *taken != '/') {
			pattern = star;
			text = ++taken;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

bool pattern_matches(const char *pattern, const char *text)
{
	return matches(pattern, text, strlen(text));
}

bool pattern_covers(const char *pattern, const char *path)
{
	pattern += strspn(pattern, "/");
	path += strspn(path, "/");
	for (size_t size = strcspn(path, "/");; size += 1 + strcspn(path + size + 1, "/")) {
		if (matches(pattern, path, size))
			return true;
		if (!path[size])
			return false;
	}
}

unsigned int pattern_level(const char *pattern)
{
	unsigned int level = 1;

	for (pattern += strspn(pattern, "/"); *pattern; pattern++)
		level += *pattern == '/';
	return level;
}
