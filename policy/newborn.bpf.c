/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container in a slice that it shares with services (systemd puts Docker's into system.slice) is
 * new from the moment its cgroup is made: nothing else tells it from a service that nobody has
 * looked at yet. Its cgroup's name does, for it has the container's id in it. What the daemon
 * writes into policy_cgroups, once it knows who it is, goes before that. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "maps.bpf.h"

#define NAME_BYTES	128	/* systemd adds a prefix and ".scope" to the id */
#define ID_DIGITS	64

struct kernfs_node {
	const char *name;
	__u64 id;
} __attribute__((preserve_access_index));

struct cgroup_root {
	int hierarchy_id;
} __attribute__((preserve_access_index));

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
} __attribute__((preserve_access_index));

/* Its own name: what is inside a container has the container's id only in its path. */
struct name {
	char text[NAME_BYTES];
	__u32 digits;
	bool of_container;
};

static bool is_hex(char letter)
{
	return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
}

/* Called by bpf_loop() (Linux 5.17): unrolled, it is more than the verifier goes through. */
static long letter_take(__u32 at, struct name *name)
{
	char letter = name->text[at & (NAME_BYTES - 1)];

	name->digits = is_hex(letter) ? name->digits + 1 : 0;
	name->of_container |= name->digits == ID_DIGITS;
	return !letter || name->of_container;
}

static bool names_container(struct cgroup *cgroup)
{
	struct name name = { 0 };

	if (bpf_probe_read_kernel_str(name.text, NAME_BYTES, BPF_CORE_READ(cgroup, kn, name)) > 0)
		bpf_loop(NAME_BYTES, letter_take, &name, 0);
	return name.of_container;
}

/* Only those of cgroup v2 (hierarchy 0): a cgroup of another tree can have the same number. */
static __u64 id_of(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, root, hierarchy_id) ? 0 : BPF_CORE_READ(cgroup, kn, id);
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(policy_newborn, struct cgroup *cgroup, const char *path)
{
	__u64 id = id_of(cgroup);
	__u32 any = 1;

	if (id && names_container(cgroup) &&
	    bpf_map_update_elem(&policy_unnamed, &id, &any, BPF_ANY))
		loss_count(POLICY_LOST_SOCKET);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(policy_departed, struct cgroup *cgroup, const char *path)
{
	__u64 id = id_of(cgroup);

	if (id)
		bpf_map_delete_elem(&policy_unnamed, &id);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
