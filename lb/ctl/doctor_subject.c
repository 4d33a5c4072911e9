/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is to be looked at: interfaces, services and backends, from the daemon's answer to /v1/show
 * or, where none runs, from a config. Both give the same value; nothing here asks the kernel.
 * Backends that are off are left out: nothing is sent to them. */
#include <stdio.h>
#include <string.h>

#include "config/mem.h"
#include "lb/ctl/doctor.h"
#include "lb/ctl/fields.h"

static struct doctor_backend *backend_new(struct doctor *doctor,
					  const struct doctor_service *service, const char *name)
{
	struct doctor_backend *backend;

	doctor->backends = mem_must(reallocarray(doctor->backends, doctor->backend_count + 1,
						 sizeof(*doctor->backends)));
	backend = &doctor->backends[doctor->backend_count++];
	*backend = (struct doctor_backend){ .service = service };
	backend->name = text_new("%s/%s", service->name, name);
	return backend;
}

/* ---- from the daemon ------------------------------------------------------------------------ */

static void show_front(struct doctor *doctor, struct json_object *row)
{
	const char *mode = field_text(row, *field_text(row, "mode") ? "mode" : "configured_mode");
	struct doctor_front *front = &doctor->fronts[doctor->front_count++];

	snprintf(front->name, sizeof(front->name), "%s", field_text(row, "name"));
	front->ifindex = (unsigned int)field_count(row, "ifindex");
	front->generic = !strcmp(mode, "generic");
}

static void show_backend(struct doctor *doctor, const struct doctor_service *service,
			 struct json_object *row)
{
	struct doctor_backend *backend;
	struct addr address;

	if (!strcmp(field_text(row, "state"), "off") ||
	    addr_parse(field_text(row, "address"), &address))
		return;
	backend = backend_new(doctor, service, field_text(row, "name"));
	backend->address = address;
	backend->port = (uint16_t)field_count(row, "port");
	backend->nat = !strcmp(field_text(row, "forward"), "nat");
	backend->encap = *field_text(row, "encap_source");
	if (backend->encap)
		prefix_parse(field_text(row, "encap_source"), &backend->encap_source);
	snprintf(backend->interface, sizeof(backend->interface), "%s",
		 field_text(row, "interface"));
}

/* 80, or "8000-8099" */
static void show_ports(struct doctor_service *service, struct json_object *list)
{
	service->ports = mem_array(list_length(list), sizeof(*service->ports));
	for (size_t i = 0; i < list_length(list); i++) {
		struct config_ports *ports = &service->ports[service->port_count];
		int found = sscanf(json_object_get_string(list_at(list, i)), "%hu-%hu",
				   &ports->first, &ports->last);

		if (found == 1)
			ports->last = ports->first;
		service->port_count += found > 0;
	}
}

static void show_service(struct doctor *doctor, struct json_object *row)
{
	struct doctor_service *service = &doctor->services[doctor->service_count++];
	struct json_object *vips = field(row, "vips"), *backends = field(row, "backends");

	service->name = mem_text(field_text(row, "name"));
	service->udp = strcmp(field_text(row, "protocol"), "tcp") != 0;
	service->vips = mem_array(list_length(vips), sizeof(*service->vips));
	for (size_t i = 0; i < list_length(vips); i++)
		if (!addr_parse(json_object_get_string(list_at(vips, i)),
				&service->vips[service->vip_count]))
			service->vip_count++;
	show_ports(service, field(row, "ports"));
	for (size_t i = 0; i < list_length(backends); i++)
		show_backend(doctor, service, list_at(backends, i));
}

void doctor_from_show(struct doctor *doctor, struct json_object *reply)
{
	struct json_object *interfaces = field(reply, "interfaces");
	struct json_object *services = field(reply, "services");

	doctor->fronts = mem_array(list_length(interfaces), sizeof(*doctor->fronts));
	doctor->services = mem_array(list_length(services), sizeof(*doctor->services));
	for (size_t i = 0; i < list_length(interfaces); i++)
		if (field_true(list_at(interfaces, i), "front"))
			show_front(doctor, list_at(interfaces, i));
	for (size_t i = 0; i < list_length(services); i++)
		show_service(doctor, list_at(services, i));
}

/* ---- from a config -------------------------------------------------------------------------- */

static void config_backend_take(struct doctor *doctor, const struct doctor_service *service,
				const struct config_service *of,
				const struct config_backend *config)
{
	if (config->state == CONFIG_OFF)
		return;
	for (int family = 0; family < 2; family++) {
		struct doctor_backend *backend;

		if (!config->has_address[family])
			continue;
		backend = backend_new(doctor, service, config->name);
		backend->address = config->address[family];
		backend->port = config->port;
		backend->nat = config->forward == CONFIG_NAT;
		backend->encap = config->forward == CONFIG_IPIP || config->forward == CONFIG_GUE;
		if (backend->encap && of->has_encap_source[family])
			backend->encap_source = of->encap_source[family];
		backend->has_mac = config->has_mac;
		memcpy(backend->mac, config->mac, sizeof(backend->mac));
		if (config->interface)
			snprintf(backend->interface, sizeof(backend->interface), "%s",
				 config->interface);
	}
}

static void config_service_take(struct doctor *doctor, const struct config_service *config)
{
	struct doctor_service *service = &doctor->services[doctor->service_count++];

	service->name = mem_text(config->name);
	service->udp = config->protocol != CONFIG_TCP;
	service->vip_count = config->vip_count;
	service->vips = mem_array(config->vip_count, sizeof(*service->vips));
	memcpy(service->vips, config->vips, config->vip_count * sizeof(*service->vips));
	service->port_count = config->port_count;
	service->ports = mem_array(config->port_count, sizeof(*service->ports));
	memcpy(service->ports, config->ports, config->port_count * sizeof(*service->ports));
	for (size_t i = 0; i < config->backend_count; i++)
		config_backend_take(doctor, service, config, &config->backends[i]);
}

void doctor_from_config(struct doctor *doctor, const struct config *config)
{
	doctor->fronts = mem_array(config->interface_count, sizeof(*doctor->fronts));
	doctor->services = mem_array(config->service_count, sizeof(*doctor->services));
	for (size_t i = 0; i < config->interface_count; i++) {
		struct doctor_front *front = &doctor->fronts[doctor->front_count++];

		snprintf(front->name, sizeof(front->name), "%s", config->interfaces[i].name);
		front->generic = config->interfaces[i].mode == CONFIG_MODE_GENERIC;
	}
	for (size_t i = 0; i < config->service_count; i++)
		config_service_take(doctor, &config->services[i]);
}
