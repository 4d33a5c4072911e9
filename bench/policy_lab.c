/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lab's life. Its cgroups are removed at its end; all else is gone with the processes. */
#include "bench/policy_lab.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/cgroup.h"
#include "bench/policy_rules.h"
#include "config/mem.h"
#include "lb/watch/cgroup_fs.h"

#define PIN	GROUND_BPFFS "/policy-bench"

static const char *const names[LAB_WHO] = { "front", "db", "nobody", "outside" };
static pid_t owner;	/* in the cgroups' names, which children know too */

/* ---- cgroups --------------------------------------------------------------------------------- */

const char *lab_parent(void)
{
	static char name[64];

	snprintf(name, sizeof(name), "edgelb-bench-%d-policy", owner);
	return name;
}

static const char *cgroup_name(enum lab_who who)
{
	static char name[96];

	if (who == LAB_OUTSIDE)
		snprintf(name, sizeof(name), "%s-outside", lab_parent());
	else
		snprintf(name, sizeof(name), "%s/%s", lab_parent(), names[who]);
	return name;
}

static int cgroups_make(struct policy_lab *lab)
{
	int err = cgroup_make(lab_parent(), &lab->subjects.parents[0]);

	lab->subjects.parent_levels[0] = 1;
	lab->subjects.parent_count = 1;
	for (int i = 0; !err && i < LAB_WHO; i++)
		err = cgroup_make(cgroup_name(i), &lab->cgroup_ids[i]);
	return err;
}

int lab_open_parent(void)
{
	return cgroup_fs_open(lab_parent());
}

int lab_enter_cgroup(enum lab_who who)
{
	return cgroup_enter(cgroup_name(who));
}

/* ---- namespaces ------------------------------------------------------------------------------ */

int lab_enter_space(const struct space *space)
{
	return setns(space->net, CLONE_NEWNET) ? -errno : 0;
}

static int link_make(struct policy_lab *lab, int who, struct diag *diag)
{
	char script[512];
	int err;

	snprintf(script, sizeof(script),
		 "ip link add p%d address 02:ed:00:00:01:%02x type veth "
		 "peer name eth0 address 02:ed:00:00:02:%02x netns %d && "
		 "ip addr add 10.88.%d.1/24 dev p%d && ip link set dev p%d up",
		 who, who, who, lab->spaces[who].holder, who, who, who);
	err = space_run(&lab->far, script, diag);
	snprintf(script, sizeof(script),
		 "ip addr add 10.88.%d.2/24 dev eth0 && ip link set dev lo up && "
		 "ip link set dev eth0 up && ip route add default via 10.88.%d.1 && "
		 "ip neigh replace 10.88.%d.1 lladdr 02:ed:00:00:01:%02x dev eth0 nud permanent",
		 who, who, who, who);
	if (!err)
		err = space_run(&lab->spaces[who], script, diag);
	snprintf(script, sizeof(script),
		 "ip neigh replace 10.88.%d.2 lladdr 02:ed:00:00:02:%02x dev p%d nud permanent",
		 who, who, who);
	return err ? err : space_run(&lab->far, script, diag);
}

static int cookie_read(const struct policy_lab *lab, int who, uint64_t *ret_cookie)
{
	socklen_t size = sizeof(*ret_cookie);
	int err = lab_enter_space(&lab->spaces[who]), fd;

	if (err)
		return err;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	err = fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	ground_leave_edge(lab->ground);
	return err;
}

static int spaces_make(struct policy_lab *lab, struct diag *diag)
{
	int err = space_make(space_idle, NULL, &lab->far);

	if (!err)
		err = space_run(&lab->far,
				"ip link set dev lo up && ip addr add 10.95.0.1/32 dev lo && "
				"ip route add blackhole 10.96.0.0/12 && "
				"echo 1 >/proc/sys/net/ipv4/ip_forward && "
				"echo 4096 >/proc/sys/net/core/somaxconn", diag);
	for (int i = 0; !err && i < LAB_WHO; i++) {
		err = space_make(space_idle, NULL, &lab->spaces[i]);
		if (!err)
			err = link_make(lab, i, diag);
		if (!err)
			err = cookie_read(lab, i, &lab->cookies[i]);
	}
	return err;
}

/* ---- isolation ------------------------------------------------------------------------------- */

static void subjects_make(struct policy_lab *lab)
{
	for (int i = 0; i < LAB_OUTSIDE; i++)
		rules_subject(&lab->subjects, names[i], lab->cgroup_ids[i], lab->cookies[i],
			      lab_address(i))->cgroup = mem_text(cgroup_name(i));
	rules_subjects_known(&lab->subjects, 0, RULES_KNOWN);
}

static uint16_t set_named(const struct policy_tables *tables, const char *name)
{
	for (uint32_t i = 0; i < tables->dims.set_count; i++)
		if (!strcmp(tables->set_names[i], name))
			return (uint16_t)i;
	return POLICY_SET_NONE;
}

static int ports_find(struct policy_lab *lab)
{
	int err = lab_enter_space(&lab->far);

	for (int i = 0; !err && i < LAB_PORTS; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "p%d", i);
		lab->ports[i] = (struct policy_backstop){
			.ifindex = if_nametoindex(name),
			.port = { .netns = (uint32_t)lab->cookies[i],
				  .mac = { 0x02, 0xed, 0, 0, 2, (unsigned char)i } },
		};
		err = lab->ports[i].ifindex ? 0 : -ENODEV;
	}
	ground_leave_edge(lab->ground);
	return err;
}

int lab_apply(struct policy_lab *lab, struct policy_tables *tables, struct diag *diag)
{
	int err;

	for (int i = 0; i < LAB_PORTS; i++)
		lab->ports[i].port.set = set_named(tables, names[i]);
	err = policy_kernel_apply(lab->kernel, lab->tables, tables, lab->ports, LAB_PORTS, diag);
	if (err)
		return err;
	policy_tables_free(lab->tables);
	lab->tables = tables;
	return 0;
}

int lab_attach(struct policy_lab *lab, bool attached, struct diag *diag)
{
	const char *const cgroups[] = { lab_parent() };
	int err = policy_kernel_attach(lab->kernel, cgroups, attached ? 1 : 0, diag);

	if (!err)
		err = lab_enter_space(&lab->far);
	if (!err)
		err = policy_kernel_ports(lab->kernel, lab->ports, attached ? LAB_PORTS : 0, false,
					  diag);
	ground_leave_edge(lab->ground);
	return err;
}

/* ---- all of it ------------------------------------------------------------------------------- */

int lab_make(const struct ground *ground, struct policy_lab *lab, struct diag *diag)
{
	int err;

	*lab = (struct policy_lab){ .ground = ground };
	owner = getpid();
	err = cgroups_make(lab);
	if (!err)
		err = spaces_make(lab, diag);
	if (!err)
		err = ports_find(lab);
	if (!err && mkdir(PIN, 0700))
		err = -errno;
	if (!err)
		err = policy_kernel_open(PIN, &lab->kernel, diag);
	if (!err) {
		subjects_make(lab);
		return 0;
	}
	diag_add(diag, NULL, 0, "cannot make containers with a policy: %s", strerror(-err));
	lab_unmake(lab);
	return err;
}

void lab_unmake(struct policy_lab *lab)
{
	_cleanup_diag_ struct diag diag = { 0 };

	policy_kernel_close(lab->kernel);
	policy_unload(PIN, &diag);
	rmdir(PIN);
	policy_tables_free(lab->tables);
	subjects_clear(&lab->subjects);
	for (int i = 0; i < LAB_WHO; i++)
		space_unmake(&lab->spaces[i]);
	space_unmake(&lab->far);
	for (int i = 0; i < LAB_WHO; i++)
		cgroup_remove(cgroup_name(i));
	cgroup_remove(lab_parent());
}
