/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Views of the daemon's answer to /v1/show, for people. `reply` is what `show --json` prints. */
#ifndef LB_CTL_SHOW_H
#define LB_CTL_SHOW_H

#include <stdio.h>

struct json_object;

/* One line a service, then every backend and interface that wants a look. */
void show_services(struct json_object *reply, FILE *to);
void show_backends(struct json_object *reply, FILE *to);
void show_interfaces(struct json_object *reply, FILE *to);

/* A line for every interface that is not up or has lost frames: a part of the first view. */
void show_interface_trouble(struct json_object *reply, FILE *to);
void show_local_trouble(struct json_object *reply, FILE *to);

void show_verdicts(struct json_object *reply, FILE *to);
void show_policy(struct json_object *reply, FILE *to);

/* Of the answer to /v1/containers. */
void show_flows(struct json_object *reply, FILE *to);

#endif
