/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every look is whole: lists of cgroups, names and processes as they are now, so that no lost event
 * leaves a subject out. inotify only says when; a directory that was not watched before the look is
 * reason for another one, since something may have come between. */
#include "policy/who.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/mem.h"
#include "lb/watch/cgroup_fs.h"
#include "lb/watch/net_private.h"
#include "policy/cgroup_tree.h"
#include "policy/namespaces.h"
#include "policy/strangers.h"

#define NAMED "/run/netns"
#define HOMES_MAX 48
#define ROUNDS	  4
#define OLD_SEC	  30

struct home {			/* a cgroup below which containers were found, or were to be */
	char *path;
	bool told;		/* the runtime told of one there; else programs stood there before
				 * this daemon began, and it counts until the runtime has told */
};

struct who {
	char root[PATH_MAX];
	int inotify, last_watch;
	bool again;		/* this look has made new watches */
	bool blind, crowded;	/* told by who_tidy() */
	struct namespaces namespaces;
	struct strangers strangers;
	struct home *homes;
	size_t home_count;
};

/* One look. */
struct looking {
	struct who *who;
	struct found *found;
	bool complete;		/* the runtime has told of all its containers */
};

const char *who_cgroup_root(const struct who *who)
{
	return who->root;
}

int who_open(struct who **ret_who, struct diag *diag)
{
	struct who *who = mem_array(1, sizeof(*who));
	int err = cgroup_fs_root(who->root);

	who->inotify = -1;
	if (!err)
		err = namespaces_init(&who->namespaces);
	if (!err) {
		who->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		err = who->inotify < 0 ? -errno : 0;
	}
	if (err) {
		diag_add(diag, NULL, 0, "policy: %s",
			 err == -ENOENT ? "no cgroup v2 is mounted (mount -t cgroup2 none DIR)"
					: strerror(-err));
		who_close(who);
		return err;
	}
	*ret_who = who;
	return 0;
}

void who_forget(struct who *who)
{
	namespaces_forget(&who->namespaces);
}

void who_close(struct who *who)
{
	if (!who)
		return;
	who_forget(who);
	for (size_t i = 0; i < who->home_count; i++)
		free(who->homes[i].path);
	free(who->homes);
	strangers_clear(&who->strangers);
	if (who->inotify >= 0)
		close(who->inotify);
	free(who);
}

int who_fd(const struct who *who)
{
	return who->inotify;
}

bool who_drain(struct who *who)
{
	_Alignas(struct inotify_event) char events[8192];
	bool any = false;

	while (read(who->inotify, events, sizeof(events)) > 0)
		any = true;
	return any;
}

static void watch(struct who *who, const char *path, uint32_t mask)
{
	int number = inotify_add_watch(who->inotify, path, mask | IN_ONLYDIR);

	who->blind |= number < 0 && errno != ENOENT && errno != ENOTDIR;
	if (number > who->last_watch) {
		who->last_watch = number;
		who->again = true;
	}
}

static void watch_cgroup(struct who *who, const char *path)
{
	char place[2 * PATH_MAX];

	snprintf(place, sizeof(place), "%s/%s", who->root, path);
	watch(who, place, IN_CREATE | IN_DELETE | IN_DELETE_SELF);
}

/* Processes come into a cgroup, and with them its namespace, without a directory being made. */
static void watch_population(struct who *who, const char *path)
{
	char place[2 * PATH_MAX];
	int number;

	snprintf(place, sizeof(place), "%s/%s/cgroup.events", who->root, path);
	number = inotify_add_watch(who->inotify, place, IN_MODIFY);
	who->blind |= number < 0 && errno != ENOENT;
	if (number > who->last_watch)
		who->last_watch = number;
}

/* ---- subjects -------------------------------------------------------------------------------- */

static struct subject *subject_add(struct found *found, const char *name)
{
	struct subjects *subjects = &found->subjects;

	subjects->list = net_room(subjects->list, subjects->count, sizeof(*subjects->list));
	subjects->list[subjects->count] = (struct subject){ .name = mem_text(name) };
	return &subjects->list[subjects->count++];
}

/* Its namespace, by a path that enters it now. */
static void subject_enter(struct looking *looking, struct subject *subject, const char *path,
			  const struct container *container)
{
	const struct netns_look *look =
		namespaces_look(&looking->who->namespaces, path, container);
	struct found *found = looking->found;
	size_t index = (size_t)(subject - found->subjects.list);

	if (!look)
		return;
	subject->cookie = look->cookie;
	subject->address_count = look->address_count;
	subject->addresses = mem_array(look->address_count, sizeof(struct addr));
	if (look->address_count)
		memcpy(subject->addresses, look->addresses,
		       look->address_count * sizeof(struct addr));
	for (size_t i = 0; i < look->veth_count; i++) {
		struct who_end end = { .subject = index, .ifindex = look->veths[i].peer,
				       .peer = look->veths[i].ifindex };

		memcpy(end.mac, look->veths[i].mac, sizeof(end.mac));
		found->ends = net_room(found->ends, found->end_count, sizeof(end));
		found->ends[found->end_count++] = end;
	}
}

static const struct subject *subject_at(const struct found *found, const char *path)
{
	for (size_t i = 0; i < found->subjects.count; i++)
		if (found->subjects.list[i].cgroup &&
		    !strcmp(found->subjects.list[i].cgroup, path))
			return &found->subjects.list[i];
	return NULL;
}

/* False: it is gone already. */
static bool subject_place(struct looking *looking, struct subject *subject, const char *path,
			  const struct container *container)
{
	char process[64];
	pid_t pid;

	if (cgroup_id(looking->who->root, path, &subject->cgroup_id))
		return false;
	subject->cgroup = mem_text(path);
	subject->level = cgroup_level(path);
	watch_population(looking->who, path);
	pid = cgroup_process(looking->who->root, path);
	if (pid) {
		snprintf(process, sizeof(process), "/proc/%d/ns/net", (int)pid);
		subject_enter(looking, subject, process, container);
	}
	return true;
}

static bool subject_of_cgroup(const char *path, void *data)
{
	struct looking *looking = data;

	if (!subject_at(looking->found, path))
		subject_place(looking, subject_add(looking->found, path), path, NULL);
	return true;
}

/* A container stays new until the runtime tells of it, or has had time enough to. */
static bool subject_of_container_cgroup(const char *path, void *data)
{
	struct looking *looking = data;
	uint64_t id;

	if (!cgroup_is_of_container(path) || subject_at(looking->found, path) ||
	    cgroup_id(looking->who->root, path, &id))
		return true;
	if (stranger_is_known(&looking->who->strangers, id, looking->complete,
			      cgroup_age(looking->who->root, path) >= OLD_SEC))
		return subject_of_cgroup(path, data);
	looking->found->unnamed = net_room(looking->found->unnamed,
					   looking->found->unnamed_count, sizeof(id));
	looking->found->unnamed[looking->found->unnamed_count++] = id;
	return true;
}

/* Whoever is below a governed parent. */
static bool subject_of_neighbour(const char *path, void *data)
{
	return cgroup_is_of_container(path) ? subject_of_container_cgroup(path, data)
					    : subject_of_cgroup(path, data);
}

static void subject_of_container(struct looking *looking, const struct container *container)
{
	struct subject *subject;
	char path[PATH_MAX];

	/* Before it runs there may be a cgroup already, and its first packet comes soon. */
	if (cgroup_of_container(looking->who->root, container->id, container->cgroup_parent,
				container->running, path))
		return;
	subject = subject_add(looking->found, container->name);
	subject->container = true;
	subject->labels = mem_array(container->label_count, sizeof(*subject->labels));
	for (size_t i = 0; i < container->label_count; i++)
		subject->labels[subject->label_count++] = mem_text(container->labels[i]);
	subject_place(looking, subject, path, container);
}

static bool is_of_container(const char *netns)
{
	return !strncmp(netns, CONFIG_NETNS_CONTAINER, strlen(CONFIG_NETNS_CONTAINER));
}

static void subject_of_netns(struct looking *looking, const char *name)
{
	struct subject *subject;
	char path[PATH_MAX];

	if (is_of_container(name))
		return; /* the container itself is there */
	if (snprintf(path, sizeof(path), "%s%s", *name == '/' ? "" : NAMED "/", name) >=
	    (int)sizeof(path))
		return;
	subject = subject_add(looking->found, name);
	subject->netns = mem_text(name);
	subject_enter(looking, subject, path, NULL);
}

/* ---- where programs stand -------------------------------------------------------------------- */

/* What has children of all kinds: of those only containers are new (policy/newborn.bpf.c). */
static bool is_shared(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return !*path || !strcmp(name, "system.slice") || !strcmp(name, "user.slice");
}

static void parent_add(struct looking *looking, const char *path, uint64_t id)
{
	struct subjects *subjects = &looking->found->subjects;

	for (size_t i = 0; i < subjects->parent_count; i++)
		if (subjects->parents[i] == id)
			return;
	if (subjects->parent_count == sizeof(subjects->parents) / sizeof(subjects->parents[0]))
		return;
	subjects->parents[subjects->parent_count] = id;
	subjects->parent_levels[subjects->parent_count++] = cgroup_level(path);
}

/* The programs look for identities where containers come, before the first one has. */
static void container_level_add(struct looking *looking, unsigned int level)
{
	struct subjects *subjects = &looking->found->subjects;
	size_t room = sizeof(subjects->container_levels) / sizeof(subjects->container_levels[0]);

	for (size_t i = 0; i < subjects->container_level_count; i++)
		if (subjects->container_levels[i] == level)
			return;
	if (subjects->container_level_count < room)
		subjects->container_levels[subjects->container_level_count++] = level;
}

static bool stand_add(const char *path, void *data)
{
	struct looking *looking = data;
	struct found *found = looking->found;
	uint64_t id;

	if (cgroup_id(looking->who->root, path, &id))
		return true;
	watch_cgroup(looking->who, path);
	for (size_t i = 0; i < found->stand_count; i++)
		if (!strcmp(found->stands[i], path))
			return true;
	found->stands = net_room(found->stands, found->stand_count, sizeof(*found->stands));
	found->stands[found->stand_count++] = mem_text(path);
	return true;
}

/* All that is below it gets a name, or is new. */
static bool govern(const char *path, void *data)
{
	struct looking *looking = data;
	uint64_t id;

	if (cgroup_id(looking->who->root, path, &id))
		return true;
	stand_add(path, looking);
	if (is_shared(path))
		container_level_add(looking, cgroup_level(path) + 1);
	else
		parent_add(looking, path, id);
	cgroup_children(looking->who->root, path,
			is_shared(path) ? subject_of_container_cgroup : subject_of_neighbour,
			looking);
	return true;
}

/* The cgroups that its own may come in: what the pattern says before its last part. At the top of
 * the tree everything else stands too, so there each match is a stand of its own. */
static void govern_pattern(struct looking *looking, const char *pattern)
{
	const char *slash = strrchr(pattern, '/');
	char parent[PATH_MAX];

	watch_cgroup(looking->who, "");
	cgroup_match(looking->who->root, pattern, subject_of_cgroup, looking);
	if (!slash || slash == pattern) {
		cgroup_match(looking->who->root, pattern, stand_add, looking);
		return;
	}
	if (snprintf(parent, sizeof(parent), "%.*s", (int)(slash - pattern), pattern) >=
	    (int)sizeof(parent))
		return;
	cgroup_match(looking->who->root, parent, govern, looking);
	/* on the way to it, for what is not there yet */
	for (char *at = parent; (at = strchr(at + 1, '/'));) {
		*at = '\0';
		cgroup_match(looking->who->root, parent, stand_add, looking);
		*at = '/';
	}
}

/* Makes room by forgetting one that is not there any more. */
static bool home_free(struct who *who)
{
	uint64_t id;

	for (size_t i = 0; i < who->home_count; i++) {
		if (!cgroup_id(who->root, who->homes[i].path, &id))
			continue;
		free(who->homes[i].path);
		who->homes[i] = who->homes[--who->home_count];
		return true;
	}
	return false;
}

static void home_add(struct who *who, const char *path, bool told)
{
	for (size_t i = 0; i < who->home_count; i++)
		if (!strcmp(who->homes[i].path, path)) {
			who->homes[i].told |= told;
			return;
		}
	if (who->home_count == HOMES_MAX && !home_free(who)) {
		who->crowded = true;
		return;
	}
	who->homes = net_room(who->homes, who->home_count, sizeof(*who->homes));
	who->homes[who->home_count++] = (struct home){ mem_text(path), told };
}

void who_remember(struct who *who, const uint64_t *cgroups, size_t count)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < count; i++)
		if (!cgroup_of_id(who->root, cgroups[i], path) && *path)
			home_add(who, path, false);
}

/* Where containers stood, others will: those that a runtime starts and removes at once leave
 * moments without any. */
static void homes_find(struct looking *looking, const struct container *containers, size_t count)
{
	char parent[PATH_MAX];

	for (size_t i = 0; i < count; i++)
		if (containers[i].cgroup_parent && *containers[i].cgroup_parent)
			home_add(looking->who,
				 containers[i].cgroup_parent +
					 strspn(containers[i].cgroup_parent, "/"), true);
	for (size_t i = 0; i < looking->found->subjects.count; i++) {
		const struct subject *subject = &looking->found->subjects.list[i];

		if (!subject->container || !subject->cgroup)
			continue;
		snprintf(parent, sizeof(parent), "%s", subject->cgroup);
		*(strrchr(parent, '/') ? strrchr(parent, '/') : parent) = '\0';
		home_add(looking->who, parent, true);
	}
}

/* Whether the next container may come where its runtime puts those of which nobody says where. If
 * all stand elsewhere, what is there is another runtime's. */
static bool uses_customary(const struct who *who, const struct container *containers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!containers[i].cgroup_parent || !*containers[i].cgroup_parent)
			return true;
	for (size_t i = 0; i < who->home_count; i++)
		if (who->homes[i].told)
			return false;
	return true;
}

static void govern_containers(struct looking *looking, const struct container *containers,
			      size_t count)
{
	static const char *const customary[] = { "docker", "libpod_parent", "machine.slice",
						 "system.slice" };
	const struct who *who = looking->who;

	watch_cgroup(looking->who, "");
	homes_find(looking, containers, count);
	for (size_t i = 0; uses_customary(who, containers, count) &&
			   i < sizeof(customary) / sizeof(customary[0]); i++)
		govern(customary[i], looking);
	for (size_t i = 0; i < who->home_count; i++)
		if (who->homes[i].told || !looking->complete)
			govern(who->homes[i].path, looking);
}

/* A program at an ancestor runs for all below it: a second one there would judge twice. */
static void stands_reduce(struct found *found)
{
	size_t kept = 0;

	for (size_t i = 0; i < found->stand_count; i++) {
		bool covered = false;

		for (size_t j = 0; !covered && j < found->stand_count; j++)
			covered = j != i && found->stands[j] &&
				  cgroup_is_below(found->stands[i], found->stands[j]);
		if (!covered)
			continue;
		free(found->stands[i]);
		found->stands[i] = NULL;
	}
	for (size_t i = 0; i < found->stand_count; i++)
		if (found->stands[i])
			found->stands[kept++] = found->stands[i];
	found->stand_count = kept;
}

/* ---- the look -------------------------------------------------------------------------------- */

static void look(struct looking *looking, const struct config_policy *policy,
		 const struct container *containers, size_t count)
{
	bool by_container = false, by_netns = false;

	for (size_t i = 0; i < policy->group_count; i++) {
		by_container |= policy->groups[i].kind == CONFIG_GROUP_CONTAINER ||
				policy->groups[i].kind == CONFIG_GROUP_LABEL ||
				(policy->groups[i].kind == CONFIG_GROUP_NETNS &&
				 is_of_container(policy->groups[i].pattern));
		by_netns |= policy->groups[i].kind == CONFIG_GROUP_NETNS;
	}
	for (size_t i = 0; i < count; i++)
		subject_of_container(looking, &containers[i]);
	if (by_container)
		govern_containers(looking, containers, count);
	for (size_t i = 0; i < policy->group_count; i++) {
		const struct config_group *group = &policy->groups[i];

		if (group->kind == CONFIG_GROUP_CGROUP)
			govern_pattern(looking, group->pattern);
		else if (group->kind == CONFIG_GROUP_NETNS)
			subject_of_netns(looking, group->pattern);
	}
	if (by_netns) {
		watch(looking->who, "/run", IN_CREATE); /* where NAMED comes with its first name */
		watch(looking->who, NAMED, IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB);
		stand_add("", looking);
	}
	stands_reduce(looking->found);
}

int who_find(struct who *who, const struct config_policy *policy,
	     const struct container *containers, size_t container_count, bool complete,
	     struct found *ret_found)
{
	struct found found = { 0 };
	struct looking looking = { .who = who, .found = &found, .complete = complete };
	int rounds = ROUNDS; /* where cgroups come faster than that, inotify asks for the next */

	/* A second look sees what came before the first one's watches. */
	do {
		found_clear(&found);
		who->again = false;
		look(&looking, policy, containers, container_count);
	} while (who->again && --rounds);
	*ret_found = found;
	return 0;
}

void who_tidy(struct who *who, struct diag *diag)
{
	namespaces_keep_used(&who->namespaces);
	strangers_keep_used(&who->strangers);
	if (who->blind)
		diag_add(diag, NULL, 0, "policy: the kernel takes no more inotify watches (sysctl "
			 "fs.inotify.max_user_watches): some changes are seen only every 30 s");
	if (who->crowded)
		diag_add(diag, NULL, 0, "policy: more than %d cgroups are parents of containers: "
			 "what is in the others is not covered", HOMES_MAX);
	who->blind = who->crowded = false;
}

void found_clear(struct found *found)
{
	for (size_t i = 0; i < found->stand_count; i++)
		free(found->stands[i]);
	free(found->unnamed);
	free(found->stands);
	free(found->ends);
	subjects_clear(&found->subjects);
	*found = (struct found){ 0 };
}
