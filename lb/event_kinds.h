/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one list of kinds of events: what the daemon tells and lbctl asks for. */
#ifndef LB_EVENT_KINDS_H
#define LB_EVENT_KINDS_H

#define LB_EVENT_KINDS(X)                                                       \
	X(HEALTH, "health")       /* a backend or service: up, down, drain, off */  \
	X(PLAN, "plan")           /* a reload applied or refused, an override */    \
	X(DENIAL, "denial")       /* by the policy */                               \
	X(FLOW, "flow")           /* refused, reset, timed out, unreachable */      \
	X(INTERFACE, "interface") /* attached, detached */                          \
	X(CONTAINER, "container") /* the runtime, groups of containers */           \
	X(DAEMON, "daemon")       /* start, end, trouble */

enum event_kind {
#define X(kind, name) EVENT_##kind,
	LB_EVENT_KINDS(X)
#undef X
	EVENT_KINDS,
};

static inline const char *event_kind_name(enum event_kind kind)
{
	static const char *const names[EVENT_KINDS] = {
#define X(kind, name) [EVENT_##kind] = name,
		LB_EVENT_KINDS(X)
#undef X
	};

	return names[kind];
}

#endif
