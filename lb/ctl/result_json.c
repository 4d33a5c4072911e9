/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/ctl/result_json.h"

#include <netinet/in.h>
#include <stdio.h>

static struct json_object *name_json(const char *name)
{
	return name ? json_object_new_string(name) : NULL;
}

/* "203.0.113.10:80/tcp", "[2001:db8::10]:80/tcp" */
static struct json_object *vip_json(const struct replay_result *result)
{
	char address[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + sizeof("[]:65535/proto")];
	bool ipv4 = addr_is_ipv4(&result->vip);

	if (!result->has_vip)
		return NULL;
	snprintf(text, sizeof(text), "%s%s%s:%u/%s", ipv4 ? "" : "[",
		 addr_format(&result->vip, address), ipv4 ? "" : "]", result->vip_port,
		 result->protocol == IPPROTO_TCP ? "tcp" : "udp");
	return json_object_new_string(text);
}

void result_json_add(struct json_object *object, const struct replay_result *result)
{
	json_object_object_add(object, "verdict",
			       json_object_new_string(verdict_name(result->verdict)));
	json_object_object_add(object, "action",
			       json_object_new_string(action_name(result->action)));
	json_object_object_add(object, "service", name_json(result->service));
	json_object_object_add(object, "backend", name_json(result->backend));
	json_object_object_add(object, "vip", vip_json(result));
}
