# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that are not ours: in XDP one that passes everything and counts it in its own map, in
tc one that has nothing to say."""

import functools
import json
import shutil
import subprocess
import tempfile

SOURCE = """
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} passed SEC(".maps");
SEC("xdp") int foreign(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&passed, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}
SEC("tc") int foreign_tc(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}
char _license[] SEC("license") = "GPL";
"""


@functools.cache
def program():
    """The compiled object; it dies with the interpreter."""
    clang = shutil.which("clang-19") or shutil.which("clang")
    assert clang, "clang is needed to build lbd, and here too"
    directory = tempfile.TemporaryDirectory(prefix="elbt-")  # pylint: disable=consider-using-with
    path = f"{directory.name}/foreign.o"
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True,
                             check=True).stdout.strip()
    subprocess.run([clang, "-O2", "-g", "--target=bpf", f"-I/usr/include/{machine}-linux-gnu",
                    "-x", "c", "-c", "-", "-o", path], input=SOURCE, text=True, check=True)
    program.directory = directory  # lives as long as the function
    return path


def attach(namespace, dev):
    namespace.ip(f"link set dev {dev} xdp obj {program()} sec xdp")


def attach_tc(namespace, dev):
    namespace.run("tc", "qdisc", "add", "dev", dev, "clsact")
    namespace.run("tc", "filter", "add", "dev", dev, "ingress", "prio", 7, "bpf",
                  "direct-action", "obj", program(), "sec", "tc")


def detach_tc(namespace, dev):
    namespace.run("tc", "qdisc", "del", "dev", dev, "clsact", check=False)


def detach(namespace, dev):
    namespace.ip(f"link set dev {dev} xdp off")


def attached(namespace, dev):
    """{"id", "name"} of the XDP program there, or None."""
    link = json.loads(namespace.run("ip", "-d", "-j", "link", "show", "dev", dev).stdout)[0]
    found = link.get("xdp", {}).get("prog") or {}
    return {"id": found["id"], "name": found["name"]} if found else None


def passed(identity):
    """How many packets the program with that id has passed."""
    shown = json.loads(subprocess.run(["bpftool", "-j", "prog", "show", "id", str(identity)],
                                      capture_output=True, text=True, check=True).stdout)
    for number in shown["map_ids"]:
        dump = json.loads(subprocess.run(
            ["bpftool", "-j", "map", "dump", "id", str(number)],
            capture_output=True, text=True, check=True).stdout)
        return dump[0]["formatted"]["value"]
    raise AssertionError(f"program {identity} has no map")
