# SPDX-License-Identifier: GPL-2.0-or-later
"""A network whose containers are a real runtime's, and a policy about them as lb.conf has it."""

import json
import signal
import subprocess

import cgroups
from balancer import TUNING
from lab import wait_for
from newcomer import NEWCOMER
from reach import PORT, REACH
from talk import TALK
from topology import FrontClient

FORBIDDEN, ALLOWED = "192.0.2.66", "192.0.2.10"  # both are the client's
CLIENTS = '{ name = "clients"; cidr = [ "192.0.2.0/24" ]; }'


def group(name, kind, pattern):
    return f'{{ name = "{name}"; {kind} = "{pattern}"; }}'


def rule(action, source=None, to=None, protocol=None, ports=()):
    words = (("from", source), ("to", to), ("protocol", protocol), ("action", action))
    text = "".join(f'{key} = "{value}"; ' for key, value in words if value)
    listed = f"ports = [ {', '.join(map(str, ports))} ]; " if ports else ""
    return f"{{ {text}{listed}}}"


def conf(socket, groups, rules, default="allow", services=""):
    """An lb.conf with a policy, and services if some are given."""
    def rows(key, entries):
        return f"  {key} = (\n    " + ",\n    ".join(entries) + "\n  );\n"
    return (f"version = 1;\n{TUNING}containers: {{ socket = \"{socket}\"; }};\n{services}"
            f"policy: {{\n  default = \"{default}\";\n" + rows("groups", groups) +
            rows("rules", rules) + "};\n")


class Containers(FrontClient):
    """`edge` with a container runtime that `make` starts; the client has a web server on none of
    its addresses, and one more of those."""

    def __init__(self, lab, make):
        super().__init__(lab)
        self.client.ip(f"addr add {FORBIDDEN}/24 dev eth0")
        self.runtime = make(self.edge)
        assert self.runtime.wait_ready(), self.runtime.process.output()
        self.runtime.image_make(REACH, NEWCOMER, TALK)

    def server(self, name, *options):
        """A container that answers at reach's port."""
        self.runtime.run("run", "-d", "--name", name, "--hostname", name, *options, "busybox-www",
                         "/bin/reach", "serve", PORT)
        return self.runtime.address(name)


def outcome(output):
    """Of an attempt: None, or the errno and the step at which it failed."""
    (line,) = [line for line in map(json.loads, output.splitlines()) if line["event"] == "result"]
    return None if line["ok"] else (line["errno"], line["step"])


def attempt(runtime, name, way, address, port=PORT, timeout=3000):
    """From inside a container."""
    return outcome(runtime.run("exec", name, "/bin/reach", way, address, port, "--timeout", timeout,
                               check=False).stdout)


class Inside:
    """Attempts by a process that joins a container's cgroup and namespace without its runtime."""

    def __init__(self, cgroup):
        self.cgroup = cgroup
        pid = next(pid for folder in (cgroup, *cgroup.rglob("*/"))
                   for pid in cgroups.pids_of(folder))
        self.command = ["sh", "-c", 'echo 0 >"$0" && exec "$@"', cgroup / "cgroup.procs",
                        "nsenter", f"--net=/proc/{pid}/ns/net", REACH]

    def attempt(self, way, address, port=PORT, timeout=3000):
        return outcome(subprocess.run([*self.command, way, address, str(port), "--timeout",
                                       str(timeout)], capture_output=True, check=False).stdout)


def shown(lbd):
    return lbd.json("show", "policy")["policy"]


def groups_of(lbd):
    """Of each container by name, its groups; None: it is in none."""
    return {row["name"]: row["groups"] for row in shown(lbd)["subjects"]
            if row["kind"] == "container"}


def wait_groups(lbd, expected):
    """Until these containers are in these groups."""
    def reached():
        found = groups_of(lbd)
        return all(name in found and found[name] == groups for name, groups in expected.items())
    try:
        wait_for(reached, f"groups {expected}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {groups_of(lbd)}\n{lbd.process.output()}") from None


def addresses_of(lbd, name):
    return next((row["addresses"] for row in shown(lbd)["subjects"] if row["name"] == name), [])


def wait_address(lbd, name, address):
    """Until it is known by that address."""
    wait_for(lambda: address in addresses_of(lbd, name), f"{name} at {address}")


def policed(make_balancer, network):
    """Daemons of the edge host; what they leave in the kernel is taken away in the end."""
    lbd = make_balancer(network.edge)
    yield lbd
    if lbd.process and lbd.process.running():
        lbd.process.signal(signal.SIGCONT)
    lbd.ctl("unload", "--all", check=False)


def missing(*runtimes):
    return next(filter(None, [cgroups.missing(), *(runtime.missing() for runtime in runtimes)]),
                None)
