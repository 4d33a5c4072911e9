# SPDX-License-Identifier: GPL-2.0-or-later
"""A network whose containers a policy is about, and the policy as lb.conf has it. `here` is where
attempts begin: whoever is in the cgroup `network.cgroup` or in its network namespace. `there` has
the servers, and `third` is in no group unless a test puts it into one."""

import contextlib
import os
import pathlib

import pytest

import cgroups
from balancer import TUNING
from cgroups import Cgroup
from lab import Lab, wait_for
from live import events
from reach import PORT, Server, open_to_all_ways, reach
from topology import Bridged

HERE4, HERE6 = Bridged.addresses(1)
THERE4, THERE6 = Bridged.addresses(2)
THIRD4, THIRD6 = Bridged.addresses(3)
HAMMER = pathlib.Path(__file__).with_name("hammer.py")
# Long enough that an answer comes on a busy machine; an attempt that is denied ends at once.
PATIENT = ("--timeout", 5000)
# Where nothing is to come, and nobody says so: an attempt that was refused on its way.
SILENT = ("--timeout", 300)


def rule(action, source=None, to=None, protocol=None, ports=None, mode=None):
    """One rule; ports is a list of integers or of strings."""
    words = [("from", source), ("to", to), ("protocol", protocol), ("action", action),
             ("mode", mode)]
    text = "".join(f'{key} = "{value}"; ' for key, value in words if value)
    if ports:
        listed = ", ".join(str(port) if isinstance(port, int) else f'"{port}"' for port in ports)
        text += f"ports = [ {listed} ]; "
    return f"{{ {text}}}"


def policy(groups, *rules, default="allow", mode="enforce", sockets=()):
    """An lb.conf with nothing but a policy. Groups: name → (key, pattern)."""
    named = ", ".join(f'{{ name = "{name}"; {key} = ' +
                      (f'[ "{pattern}" ]' if key == "cidr" else f'"{pattern}"') + "; }"
                      for name, (key, pattern) in groups.items())
    lists = {"groups": [named], "rules": rules, "sockets": sockets}
    body = "\n".join(f"  {key} = (\n    " + ",\n    ".join(rows) + "\n  );"
                     for key, rows in lists.items() if rows)
    return (f"version = 1;\n{TUNING}policy: {{\n  mode = \"{mode}\";\n  default = \"{default}\";\n"
            f"{body}\n}};\n")


class Isolated(Bridged):
    """Three containers, and a server in each of `there`'s families at PORT."""

    def __init__(self, lab):
        super().__init__(lab, containers=3)
        self.here, self.there, self.third = self.servers
        for host in (*self.servers, self.client, self.edge):
            open_to_all_ways(host)
        self.server = Server(self.there, multipath=True)
        self.cgroup = Cgroup(lab, "here")

    def group(self, kind="cgroup"):
        """Who is `here`, in a policy's words."""
        return ("cgroup", self.cgroup.name) if kind == "cgroup" else ("netns", self.here.name)

    def of_cgroup(self, kind):
        """Where an attempt has to run to be in that group, and in no other."""
        return self.cgroup if kind == "cgroup" else None

    @contextlib.contextmanager
    def resident(self, lbd, host=None, cgroup=None):
        """Somebody lives in the cgroup for a block, as in a container: its namespace, and with it
        its addresses, are known from its processes."""
        host, cgroup = host or self.here, cgroup or self.cgroup
        # It joins last: the namespace of who comes is looked at, and again only after 3 s.
        process = host.start("sleep", 1000)
        wait_for(lambda: os.readlink(f"/proc/{process.pid}/ns/net") !=
                 os.readlink("/proc/self/ns/net"), "the namespace")
        cgroup.add(process.pid)
        wait_for(lambda: any(row["cgroup"] == cgroup.name and row["addresses"]
                             for row in shown(lbd)["subjects"]), "the addresses of the cgroup")
        yield process
        process.end()

    def reach(self, way, address, *options, port=PORT, cgroup=None):
        """From within the cgroup, unless another one is named."""
        return reach(self.here, way, address, *(options or PATIENT), port=port,
                     cgroup=cgroup or self.cgroup)

    def by_packet(self, way):
        """A packet socket needs to know a link and its neighbour."""
        if way.startswith("packet"):
            return ("--device", "eth0", "--mac", self.there.mac("eth0"))
        return ()


def network_made(tmp, kind=Isolated):
    """A network in which something depends on cgroups."""
    if cgroups.missing():
        pytest.skip(cgroups.missing())
    lab = Lab(tmp)
    try:
        yield kind(lab)
    finally:
        lab.close()


def take_away(lbd):
    """Isolation too, which `unload` alone leaves in force."""
    lbd.ctl("unload", "--all", check=False)
    if lbd.process.running():
        lbd.process.wait()


def balancer_of(network, make):
    """One daemon for a module's tests, each of which reloads it with a policy of its own. What
    isolation leaves behind is taken away in the end."""
    lbd = make(network.edge)
    lbd.start(policy({"here": network.group()}))
    yield lbd
    take_away(lbd)


def shown(lbd):
    return lbd.json("show", "policy")["policy"]


def rule_of(lbd, line):
    """What the rule at a line of the config has done."""
    return next(row for row in shown(lbd)["rules"] if row["line"] == line)


def line_of(lbd, text):
    """Where it stands in the config."""
    lines = lbd.conf.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def refused(result):
    """The errno and the step at which an attempt was refused; None if it was not."""
    return None if result["ok"] else (result["errno"], result["step"])


class Hammer:
    """Connects to ports of an address in turn, as fast as it can, and tells each change of what
    becomes of a port (hammer.py)."""

    def __init__(self, namespace, address, *ports, cgroup=None):
        self.process = namespace.start("/usr/bin/python3", "-B", HAMMER, address, *ports,
                                       cgroup=cgroup)
        self.process.wait_output('"ready"')

    def changes(self):
        """(port, outcome) in the order in which they were seen."""
        return [(line["port"], line["outcome"]) for line in events(self.process)
                if line["event"] == "change"]

    def wait(self, port, outcome):
        """Until that is what becomes of a port now."""
        self.process.wait_output(f'"port": {port}, "outcome": "{outcome}"')

    def end(self):
        """How many attempts had which outcome, by port."""
        self.process.end()
        (told,) = [line for line in events(self.process) if line["event"] == "end"]
        return {int(port): outcomes for port, outcomes in told["counts"].items()}
