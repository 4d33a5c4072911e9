# SPDX-License-Identifier: GPL-2.0-or-later
"""Live connections whose every byte is checked (build/pattern), and what is asked of them."""

import contextlib
import json
import os
import pathlib
import signal

from balancer import LBD, backend, service
from lab import wait_for
from topology import VIP4, Bridged

PATTERN = pathlib.Path(os.environ.get("PATTERN", LBD.parent / "pattern"))
FULL = bool(os.environ.get("EDGELB_FULL"))  # the long forms, as the proof was asked for
PORT = 7100


def events(process):
    """The JSON lines that it has printed so far."""
    lines = process.output().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]


class Flows:
    """Long connections to one address, and brief new ones beside them if wanted."""

    def __init__(self, namespace, address, port, count, *options):
        self.process = namespace.start(PATTERN, "run", address, port, count, *options)
        self.count = count

    def _told(self, event, number=1, seconds=30):
        def told():
            assert event == "end" or self.process.running(), self.process.output()
            found = [line for line in events(self.process) if line["event"] == event]
            return len(found) >= number and found[number - 1]
        return wait_for(told, f"pattern run: {event} {number}", seconds)

    def ready(self):
        """Until all are open."""
        ready = self._told("ready")
        assert (ready["opened"], ready["not_opened"]) == (self.count, 0), ready
        return self

    def now(self):
        number = sum(line["event"] == "now" for line in events(self.process)) + 1
        self.process.signal(signal.SIGUSR1)
        return self._told("now", number)

    def end(self):
        """Ends them all; what happened."""
        if self.process.running():
            self.process.signal(signal.SIGTERM)
            self.process.wait()
        return self._told("end")

    def wait(self, condition, what, seconds=30):
        """Until condition(what is so now)."""
        def asked():
            now = self.now()
            return condition(now) and now
        try:
            return wait_for(asked, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.now()}") from None

    def wait_more(self, messages=2):
        """Until every open connection can have sent so many messages more, of 64 bytes each."""
        before = self.now()
        live = before["opened"] - sum(row["lost"] for row in before["servers"].values())
        self.wait(lambda now: now["bytes"] >= before["bytes"] + 64 * messages * live, "bytes")

    def wait_new(self, count):
        """Until so many more brief connections have come to an end."""
        def done(told):
            return told["new"] + told["new_failed"]
        target = done(self.now()) + count
        return self.wait(lambda now: done(now) >= target, f"{count} new connections")


@contextlib.contextmanager
def flows(namespace, address, port, count, *options):
    """Live connections for a block; they are over behind it."""
    made = Flows(namespace, address, port, count, *options)
    try:
        yield made.ready()
    finally:
        made.end()


def of_server(told, number):
    return told["servers"].get(str(number), {"flows": 0, "lost": 0, "silent": 0, "new": 0})


def lost(told):
    return {int(number): row["lost"] for number, row in told["servers"].items() if row["lost"]}


def new_between(before, after):
    """How many brief connections each server had in between."""
    counts = {int(number): row["new"] - of_server(before, number)["new"]
              for number, row in after["servers"].items()}
    return {number: count for number, count in counts.items() if count}


def assert_untouched(told):
    """Nobody was reset, moved or lied to."""
    assert {key: told[key] for key in ("not_opened", "resets", "closed", "wrong_bytes")} == \
        {"not_opened": 0, "resets": 0, "closed": 0, "wrong_bytes": 0}, told
    assert lost(told) == {}


def overlap(span, others):
    return sum(max(0, min(span[1], other[1]) - max(span[0], other[0])) for other in others)


def unexplained(told, control):
    """Stalls over 1 s, less the time in which connections that nothing was done to stood still
    too: that was the machine's scheduler."""
    return [(round(stall[1] - stall[0], 3), stall[2]) for stall in told["stalls"]
            if stall[1] - stall[0] - overlap(stall, control["gaps"]) >= 1]


class Server:
    """An echo server that greets with its number, and can tell health checks that it is unwell
    while it goes on serving."""

    def __init__(self, host, number, port=PORT):
        self.process = host.start(PATTERN, "serve", "::", port, number)
        self.process.wait_output("serving")

    def unwell(self):
        self.process.signal(signal.SIGUSR1)

    def well(self):
        self.process.signal(signal.SIGUSR2)


class Echoing(Bridged):
    """Containers c1, c2, … with echo servers in them instead of nginx. Ports behind the first are
    for connections that the balancer has no part in."""

    def __init__(self, lab, containers=8, ports=(PORT,)):
        super().__init__(lab, containers)
        self.echoes = {(number, port): Server(host, number, port)
                       for number, host in enumerate(self.servers, 1) for port in ports}

    def echo(self, number):
        return self.echoes[number, PORT]

    def backend(self, number, port=PORT, extra=""):
        return backend(f"c{number}", self.addresses(number)[0], port=port, extra=extra)

    def service(self, *numbers, name="live", vip=VIP4, port=PORT, extra="", extras=None):
        """`extras`: more keys of single backends, by number."""
        rows = [self.backend(number, port, (extras or {}).get(number, "")) for number in numbers]
        return service(name, [vip], rows, ports=[port], extra=extra)


def wait_lost(live, expected, seconds=30):
    """Until so many flows of each server are lost."""
    return live.wait(lambda now: lost(now) == expected, f"lost flows {expected}", seconds)


def operations(balancer):
    """What the daemon has done to the tables since it started, as its log tells it."""
    return [line for line in balancer.process.output().splitlines()
            if line[5:7] in ("+ ", "~ ", "- ")]


def moving(balancer, name="live"):
    (found,) = [row for row in balancer.show()["services"] if row["name"] == name]
    return found["slots_moving"]


def metric(balancer, name):
    """A metric without labels, read where Prometheus would."""
    text = balancer.namespace.run("curl", "-sSf", "--unix-socket", balancer.socket,
                                  "http://lbd/metrics").stdout
    (value,) = [line.split()[1] for line in text.splitlines()
                if line.startswith(f"edgelb_{name} ")]
    return int(value)
