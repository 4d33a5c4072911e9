/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lb.conf from its name to struct config, step by step (load.h), and the places in it that the
 * steps report. The way in for everybody outside config/. All findings reach diag; a config is
 * handed out only if there are none. */
#include "config/load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/mem.h"
#include "config/slurp.h"

const struct scan_file *load_file(const struct load *load, const config_setting_t *setting)
{
	const struct scan_file *file;

	file = scan_file_find(&load->scan, config_setting_source_file(setting));
	return file ? file : load->scan.files[0];
}

int load_line(const struct load *load, const config_setting_t *setting)
{
	const config_setting_t *parent = config_setting_parent(setting);
	int line = (int)config_setting_source_line(setting);

	if (!parent)
		return 1;
	if (config_setting_type(setting) == CONFIG_TYPE_STRING && !config_setting_is_group(parent))
		return scan_string_line(load_file(load, setting), line,
					config_setting_get_string(setting));
	return line;
}

void load_report(const struct load *load, const config_setting_t *setting, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	diag_add(load->diag, load_file(load, setting)->name, load_line(load, setting), "%s", text);
	free(text);
}

const char *load_where(const struct load *load, const config_setting_t *setting,
		       const config_setting_t *from, char *where)
{
	const struct scan_file *file = load_file(load, setting);

	if (file == load_file(load, from))
		snprintf(where, LOAD_WHERE_MAX, "line %d", load_line(load, setting));
	else
		snprintf(where, LOAD_WHERE_MAX, "%s:%d", file->name, load_line(load, setting));
	return where;
}

const config_setting_t *load_element(const config_setting_t *setting, size_t index)
{
	return setting ? config_setting_get_elem(setting, (unsigned int)index) : NULL;
}

const config_setting_t *load_service(const struct load *load, size_t service)
{
	return load_element(load->services, service);
}

const config_setting_t *load_service_key(const struct load *load, size_t service, const char *key)
{
	const config_setting_t *setting = load_service(load, service);
	const config_setting_t *member = config_setting_get_member(setting, key);

	return member ? member : setting;
}

const config_setting_t *load_vip(const struct load *load, size_t service, size_t vip)
{
	return load_element(load_service_key(load, service, "vips"), vip);
}

const config_setting_t *load_ports(const struct load *load, size_t service, size_t ports)
{
	const config_setting_t *setting = load_service_key(load, service, "ports");
	const config_setting_t *element = load_element(setting, ports);

	return element ? element : setting; /* any port has no element */
}

const config_setting_t *load_backend(const struct load *load, size_t service, size_t backend)
{
	return load_element(load_service_key(load, service, "backends"), backend);
}

#define MIXED_ARRAY "mismatched element type in array" /* libconfig's */

/* libconfig's own sentences, where ours say more. */
static const char *parse_error(const char *theirs)
{
	static const struct {
		const char *theirs, *ours;
	} sentences[] = {
		{ "syntax error", "syntax error here, or something missing just before" },
		{ "duplicate setting name", "duplicate key: the same group has it already" },
		{ MIXED_ARRAY,
		  "an array [ ] holds values of one type only: all integers or all strings" },
		{ "include file nesting too deep", "@include goes too deep: ten files at most" },
	};

	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (!strcmp(theirs, sentences[i].theirs))
			return sentences[i].ours;
	return theirs;
}

/* A quote that is missing turns strings inside out, and libconfig stumbles lines later. */
static void report_parse_error(const struct load *load)
{
	const struct scan_file *file = scan_file_find(&load->scan, config_error_file(&load->tree));
	int line = config_error_line(&load->tree);

	if (!file)
		file = load->scan.files[0];
	/* A wide integer among others is of another type for libconfig; scan.c told the cause. */
	if (load->scan.wide && !strcmp(config_error_text(&load->tree), MIXED_ARRAY))
		return;
	if (file->runaway_line && file->runaway_line <= line)
		diag_add(load->diag, file->name, file->runaway_line,
			 "the string that starts here has no closing quote on its line "
			 "(syntax error in line %d)", line);
	else
		diag_add(load->diag, file->name, line, "%s",
			 parse_error(config_error_text(&load->tree)));
}

static int parse(struct load *load, const char *text)
{
	const config_setting_t *root, *services, *policy, *flows;

	if (load->scan.include_dir)
		config_set_include_dir(&load->tree, load->scan.include_dir);
	if (!config_read_string(&load->tree, text)) {
		report_parse_error(load);
		return -EINVAL;
	}
	root = config_root_setting(&load->tree);
	services = config_setting_get_member(root, "services");
	policy = config_setting_get_member(root, "policy");
	flows = config_setting_get_member(root, "flows");
	if (services && config_setting_is_list(services)) {
		load->services = services;
		load->flaws = mem_array((size_t)config_setting_length(services),
					sizeof(*load->flaws));
	}
	if (policy && config_setting_is_group(policy))
		load->policy = policy;
	if (flows && config_setting_is_group(flows))
		load->flows = flows;
	return 0;
}

static int load_steps(struct load *load, const char *text, const char *include_dir)
{
	size_t before = load->diag->count;

	if (scan_text(&load->scan, load->name, text, include_dir, load->diag) || parse(load, text))
		return -EINVAL;
	load_vet(load);
	load_build(load);
	load_build_policy(load);
	load_build_flows(load);
	load_check(load);
	load_check_between(load);
	load_check_policy(load);
	load_check_flows(load);
	load->config->includes = load->scan.file_count > 1;
	return load->diag->count == before ? 0 : -EINVAL;
}

static int load_text(const char *name, const char *text, const char *include_dir,
		     struct config **ret_config, struct diag *diag)
{
	struct load load = { .name = name, .diag = diag };
	int error;

	config_init(&load.tree);
	load.config = mem_array(1, sizeof(*load.config));
	load.config->file = mem_text(name);
	error = load_steps(&load, text, include_dir);
	if (error)
		config_free(load.config);
	else
		*ret_config = load.config;
	free(load.flaws);
	config_destroy(&load.tree);
	scan_clear(&load.scan);
	return error;
}

int config_load_text(const char *name, const char *text, struct config **ret_config,
		     struct diag *diag)
{
	return load_text(name, text, NULL, ret_config, diag);
}

int config_load_read(const char *name, const char *text, struct config **ret_config,
		     struct diag *diag)
{
	const char *slash = strrchr(name, '/');
	char *directory = slash ? mem_must(strndup(name, (size_t)(slash - name))) : mem_text(".");
	int error = load_text(name, text, directory, ret_config, diag);

	free(directory);
	return error;
}

int config_load(const char *name, struct config **ret_config, struct diag *diag)
{
	char *text;
	int error = slurp(name, false, &text);

	if (error) {
		diag_add(diag, name, 0, "cannot read it: %s", slurp_error(error));
		return error;
	}
	error = config_load_read(name, text, ret_config, diag);
	free(text);
	return error;
}

static void service_free(struct config_service *service)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		struct config_backend *backend = &service->backends[i];

		free(backend->name);
		free(backend->check.path);
		free(backend->check.host);
		free(backend->container);
		free(backend->label);
		free(backend->network);
		free(backend->interface);
	}
	free(service->backends);
	free(service->name);
	free(service->vips);
	free(service->ports);
}

static void policy_free(struct config_policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->group_count; i++) {
		free(policy->groups[i].name);
		free(policy->groups[i].pattern);
		free(policy->groups[i].cidr);
	}
	for (size_t i = 0; i < policy->rule_count; i++) {
		free(policy->rules[i].ports);
		free(policy->rules[i].file);
	}
	for (size_t i = 0; i < policy->socket_count; i++) {
		free(policy->sockets[i].binds);
		free(policy->sockets[i].file);
	}
	for (size_t i = 0; i < policy->tcp_count; i++)
		free(policy->tcp[i].congestion);
	free(policy->groups);
	free(policy->rules);
	free(policy->sockets);
	free(policy->tcp);
	free(policy);
}

static void flows_free(struct config_flows *flows)
{
	if (!flows)
		return;
	for (size_t i = 0; i < flows->cgroup_count; i++)
		free(flows->cgroups[i]);
	free(flows->cgroups);
	free(flows->influxdb);
	free(flows->influxdb_token);
	free(flows);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->interface_count; i++)
		free(config->interfaces[i].name);
	for (size_t i = 0; i < config->service_count; i++)
		service_free(&config->services[i]);
	policy_free(config->policy);
	flows_free(config->flows);
	free(config->runtime_socket);
	free(config->interfaces);
	free(config->services);
	free(config->file);
	free(config->api_socket);
	free(config->api_http);
	free(config->tuning_pin);
	free(config->hash_seed);
	free(config);
}
