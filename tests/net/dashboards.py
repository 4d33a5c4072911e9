# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboards of config/grafana, and what of Grafana their queries need to run without it: the
values of variables."""

import json
import re
from dataclasses import dataclass

from balancer import ROOT

FOLDER = ROOT / "config" / "grafana"
NAMES = ("balancer", "containers")
VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def panels(board):
    """Those that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@dataclass
class Query:
    """One query of a panel, an annotation or a variable."""
    board: str
    title: str
    kind: str           # prometheus or influxdb
    text: str
    legend: str = ""
    instant: bool = False

    def __str__(self):
        return f"{self.board}: {self.title}: {self.text}"

    def variables(self):
        return set(VARIABLE.findall(self.text))

    def filled(self, values):
        """As Grafana sends it. Every variable must be known."""
        return VARIABLE.sub(lambda found: values[found[1]], self.text)


def of_panels(name):
    for panel in panels(load(name)):
        for target in panel["targets"]:
            kind = target["datasource"]["type"]
            yield Query(name, panel["title"], kind,
                        target["expr" if kind == "prometheus" else "query"],
                        target.get("legendFormat", target.get("alias", "")),
                        target.get("instant", False))


def of_annotations(name):
    for entry in load(name)["annotations"]["list"]:
        yield Query(name, entry["name"], entry["datasource"]["type"], entry["expr"],
                    entry["titleFormat"])


def of_variables(name):
    for entry in load(name)["templating"]["list"]:
        if entry["type"] == "query":
            yield Query(name, entry["name"], entry["datasource"]["type"], entry["definition"])
