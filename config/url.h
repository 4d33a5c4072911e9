/* SPDX-License-Identifier: GPL-2.0-or-later */
/* URLs of http and https, read as libcurl reads them: that is what will ask for them. */
#ifndef CONFIG_URL_H
#define CONFIG_URL_H

#include <stdbool.h>

struct url {
	char *path;		/* "/" at the least */
	char *query;		/* what follows "?"; "" for none */
	bool has_user;		/* a name or a password */
};

bool url_is_good(const char *text);

/* Of a text that is good. What is returned is the caller's, see url_clear(). */
struct url url_read(const char *text);
void url_clear(struct url *url);

/* The value of the query's parameter of this name, as it stands there; the caller's. NULL: there is
 * none. */
char *url_parameter(const struct url *url, const char *name);

/* The URL without what may be secret, which is the user, the password and the query: for whatever
 * people read. The caller's. */
char *url_public(const char *text);

#endif
