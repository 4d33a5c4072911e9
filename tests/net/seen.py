# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows as the daemon tells of them, and sockets in control groups whose flows are known."""

import itertools
import json
import pathlib
import socket
import subprocess
import urllib.parse

from cgroups import Cgroup
from lab import wait_for

TALKER = pathlib.Path(__file__).with_name("talker.py")
_numbers = itertools.count(1)


def flows_part(*cgroups, extra=""):
    """The group `flows` of an lb.conf. A test names its own cgroups: nobody else's are watched."""
    listed = ", ".join(f'"{cgroup.name}"' for cgroup in cgroups)
    return f'flows: {{ interval = "1s"; cgroups = [ {listed} ]; {extra}}};\n'


class Refused(Exception):
    """The daemon's sentences."""


def ask(balancer, path, **query):
    """An answer of the daemon's API."""
    text = urllib.parse.urlencode({key: value for key, value in query.items() if value is not None})
    url = f"http://lbd{path}?{text}" if text else f"http://lbd{path}"
    output = balancer.namespace.run("curl", "-sS", "--max-time", 20, "-w", "\n%{http_code}",
                                    "--unix-socket", balancer.socket, url).stdout
    body, status = output.rsplit("\n", 1)
    if status != "200":
        raise Refused(status, "; ".join(row["text"] for row in json.loads(body)["errors"]))
    return json.loads(body)


def flows(balancer, **query):
    return ask(balancer, "/v1/flows", **query)["flows"]


def flow(balancer, **query):
    """The only one that fits."""
    found = flows(balancer, **query)
    assert len(found) == 1, found
    return found[0]


def ended(balancer, **query):
    """The only one that fits, once it has ended."""
    def found():
        rows = [row for row in flows(balancer, since=600, **query)
                if row["state"] in ENDED]
        assert len(rows) < 2, rows
        return rows and rows[0]
    return wait_for(found, f"the end of a flow with {query}: {flows(balancer, since=600)}")


ENDED = ("closed", "reset", "aborted", "refused", "timed-out", "unreachable", "idle", "gone")


def seen_by(cgroup):
    """Numbers of the programs that stand on a cgroup itself."""
    result = subprocess.run(["bpftool", "--json", "cgroup", "show", cgroup.path], check=True,
                            capture_output=True, text=True)
    return {row["id"] for row in json.loads(result.stdout.strip() or "[]")}


def metrics(balancer):
    text = balancer.namespace.run("curl", "-sSf", "--unix-socket", balancer.socket,
                                  "http://lbd/metrics").stdout
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in text.splitlines() if not line.startswith("#")}


class Talker:
    """A process with sockets in a cgroup and a namespace; it does one step after another."""

    def __init__(self, namespace, cgroup):
        path = namespace.lab.tmp / f"talker-{next(_numbers)}"
        self.process = namespace.start("/usr/bin/python3", "-B", TALKER, path, cgroup=cgroup)
        self.process.wait_output("ready")
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.door.settimeout(30)
        self.door.connect(str(path))
        self.lines = self.door.makefile("rw")
        namespace.lab.at_close(self.end)

    def tell(self, do, name, **more):
        """Begins a step that waits for something; answer() has its end."""
        self.lines.write(json.dumps({"do": do, "socket": name, **more}) + "\n")
        self.lines.flush()

    def answer(self):
        told = json.loads(self.lines.readline())
        if "errno" in told:
            raise OSError(told["errno"])
        return told["ok"]

    def __call__(self, do, name="s", **more):
        self.tell(do, name, **more)
        return self.answer()

    def end(self):
        self.lines.close()
        self.door.close()
        self.process.end()


def talker(namespace, name, parent=None):
    """One in a cgroup of its own."""
    cgroup = Cgroup(namespace.lab, name, parent=parent)
    made = Talker(namespace, cgroup)
    made.cgroup = cgroup
    return made
