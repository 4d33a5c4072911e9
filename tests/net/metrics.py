# SPDX-License-Identifier: GPL-2.0-or-later
"""What /metrics says, read as strictly as Prometheus reads it."""

import collections
import re
import subprocess

from lab import wait_for

LINE = re.compile(r'(edgelb_\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def unescaped(value):
    return re.sub(r"\\.", lambda found: ESCAPES[found[0]], value)


class Metrics:
    """One scrape. `series`: by name, a dict from label sets to values."""

    def __init__(self, text):
        self.text = text
        self.types, self.helps = {}, {}
        self.series = collections.defaultdict(dict)
        assert text.endswith("\n")
        for line in text.splitlines():
            if line.startswith("# HELP "):
                self._told(self.helps, line)
            elif line.startswith("# TYPE "):
                self._told(self.types, line)
            else:
                self._sample(line)

    @staticmethod
    def _told(where, line):
        name, text = line.split(" ", 3)[2:]
        assert name not in where, line
        where[name] = text

    def _sample(self, line):
        found = LINE.fullmatch(line)
        assert found, f"no line of the format: {line}"
        name, labels, value = found.groups()
        key = frozenset((label, unescaped(text)) for label, text in LABEL.findall(labels or ""))
        assert key not in self.series[name], f"twice: {line}"
        self.series[name][key] = float(value)

    def all(self, name, **labels):
        """Label sets (as dicts) and values of the series that have these labels."""
        return [(dict(key), value) for key, value in self.series[f"edgelb_{name}"].items()
                if labels.items() <= dict(key).items()]

    def sum(self, name, **labels):
        """0 where there is none."""
        return sum(value for _, value in self.all(name, **labels))

    def value(self, name, **labels):
        ((_, value),) = self.all(name, **labels)
        return value


def ask(balancer, *options, path="/metrics"):
    return balancer.namespace.run("curl", "-sS", *options, "--unix-socket", balancer.socket,
                                  f"http://localhost{path}").stdout


def scrape(balancer):
    return Metrics(ask(balancer, "-f"))


def wait_metric(balancer, wanted, name, **labels):
    """Until the sum of these series is as wanted. The scrape in which it was."""
    def reached():
        metrics = scrape(balancer)
        return metrics.sum(name, **labels) == wanted and metrics
    return wait_for(reached, f"{name} {labels} of {wanted}")


def complaints(text):
    """Of promtool, which knows what makes names and types hard to use."""
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                            text=True, check=False, timeout=60)
    return (result.returncode, result.stdout + result.stderr)
