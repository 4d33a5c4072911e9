# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboard of containers: every query of it says something, of Prometheus and of InfluxDB,
both real, with what a real lbd has seen."""

import re
import time

import pytest

import cgroups
import dashboards
import influx
import prometheus
from balancer import TUNING, service
from lab import wait_for
from metrics import complaints, scrape
from seen import flows_part, talker
from topology import VIP4

VALUES = {"instance": ".*", "container": ".*", "host": ".*", "source": ".*", "peer": ".*",
          "__rate_interval": "10s", "__interval": "2s", "timeFilter": "time >= now() - 1h"}
# Nothing of it happens here: there is room for all flows, and a veth loses no segment.
AT_REST = {"Not in the table", "Not named", "Ended flows forgotten", "Retransmits"}


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    lacking = prometheus.missing() or influx.missing() or cgroups.missing()
    if lacking:
        pytest.skip(lacking)
    return bridged


def conf(network, *parties):
    backends = [f'{{ name = "c1"; address = [ "{network.addresses(1)[0]}" ]; port = 7100; }}']
    return (f'version = 1;\n{TUNING}interfaces = ( {{ name = "front0"; }} );\n'
            'api: { http = "127.0.0.1:9180"; };\ndefaults: { check: { type = "none"; }; };\n'
            f'services = ( {service("stock", [VIP4], backends, ports=[7000])} );\n' +
            flows_part(*(party.cgroup for party in parties),
                       extra='influxdb = "http://127.0.0.1:8086/write?db=edgelb"; '))


def exchange(server, client, address, port, size):
    client("connect", address=address, port=port)
    server("accept", listener="l")
    client("send", size=size)
    assert server("receive", size=size) == size
    server("send", size=3 * size)
    assert client("receive", size=3 * size) == 3 * size


def end(server, client):
    client("close")
    server("receive", size=1)
    server("close")


def wait_batches(database, count):
    """Until so many more have come."""
    def batches():
        return database.ask('SELECT count("live") FROM "edgelb_flows"', db="edgelb")[0]["count"]
    wanted = batches() + count
    wait_for(lambda: batches() >= wanted, f"{count} batches")


@pytest.fixture(name="watched", scope="module")
def fixture_watched(network, make_module_balancer):
    """Prometheus, InfluxDB, and the two parties, after both have been told of their traffic."""
    database = influx.InfluxDB(network.edge).start()
    database.ask("CREATE DATABASE edgelb")
    server, client = talker(network.servers[0], "server"), talker(network.servers[1], "client")
    lbd = make_module_balancer(network.edge).start(conf(network, server, client))
    told = prometheus.Prometheus(network.edge)
    told.wait_value("up", 1)
    address = network.addresses(1)[0]
    server("listen", "l", address="0.0.0.0", port=7100)
    started = time.time()
    exchange(server, client, address, 7100, 1000)  # from then on there are series to grow
    end(server, client)
    told.wait_value("sum(edgelb_container_flows_total)", 2)

    def points():
        return database.ask('SELECT count("bytes") FROM "edgelb_edge"', db="edgelb")
    wait_for(points, "points in InfluxDB")
    for number in range(1, 6):
        exchange(server, client, VIP4 if number % 2 else address, 7000 if number % 2 else 7100,
                 1000 * number)
        if number < 5:
            end(server, client)  # the last one lives on, and has a round trip
    for _ in range(2):  # a rate is between two intervals: the first of an edge is in none
        with pytest.raises(OSError):
            client("connect", "refused", address=address, port=7101)
        wait_batches(database, 3)
    # Somebody outside comes by the vip, so that the backend's own counters move.
    outside = talker(network.client, "outside")
    exchange(server, outside, VIP4, 7000, 100)
    told.wait_scrapes(3)
    total = 4 * (1000 + 1000 + 2000 + 3000 + 4000 + 5000)
    wait_for(lambda: database.ask(
        'SELECT sum("b") FROM (SELECT last("bytes") AS "b" FROM "edgelb_edge" WHERE "from" =~ '
        '/client/ GROUP BY "from", "to", "port")', db="edgelb")[0]["sum"] == total, "all bytes")
    wait_batches(database, 3)
    told.started, told.database, told.total, told.lbd = started, database, total, lbd
    yield told
    lbd.ctl("unload", "--all", check=False)


def test_promtool_likes_metrics_of_flows_too(watched):
    assert complaints(scrape(watched.lbd).text) == (0, "")


PROMISED = [
    ("container_bytes_total", "counter", "container direction"),
    ("container_packets_total", "counter", "container direction"),
    ("container_flows_total", "counter", "container direction protocol"),
    ("container_failures_total", "counter", "container reason"),
    ("container_retransmits_total", "counter", "container"),
    ("container_live_flows", "gauge", "container"),
    ("container_rtt_seconds", "gauge", "container"),
    ("container_message_size_bytes", "histogram", "container direction le"),
    ("flows_live", "gauge", ""),
    ("flows_other_total", "counter", ""),
    ("flows_other_bytes_total", "counter", "direction"),
    ("flows_ended_forgotten_total", "counter", ""),
    ("influxdb_points_total", "counter", "result"),
    ("influxdb_requests_total", "counter", "result"),
    ("influxdb_buffer_bytes", "gauge", ""),
]


@pytest.mark.parametrize("name, kind, labels", PROMISED)
def test_every_promised_name_has_its_type_and_labels(watched, name, kind, labels):
    metrics = scrape(watched.lbd)
    assert metrics.types[f"edgelb_{name}"] == kind
    rows = metrics.all(name + ("_bucket" if kind == "histogram" else ""))
    assert {frozenset(found) for found, _ in rows} == {frozenset(labels.split())}


def test_histograms_grow_to_their_count(watched):
    metrics = scrape(watched.lbd)
    name = "container_message_size_bytes"
    for labels, count in metrics.all(f"{name}_count"):
        buckets = sorted((float(row["le"]), value)
                         for row, value in metrics.all(f"{name}_bucket", **labels))
        values = [value for _, value in buckets]
        assert values == sorted(values) and values[-1] == count > 0
        assert buckets[-1][0] == float("inf")


@pytest.mark.parametrize("query", [query for query in dashboards.of_panels("containers")
                                   if query.kind == "prometheus"], ids=lambda query: query.title)
def test_every_expression_says_something(watched, query):
    found = watched.range(query.filled(VALUES), watched.started, time.time())
    values = [value for _, points in found for _, value in points
              if value == value]  # pylint: disable=comparison-with-itself
    assert values, str(query)
    assert any(values) or query.title in AT_REST or "influxdb" in query.text, str(query)
    for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
        assert all(label in labels for labels, _ in found), (label, str(query))


@pytest.mark.parametrize("query", [query for query in dashboards.of_panels("containers")
                                   if query.kind == "influxdb"], ids=lambda query: query.title)
def test_every_query_of_influxdb_says_something(watched, query):
    rows = watched.database.ask(query.filled(VALUES), db="edgelb")
    assert rows, str(query)
    for tag in re.findall(r"\$tag_(\w+)", query.legend):
        assert all(row[tag] for row in rows), (tag, rows[:3])
    if query.legend:
        assert any(row["sum"] for row in rows), rows[:3]


def test_the_table_of_edges_is_what_was_sent(watched):
    (query,) = [query for query in dashboards.of_panels("containers") if query.title == "Edges"]
    rows = [row for row in watched.database.ask(query.filled(VALUES), db="edgelb")
            if row["from"].endswith("client")]
    assert sum(row["Bytes"] for row in rows) == watched.total
    assert sum(row["Connections"] for row in rows) == 8
    assert [row["port"] for row in rows if row["Failures"]] == ["7101"]
    assert {row["to"] for row in rows if row["to_kind"] == "service"} == {"stock"}


@pytest.mark.parametrize("query", dashboards.of_variables("containers"),
                         ids=lambda query: query.title)
def test_variables_have_values(watched, query):
    if query.kind == "influxdb":
        assert [row["value"] for row in watched.database.ask(query.filled(VALUES), db="edgelb")]
    else:
        match, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query.filled(VALUES)).groups()
        assert watched.label_values(label, match)
