# SPDX-License-Identifier: GPL-2.0-or-later
"""lbd and lbctl as a user meets them: a config file, two programs, a socket."""

import json
import os
import pathlib
import signal

from lab import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
LBD = pathlib.Path(os.environ.get("LBD", ROOT / "build" / "lbd"))
# The same with other programs (`make other`): a newer or an older version.
OTHER = pathlib.Path(os.environ.get("LBD_OTHER", LBD.parent / "other" / "build" / "lbd"))
LBCTL = pathlib.Path(os.environ.get("LBCTL", ROOT / "build" / "lbctl"))

TUNING = 'tuning: { hash_seed = "net tests"; max_slots = 65536; };\n'


def strings(values):
    return ", ".join(f'"{value}"' for value in values)


def backend(name, *addresses, port=8080, extra=""):
    port_key = f"port = {port}; " if port else ""
    return f'{{ name = "{name}"; address = [ {strings(addresses)} ]; {port_key}{extra}}}'


def service(name, vips, backends, protocol="tcp", ports=(80,), forward="nat", extra=""):
    return (f'{{ name = "{name}"; vips = [ {strings(vips)} ]; protocol = "{protocol}"; '
            f'ports = [ {", ".join(map(str, ports))} ]; forward = "{forward}"; {extra}\n'
            f'    backends = ( {", ".join(backends)} ); }}')


UNCHECKED = 'defaults: { check: { type = "none"; }; };\n'


def config(*services, interfaces=("front0",), extra="", defaults=UNCHECKED):
    """An lb.conf. An interface is its name, or `name" …` with more keys behind. Backends are not
    checked unless their service says so: most tests are about something else, and some have
    backends that do not answer."""
    fronts = ", ".join(f'{{ name = "{name}"; }}' if '"' not in name else f"{{ name = {name} }}"
                       for name in interfaces)
    return (f"version = 1;\ninterfaces = ( {fronts} );\n" + TUNING.rstrip() + " " + defaults + extra +
            "services = (\n  " + ",\n  ".join(services) + "\n);\n")


class Balancer:
    """One lbd in one namespace, with its own pins, socket, state and config."""

    def __init__(self, namespace, name="lbd"):
        lab = namespace.lab
        self.namespace = namespace
        self.dir = lab.tmp / f"{namespace.label}-{name}"
        self.dir.mkdir(exist_ok=True)
        self.conf = self.dir / "lb.conf"
        self.pin = lab.pin(f"{namespace.label}-{name}")
        self.socket = self.dir / "lbd.sock"
        self.process = None
        self.program = LBD

    def command(self, *options):
        return [self.program, "-c", self.conf, "--pin", self.pin, "--socket", self.socket,
                "--state", self.dir / "state", "--log-level", "info", *options]

    def start(self, text=None):
        """Starts it and waits until it says that it is ready."""
        if text:
            self.conf.write_text(text)
        self.process = self.namespace.start(*self.command())
        self.process.wait_output("ready:")
        return self

    def start_refused(self, text=None):
        """Starts one that is expected to refuse; what it said, once it ended with 1."""
        if text:
            self.conf.write_text(text)
        result = self.namespace.run(*self.command(), check=False)
        assert result.returncode == 1, result.stderr
        assert result.stdout == ""
        return result.stderr

    def stop(self, number=signal.SIGTERM):
        self.process.signal(number)
        return self.process.wait()

    def ctl(self, *args, check=True):
        result = self.namespace.run(LBCTL, "--socket", self.socket, "--pin", self.pin, *args,
                                    check=False)
        assert not check or result.returncode == 0, result.stderr
        return result

    def json(self, *args):
        return json.loads(self.ctl("--json", *args).stdout)

    def show(self):
        return self.json("show")

    def events(self, *args):
        """What happened, the last of it: one object an event."""
        return [json.loads(line)
                for line in self.ctl("events", "--json", *args).stdout.splitlines()]

    def reload(self, text):
        """The -c file becomes `text`, and is loaded."""
        self.conf.write_text(text)
        return self.json("reload")

    def plan_is_empty(self):
        return self.json("plan")["operations"] == []

    def rows(self, name, show=None):
        """Rows of "service/backend", one for each of its addresses, IPv4 first."""
        service_name, backend_name = name.split("/")
        services = (show or self.show())["services"]
        return [row for found in services if found["name"] == service_name
                for row in found["backends"] if row["name"] == backend_name]

    def row(self, name, family=4, show=None):
        (row,) = [row for row in self.rows(name, show)
                  if (":" in (row["address"] or "")) == (family == 6)]
        return row

    def interface(self, name):
        return next((row for row in self.show()["interfaces"] if row["name"] == name), None)

    def verdicts(self):
        return self.show()["verdicts"]

    def wait_state(self, name, state, reason=""):
        """Until all rows of a backend are in that state; their reasons hold `reason`."""
        def reached():
            rows = self.rows(name)
            return rows and all(row["state"] == state and reason in (row["reason"] or "")
                                for row in rows)
        try:
            wait_for(reached, f"{name} {state}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.rows(name)}\n{self.process.output()}") from None

    def wait_log(self, text):
        self.process.wait_output(text)

    def unload(self, *options):
        """With or without a daemon: nothing of it is left."""
        result = self.ctl("unload", *options)
        if self.process and self.process.running():
            self.process.wait()
        return result
