/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manager's beginning and end: everything that is opened once. */
#include "lb/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lb/events.h"
#include "lb/flows/flows.h"
#include "lb/isolation.h"
#include "lb/kernel/attach.h"
#include "lb/kernel/sink.h"
#include "lb/kernel/stats.h"
#include "lb/log.h"
#include "lb/model/resolve.h"
#include "lb/version.h"
#include "lb/watch/health.h"
#include "lb/watch/netlink.h"

#define PIN_DEFAULT    "/sys/fs/bpf/edgelb"
#define SOCKET_DEFAULT "/run/edgelb/lbd.sock"

static char *first_of(const char *option, const char *config, const char *builtin)
{
	return strdup(option ? option : config ? config : builtin);
}

static int state_dir_make(const char *dir, struct diag *diag)
{
	int err;

	if (!mkdir(dir, 0700) || errno == EEXIST)
		return 0;
	err = -errno;
	diag_add(diag, NULL, 0, "state directory %s: %s", dir, strerror(errno));
	return err;
}

/* Without tuning.hash_seed: a random one, made at the first start and kept. */
static int seed_keep(const char *dir, uint64_t ret_keys[LB_HASH_KEYS], struct diag *diag)
{
	char path[4096], seed[33];
	unsigned char random[16];
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "%s/hash_seed", dir);
	file = fopen(path, "re");
	if (file && fscanf(file, "%32s", seed) == 1) {
		fclose(file);
		hash_keys_of(seed, ret_keys);
		return 0;
	}
	if (file)
		fclose(file);
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(seed + 2 * i, 3, "%02x", random[i]);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file || fprintf(file, "%s\n", seed) < 0 || fclose(file)) {
		int err = -errno;

		diag_add(diag, path, 0, "cannot be written: %s", strerror(-err));
		return err;
	}
	hash_keys_of(seed, ret_keys);
	return 0;
}

static int world_open(struct manager *manager, struct diag *diag)
{
	int err = net_open(&manager->net);

	if (!err)
		err = net_read(manager->net, &manager->view);
	if (err) {
		diag_add(diag, NULL, 0, "cannot read the network's state: %s", strerror(-err));
		return err;
	}
	err = state_dir_make(manager->options.state, diag);
	if (!err)
		err = overrides_load(manager->options.state, &manager->overrides, diag);
	if (!err)
		err = seed_keep(manager->options.state, manager->hash_key, diag);
	return err;
}

/* Programs of an older lbd that stand already are replaced in place, before the first plan. */
static int programs_refresh(struct manager *manager, bool exclusive, struct diag *diag)
{
	const struct state *actual = manager->actual;
	int err = 0;

	/* The fronts first: an lb that the verifier refuses ends this daemon before it has replaced
	 * anything. */
	for (size_t i = 0; !err && i < actual->front_count; i++) {
		bool generic;

		err = front_attach(manager->dataplane, &actual->fronts[i], exclusive, &generic,
				   diag);
	}
	for (size_t i = 0; !err && i < actual->reply_hook_count; i++)
		err = reply_attach(manager->dataplane, actual->reply_hooks[i], diag);
	return err;
}

static int kernel_open(struct manager *manager, const struct config *config, struct diag *diag)
{
	int err = dataplane_open(manager->pin, config->max_slots, &manager->dataplane, diag);

	if (err)
		return err;
	err = dataplane_count_losses(manager->dataplane, diag);
	if (err)
		log_warning("frames lost behind a redirect are not counted: %s", strerror(-err));
	err = state_recover(manager->dataplane, &manager->actual);
	if (err)
		return err;
	for (size_t i = 0; i < manager->actual->device_count; i++)
		losses_watch(manager->dataplane, manager->actual->devices[i]);
	return programs_refresh(manager, config->exclusive, diag);
}

/* Results come in bursts too: a rack that loses its power is one plan. */
static void on_health(void *data)
{
	struct manager *manager = data;

	manager_wake(manager);
}

int manager_start(const struct options *options, struct event_base *loop,
		  struct manager **ret_manager, struct diag *diag)
{
	const struct reload first = { 0 };
	struct manager *manager = calloc(1, sizeof(*manager));
	const struct config *config;
	struct preview read = { 0 };
	int err;

	if (!manager)
		return -ENOMEM;
	manager->options = *options;
	manager->loop = loop;
	manager->events = events_new();
	events_add(manager->events, &(struct change){ .kind = EVENT_DAEMON, .object = "lbd",
						      .to = "starting",
						      .cause = "version " LB_VERSION });
	clock_gettime(CLOCK_REALTIME, &manager->started);
	err = manager_read(manager, &first, &read, diag);
	config = read.config;
	if (!err) {
		manager->pin = first_of(options->pin, config->tuning_pin, PIN_DEFAULT);
		manager->socket = first_of(options->socket, config->api_socket, SOCKET_DEFAULT);
		err = world_open(manager, diag);
	}
	if (!err)
		err = kernel_open(manager, config, diag);
	if (!err)
		err = health_open(loop, on_health, manager, &manager->health);
	if (!err)
		err = isolation_open(manager, &manager->isolation);
	if (!err)
		err = flows_open(manager, &manager->flows);
	if (!err)
		err = checks_set(manager, config);
	if (!err)
		checks_assume(manager);
	if (!err)
		err = manager_start_config(manager, &read, diag);
	if (err) {
		preview_clear(&read);
		manager_stop(manager);
		return err;
	}
	*ret_manager = manager;
	return 0;
}

void manager_stop(struct manager *manager)
{
	if (!manager)
		return;
	health_close(manager->health);
	flows_close(manager->flows);
	isolation_close(manager->isolation);
	locals_close(manager);
	dataplane_close(manager->dataplane);
	state_free(manager->actual);
	net_view_clear(&manager->view);
	net_close(manager->net);
	overrides_clear(&manager->overrides);
	containers_release(manager);
	config_resolved_free(manager->config);
	config_free(manager->written);
	free(manager->links);
	free(manager->neighbours);
	addr_index_clear(&manager->neighbour_index);
	free(manager->text);
	free(manager->trouble);
	free(manager->previous_name);
	free(manager->previous_text);
	free(manager->pin);
	free(manager->socket);
	events_free(manager->events);
	free(manager);
}

int manager_unload(struct manager *manager, bool all, struct diag *diag)
{
	struct state *actual = manager->actual;
	int err = all ? isolation_unload(manager->isolation, diag) : 0;
	int flows_err = flows_unload(manager->flows, diag);

	err = err ? err : flows_err;
	for (size_t i = 0; i < actual->front_count; i++) {
		int failed = front_detach(manager->dataplane, actual->fronts[i].ifindex, diag);

		err = err ? err : failed;
	}
	for (size_t i = 0; i < actual->reply_hook_count; i++)
		reply_detach(manager->dataplane, actual->reply_hooks[i]);
	hops_release(manager);
	if (!err)
		err = dataplane_unpin(manager->pin, diag);
	manager->unloaded = !err;
	return err;
}
