/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Look → compile → apply → attach, the only way in which isolation's tables change. A reload and
 * a container that starts take the same way; the kernel part finds out what little of it is new. */
#include "lb/isolation.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/clock.h"
#include "config/mem.h"
#include "lb/isolation_private.h"
#include "lb/log.h"
#include "lb/watch/netlink.h"
#include "policy/congestion.h"
#include "policy/cut.h"

#define SOON_USEC  2000		/* a container that starts makes several events */
#define STANDS_MAX 64
#define LATER_SEC  3		/* addresses of its own accord (IPv6) come after its start */

static bool group_wants_runtime(const struct config_group *group)
{
	return group->kind == CONFIG_GROUP_CONTAINER || group->kind == CONFIG_GROUP_LABEL ||
	       (group->kind == CONFIG_GROUP_NETNS &&
		!strncmp(group->pattern, CONFIG_NETNS_CONTAINER, strlen(CONFIG_NETNS_CONTAINER)));
}

bool isolation_wants_runtime(const struct config *config)
{
	const struct config_policy *policy = config->policy;

	for (size_t i = 0; policy && i < policy->group_count; i++)
		if (group_wants_runtime(&policy->groups[i]))
			return true;
	return false;
}

static void generation_clear(struct generation *generation)
{
	policy_tables_free(generation->tables);
	found_clear(&generation->found);
	*generation = (struct generation){ 0 };
}

/* ---- one look -------------------------------------------------------------------------------- */

uint16_t isolation_set_of(const struct policy_tables *tables, const struct subject *subject)
{
	return policy_set_of(tables, subject->cgroup_id, subject->cookie, false);
}

/* The host's ends of the veths by which subjects in groups send. What their ends call the other one
 * is a number in the namespace that it stands in; it must call them the same here. */
static struct policy_backstop *backstops_of(const struct isolation *isolation,
					    const struct found *found,
					    const struct policy_tables *tables, size_t *ret_count)
{
	struct policy_backstop *list = mem_array(found->end_count, sizeof(*list));

	*ret_count = 0;
	for (size_t i = 0; i < found->end_count; i++) {
		const struct who_end *end = &found->ends[i];
		const struct subject *subject = &found->subjects.list[end->subject];
		const struct net_link *link =
			net_view_link(&isolation->manager->view, end->ifindex);
		struct policy_backstop *backstop = &list[*ret_count];
		uint16_t set = isolation_set_of(tables, subject);
		bool twice = false;

		if (!link || link->kind != NET_VETH || link->peer != end->peer ||
		    set == POLICY_SET_NONE)
			continue;
		for (size_t j = 0; j < *ret_count; j++)
			twice |= list[j].ifindex == end->ifindex;
		if (twice)
			continue;
		backstop->ifindex = end->ifindex;
		backstop->port = (struct policy_port){
			.netns = (uint32_t)subject->cookie, .set = set,
			.strict = !!(tables->sockets[set].deny & POLICY_SOCKET_PACKET),
		};
		memcpy(backstop->port.mac, end->mac, sizeof(end->mac));
		++*ret_count;
	}
	return list;
}

/* What a look could not do though its rules are in force: told when it is another than the last. */
static void trouble_tell(struct isolation *isolation, const struct diag *diag)
{
	const char *before = isolation->trouble ? isolation->trouble : "";
	char *text = diag_text(diag);

	if (strcmp(before, text) != 0) {
		log_diag(LOG_WARNING, diag);
		trouble_add_event(isolation->manager, EVENT_PLAN, "policy", "in force", *before,
				  diag);
	}
	free(isolation->trouble);
	isolation->trouble = text;
}

/* `from`: what judges now, as far as it is known. */
static int tables_apply(struct isolation *isolation, const struct policy_tables *from,
			const struct generation *to, struct diag *diag)
{
	size_t count;
	struct policy_backstop *list = backstops_of(isolation, &to->found, to->tables, &count);
	int err = policy_kernel_apply(isolation->kernel, from, to->tables, list, count, diag);

	free(list);
	return err;
}

/* The rules turn first and the programs follow, so what cannot be attached takes the rules back. A
 * veth that takes no backstop is only told: the sockets' own programs judge. */
static int kernel_follow(struct isolation *isolation, const struct generation *next,
			 struct diag *diag, struct diag *trouble)
{
	const struct policy_tables *judging = isolation->unsure ? NULL : isolation->now.tables;
	struct policy_backstop *list;
	size_t count;
	int err = tables_apply(isolation, judging, next, diag);

	if (err)
		return err;
	err = policy_kernel_attach(isolation->kernel, (const char *const *)next->found.stands,
				   next->found.stand_count, diag);
	if (err) {
		isolation->unsure = !isolation->now.tables ||
				    tables_apply(isolation, NULL, &isolation->now, diag);
		return err;
	}
	isolation->unsure = false;
	list = backstops_of(isolation, &next->found, next->tables, &count);
	policy_kernel_ports(isolation->kernel, list, count, false, trouble);
	free(list);
	return 0;
}

/* What a kernel may refuse: a warning, and only the first time. */
static void companions_follow(struct isolation *isolation, const struct config *config)
{
	const struct found *found = &isolation->now.found;
	const struct config_policy *policy = config->policy;
	_cleanup_diag_ struct diag diag = { 0 };

	for (size_t i = 0; isolation->told_policy != policy && i < policy->tcp_count; i++) {
		const char *name = policy->tcp[i].congestion;

		if (name && strcmp(name, "adaptive") && !congestion_has(name))
			diag_add(&diag, config->file, policy->tcp[i].line,
				 "this kernel has no congestion control \"%s\": TCP stays as it is",
				 name);
	}
	policy_tuning_attach(isolation->companions, (const char *const *)found->stands,
			     policy->tcp_count ? found->stand_count : 0, &diag);
	if (isolation->told_policy != policy)
		log_diag(LOG_WARNING, &diag);
	isolation->told_policy = policy;
}

/* Before the look: what is made after it is seen. */
static void newborn_follow(struct isolation *isolation, const struct config *config)
{
	_cleanup_diag_ struct diag diag = { 0 };

	if (isolation_wants_runtime(config) &&
	    policy_newborn_attach(isolation->companions, &diag) &&
	    isolation->told_policy != config->policy)
		log_diag(LOG_WARNING, &diag);
}

static bool parties_are_equal(const struct config_party *a, const struct config_party *b)
{
	return a->kind == b->kind && a->index == b->index && a->cidr.len == b->cidr.len &&
	       addr_equal(&a->cidr.addr, &b->cidr.addr);
}

static bool rule_is_equal(const struct config_rule *a, const struct config_rule *b)
{
	bool equal = a->line == b->line && !strcmp(a->file, b->file) && a->action == b->action &&
		     a->audit == b->audit && a->protocol == b->protocol &&
		     a->port_count == b->port_count && parties_are_equal(&a->from, &b->from) &&
		     parties_are_equal(&a->to, &b->to);

	for (size_t i = 0; equal && i < a->port_count; i++)
		equal = a->ports[i].first == b->ports[i].first &&
			a->ports[i].last == b->ports[i].last;
	return equal;
}

/* Whether the counters of one list are those of the other. A container that comes can turn the
 * halves too, under the same config. */
static bool rules_are_equal(const struct config_policy *a, const struct config_policy *b)
{
	bool equal = a->rule_count == b->rule_count && a->socket_count == b->socket_count &&
		     a->audit == b->audit && a->deny == b->deny;

	for (size_t i = 0; equal && i < a->rule_count; i++)
		equal = rule_is_equal(&a->rules[i], &b->rules[i]);
	for (size_t i = 0; equal && i < a->socket_count; i++)
		equal = a->sockets[i].group == b->sockets[i].group &&
			a->sockets[i].deny == b->sockets[i].deny &&
			a->sockets[i].audit == b->sockets[i].audit;
	return equal;
}

/* Whether the numbers of sets mean the same: what was seen is kept by them. */
static bool sets_are_equal(const struct policy_tables *a, const struct policy_tables *b)
{
	bool equal = a->dims.set_count == b->dims.set_count;

	for (size_t i = 0; equal && i < a->dims.set_count; i++)
		equal = !strcmp(a->set_names[i], b->set_names[i]);
	return equal;
}

/* What the rules counted goes on where the list is the same: the half that came into use began at
 * zero. */
static void counts_keep(struct isolation *isolation, const struct generation *before,
			const struct generation *next)
{
	struct policy_count *counts = mem_array(POLICY_RULES, sizeof(*counts));

	if (!isolation->before)
		isolation->before = mem_array(POLICY_RULES, sizeof(*isolation->before));
	if (before->tables && rules_are_equal(before->policy, next->policy) &&
	    !policy_kernel_counts(isolation->kernel, before->current, counts)) {
		for (size_t i = 0; i < POLICY_RULES; i++) {
			isolation->before[i].allowed += counts[i].allowed;
			isolation->before[i].refused += counts[i].refused;
			isolation->before[i].audited += counts[i].audited;
			isolation->before[i].told += counts[i].told;
			isolation->before[i].untold += counts[i].untold;
		}
	} else {
		memset(isolation->before, 0, POLICY_RULES * sizeof(*isolation->before));
	}
	free(counts);
}

static int subjects_find(struct isolation *isolation, struct who *who, const struct config *config,
			 struct found *ret_found, enum containers_known *ret_known)
{
	const struct container *containers = NULL;
	size_t count = 0;

	*ret_known = CONTAINERS_ALL;
	if (isolation_wants_runtime(config))
		containers = containers_list(isolation->manager, config, &count, ret_known);
	return who_find(who, config->policy, containers, count, *ret_known == CONTAINERS_ALL,
			ret_found);
}

/* Everything as it is now, under this config. On failure all is as it was. A daemon that has just
 * begun, and cannot know a container, leaves in force what another one has put there: that one knew
 * them, and by their addresses too. */
static int look(struct isolation *isolation, const struct config *config, struct diag *diag)
{
	struct generation next = { .policy = config->policy };
	struct generation before = isolation->now;
	_cleanup_diag_ struct diag trouble = { 0 };
	enum containers_known known;
	int err;

	newborn_follow(isolation, config);
	err = subjects_find(isolation, isolation->who, config, &next.found, &known);
	isolation->waiting &= known == CONTAINERS_NONE;
	if (isolation->waiting) {
		found_clear(&next.found);
		return err;
	}
	if (!err)
		policy_newborn_add(isolation->companions, next.found.unnamed,
				   next.found.unnamed_count);
	if (!err)
		err = policy_compile(config, &next.found.subjects, &next.tables, diag);
	if (!err)
		err = kernel_follow(isolation, &next, diag, &trouble);
	if (err) {
		generation_clear(&next);
		return err;
	}
	next.current = policy_kernel_current(isolation->kernel);
	if (POLICY_HALF(next.current) != POLICY_HALF(before.current) || !before.tables)
		counts_keep(isolation, &before, &next);
	if (!before.tables || !sets_are_equal(before.tables, next.tables))
		isolation->seen_from_ns = clock_ns();
	isolation_tell_groups(isolation, &before, &next);
	isolation->now = next;
	generation_clear(&before);
	companions_follow(isolation, config);
	who_tidy(isolation->who, &trouble);
	trouble_tell(isolation, &trouble);
	return 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void follow(struct isolation *isolation)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct timeval later = { .tv_sec = LATER_SEC };

	if (!isolation->kernel || !isolation->manager->config)
		return;
	who_drain(isolation->who);
	if (look(isolation, isolation->manager->config, &diag)) {
		diag_add(&diag, NULL, 0, "policy: what changed among the containers is not in "
			 "force; what was, stays");
		trouble_tell(isolation, &diag);
	}
	evtimer_add(isolation->later_timer, &later);
}

static void on_soon(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what;
	follow(data);
}

/* Once more, and then only while somebody waits for a name. */
static void on_later(evutil_socket_t fd, short what, void *data)
{
	struct isolation *isolation = data;

	(void)fd, (void)what;
	follow(isolation);
	if (!isolation->now.found.unnamed_count)
		evtimer_del(isolation->later_timer);
}

static void on_who(evutil_socket_t fd, short what, void *data)
{
	struct isolation *isolation = data;

	(void)fd, (void)what;
	if (who_drain(isolation->who))
		isolation_wake(isolation);
}

static void on_told(evutil_socket_t fd, short what, void *data)
{
	struct isolation *isolation = data;

	(void)fd, (void)what;
	policy_kernel_drain(isolation->kernel);
}

void isolation_wake(struct isolation *isolation)
{
	struct timeval soon = { .tv_usec = SOON_USEC };

	if (isolation->kernel && !evtimer_pending(isolation->soon_timer, NULL))
		evtimer_add(isolation->soon_timer, &soon);
}

void isolation_recheck(struct isolation *isolation)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct policy_backstop *list;
	size_t count;

	if (!isolation->kernel || !isolation->now.tables)
		return;
	who_forget(isolation->who);
	list = backstops_of(isolation, &isolation->now.found, isolation->now.tables, &count);
	if (policy_kernel_ports(isolation->kernel, list, count, true, &diag))
		log_diag(LOG_WARNING, &diag);
	free(list);
	isolation_wake(isolation);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static int parts_open(struct isolation *isolation, struct diag *diag)
{
	struct event_base *loop = isolation->manager->loop;
	uint64_t stands[STANDS_MAX];
	int err = who_open(&isolation->who, diag);

	if (!err)
		err = policy_kernel_open(isolation->manager->pin, &isolation->kernel, diag);
	if (err)
		return err;
	err = policy_companions_open(isolation->kernel, &isolation->companions);
	if (err)
		return err;
	who_remember(isolation->who, stands,
		     policy_kernel_stands(isolation->kernel, stands, STANDS_MAX));
	policy_kernel_listen(isolation->kernel, isolation_tell, isolation);
	isolation->who_event = event_new(loop, who_fd(isolation->who), EV_READ | EV_PERSIST,
					 on_who, isolation);
	isolation->told_event = event_new(loop, policy_kernel_fd(isolation->kernel),
					  EV_READ | EV_PERSIST, on_told, isolation);
	isolation->soon_timer = evtimer_new(loop, on_soon, isolation);
	isolation->later_timer = evtimer_new(loop, on_later, isolation);
	if (!isolation->who_event || !isolation->told_event || !isolation->soon_timer ||
	    !isolation->later_timer)
		return -ENOMEM;
	event_add(isolation->who_event, NULL);
	event_add(isolation->told_event, NULL);
	return 0;
}

static void event_end(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

static void parts_close(struct isolation *isolation)
{
	event_end(&isolation->who_event);
	event_end(&isolation->told_event);
	event_end(&isolation->soon_timer);
	event_end(&isolation->later_timer);
	policy_companions_close(isolation->companions);
	isolation->companions = NULL;
	policy_kernel_close(isolation->kernel);
	isolation->kernel = NULL;
	who_close(isolation->who);
	isolation->who = NULL;
	generation_clear(&isolation->now);
	isolation->told_policy = NULL;
	isolation->unsure = false;
}

int isolation_open(struct manager *manager, struct isolation **ret_isolation)
{
	struct isolation *isolation = calloc(1, sizeof(*isolation));

	if (!isolation)
		return -ENOMEM;
	isolation->manager = manager;
	*ret_isolation = isolation;
	return 0;
}

void isolation_close(struct isolation *isolation)
{
	if (!isolation)
		return;
	parts_close(isolation);
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		json_object_put(isolation->events[i].json);
	free(isolation->before);
	free(isolation->trouble);
	free(isolation);
}

int isolation_unload(struct isolation *isolation, struct diag *diag)
{
	bool was = isolation->kernel != NULL;
	int err;

	parts_close(isolation);
	err = policy_unload(isolation->manager->pin, diag);
	if (was && !err)
		change_tell(isolation->manager->events, LOG_NOTICE,
			    &(struct change){ .kind = EVENT_PLAN, .object = "policy",
					      .from = "in force", .to = "none" });
	return err;
}

/* No group can be followed without the runtime. */
static bool needs_runtime_alone(const struct config_policy *policy)
{
	for (size_t i = 0; i < policy->group_count; i++)
		if (!group_wants_runtime(&policy->groups[i]) &&
		    policy->groups[i].kind != CONFIG_GROUP_CIDR)
			return false;
	return true;
}

int isolation_apply(struct isolation *isolation, const struct config *config, struct diag *diag)
{
	bool first = !isolation->kernel;
	int err = 0;

	if (!config->policy)
		return first && !policy_is_loaded(isolation->manager->pin)
			       ? 0 : isolation_unload(isolation, diag);
	if (first)
		err = parts_open(isolation, diag);
	isolation->waiting = first && !err && policy_kernel_current(isolation->kernel) &&
			     needs_runtime_alone(config->policy);
	if (!err)
		err = look(isolation, config, diag);
	if (err && first)
		parts_close(isolation);
	/* What could not be put back is about to be freed. */
	if (err && !first && config == isolation->manager->config &&
	    isolation->now.policy != config->policy) {
		generation_clear(&isolation->now);
		isolation->unsure = true;
	}
	if (!err && isolation->waiting)
		log_warning("policy: what is in the kernel stays in force until the container "
			    "runtime answers, or until a reload");
	if (!err && first)
		events_add(isolation->manager->events,
			   &(struct change){ .kind = EVENT_PLAN, .object = "policy",
					     .from = "none", .to = "in force",
					     .cause = isolation->waiting
							      ? "that of the lbd before this one"
							      : NULL });
	return err;
}

void isolation_cut(struct isolation *isolation)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct policy_cut cut;

	if (!isolation->kernel || !isolation->now.tables)
		return;
	if (policy_cut(isolation->kernel, isolation->now.tables, &isolation->now.found.subjects,
		       isolation_tell, isolation, &cut, &diag)) {
		log_diag(LOG_WARNING, &diag);
		return;
	}
	isolation->cut_total += cut.cut;
	if (cut.cut || cut.kept)
		isolation_tell_cut(isolation, &cut);
}

int isolation_set_audit(struct isolation *isolation, bool audit, struct diag *diag)
{
	if (!isolation->kernel) {
		diag_add(diag, NULL, 0, "there is no policy in the config");
		return -ENOENT;
	}
	if (policy_kernel_audit(isolation->kernel) != audit) {
		log_notice("policy: %s → %s by lbctl", audit ? "enforce" : "audit",
			   audit ? "audit: everything passes and is told" : "enforce");
		events_add(isolation->manager->events,
			   &(struct change){ .kind = EVENT_PLAN, .object = "policy",
					     .from = audit ? "enforce" : "audit",
					     .to = audit ? "audit" : "enforce",
					     .cause = "by lbctl" });
	}
	policy_kernel_set_audit(isolation->kernel, audit);
	if (!audit)
		isolation_cut(isolation);
	return 0;
}
