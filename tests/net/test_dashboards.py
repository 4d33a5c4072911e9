# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboards as files: that Grafana can import them, and that what they name exists. That their
queries say something is shown where there is traffic: test_prometheus.py, test_flows_dashboard.py."""

import itertools
import re

import pytest

import dashboards
from balancer import ROOT

BUILT_IN = {"__rate_interval", "__interval", "timeFilter"}
UNITS = {"none", "short", "s", "bytes", "bps", "pps", "cps", "ops", "reqps", "percentunit"}
NAMES = pytest.mark.parametrize("name", dashboards.NAMES)
QUERIES = pytest.mark.parametrize(
    "query", [query for name in dashboards.NAMES
              for query in itertools.chain(dashboards.of_panels(name),
                                           dashboards.of_annotations(name),
                                           dashboards.of_variables(name))],
    ids=lambda query: f"{query.board}-{query.title}")


def told():
    """Metrics that the docs name."""
    text = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    return set(re.findall(r"`(edgelb_\w+)`", text))


@NAMES
def test_grafana_takes_it(name):
    """What its import looks at: an identity that stays over versions, and which data sources it is
    to ask for."""
    board = dashboards.load(name)
    assert board["uid"] == f"edgelb-{name}" and board["id"] is None
    assert board["version"] >= 1 and board["schemaVersion"] == 37  # of Grafana 9
    inputs = {entry["name"]: entry["pluginId"] for entry in board["__inputs"]}
    sources = [entry for entry in board["templating"]["list"] if entry["type"] == "datasource"]
    assert {entry["current"]["value"]: entry["query"] for entry in sources} == \
        {"${%s}" % entry: plugin for entry, plugin in inputs.items()}
    required = {(entry["type"], entry["id"]) for entry in board["__requires"]}
    assert required == {("grafana", "grafana")} | \
        {("datasource", plugin) for plugin in inputs.values()} | \
        {("panel", panel["type"]) for panel in dashboards.panels(board)}


@NAMES
def test_every_source_is_one_that_the_reader_chooses(name):
    board = dashboards.load(name)
    known = {(entry["query"], "${%s}" % entry["name"]) for entry in board["templating"]["list"]
             if entry["type"] == "datasource"}
    users = [*dashboards.panels(board), *board["annotations"]["list"],
             *(target for panel in dashboards.panels(board) for target in panel["targets"]),
             *(entry for entry in board["templating"]["list"] if entry["type"] == "query")]
    assert {(user["datasource"]["type"], user["datasource"]["uid"]) for user in users} == known


@NAMES
def test_panels_are_told_apart_and_stand_beside_each_other(name):
    board = dashboards.load(name)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(titles)) == len(titles)
    taken = set()
    for panel in board["panels"]:
        grid = panel["gridPos"]
        cells = set(itertools.product(range(grid["x"], grid["x"] + grid["w"]),
                                      range(grid["y"], grid["y"] + grid["h"])))
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    assert {y for _, y in taken} == set(range(max(y for _, y in taken) + 1))  # no gap between


@NAMES
def test_every_panel_says_what_it_shows_and_in_which_unit(name):
    for panel in dashboards.panels(dashboards.load(name)):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert [target["refId"] for target in panel["targets"]] == \
            list("ABCDEFG")[:len(panel["targets"])], panel["title"]


@QUERIES
def test_every_variable_is_one_of_the_board_or_of_grafana(query):
    names = {entry["name"] for entry in dashboards.load(query.board)["templating"]["list"]}
    assert query.variables() <= names | BUILT_IN


@QUERIES
def test_every_metric_is_one_that_the_docs_name(query):
    if query.kind == "prometheus":
        names = set(re.findall(r"edgelb_\w+", query.text))
        assert names
        assert {re.sub(r"_bucket$", "", name) for name in names} <= told()


@QUERIES
def test_counters_are_drawn_as_rates(query):
    """A bare counter only ever grows, and jumps back when something starts anew."""
    if query.kind == "prometheus":
        for found in re.finditer(r"edgelb_\w+(?:_total|_bucket)\b", query.text):
            assert re.search(r"(rate|increase)\($", query.text[:found.start()]), query.text
            assert re.match(r"\{[^}]*\}\[\$__rate_interval\]", query.text[found.end():]), query.text


@NAMES
def test_every_variable_is_used(name):
    used = set()
    for query in itertools.chain(dashboards.of_panels(name), dashboards.of_annotations(name),
                                 dashboards.of_variables(name)):
        used |= query.variables()
    for entry in dashboards.load(name)["templating"]["list"]:
        assert entry["type"] == "datasource" or entry["name"] in used, entry["name"]
