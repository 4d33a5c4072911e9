/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a URL lb.conf can be judged by, and what of it may be shown. Called by value.c and
 * check_flows.c, and by whoever names a URL to people. */
#include "config/url.h"

#include <curl/curl.h>
#include <string.h>

#include "config/mem.h"

/* NULL: libcurl would not ask for it. */
static CURLU *url_parse(const char *text)
{
	CURLU *url = mem_must(curl_url());

	if (!curl_url_set(url, CURLUPART_URL, text, 0))
		return url;
	curl_url_cleanup(url);
	return NULL;
}

/* The caller's; "" where the URL has no such part. */
static char *url_part(CURLU *url, CURLUPart which)
{
	char *part = NULL, *text;

	curl_url_get(url, which, &part, 0);
	text = mem_text(part ? part : "");
	curl_free(part);
	return text;
}

bool url_is_good(const char *text)
{
	CURLU *url = url_parse(text);
	char *scheme;
	bool good;

	if (!url)
		return false;
	scheme = url_part(url, CURLUPART_SCHEME);
	good = !strcmp(scheme, "http") || !strcmp(scheme, "https");
	free(scheme);
	curl_url_cleanup(url);
	return good;
}

struct url url_read(const char *text)
{
	CURLU *parsed = mem_must(url_parse(text));
	char *user = url_part(parsed, CURLUPART_USER);
	char *password = url_part(parsed, CURLUPART_PASSWORD);
	struct url url = {
		.path = url_part(parsed, CURLUPART_PATH),
		.query = url_part(parsed, CURLUPART_QUERY),
		.has_user = *user || *password,
	};

	free(user);
	free(password);
	curl_url_cleanup(parsed);
	return url;
}

void url_clear(struct url *url)
{
	free(url->path);
	free(url->query);
	*url = (struct url){ 0 };
}

char *url_parameter(const struct url *url, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = url->query; *at; at += *at == '&') {
		size_t whole = strcspn(at, "&");

		if (!strncmp(at, name, length) && at[length] == '=')
			return mem_must(strndup(at + length + 1, whole - length - 1));
		at += whole;
	}
	return NULL;
}

char *url_public(const char *text)
{
	static const CURLUPart secrets[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
					     CURLUPART_QUERY, CURLUPART_FRAGMENT };
	CURLU *url = mem_must(url_parse(text));
	char *shown;

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		curl_url_set(url, secrets[i], NULL, 0);
	shown = url_part(url, CURLUPART_URL);
	curl_url_cleanup(url);
	return shown;
}
