# SPDX-License-Identifier: GPL-2.0-or-later
"""What a real lbd writes to a real InfluxDB: the figures that lbctl shows, and nothing of the
daemon waits while it is away."""

import collections
import re
import socket
import sys
import time

import pytest

import cgroups
import influx
from balancer import ROOT, backend, config, service
from cgroups import Cgroup
from influx import PORT, InfluxDB
from lab import PATIENCE, wait_for
from topology import VIP4, VIPS
from traffic import curl

URL = f"http://edgelb:word%20of%20edgelb@127.0.0.1:{PORT}/write?db=edgelb"
CONNECT = """import signal, socket
connection = socket.create_connection(("10.1.0.3", 9099))
signal.pause()"""
NAME = f"influxdb http://127.0.0.1:{PORT}/write"


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    missing = influx.missing() or cgroups.missing()
    if missing:
        pytest.skip(missing)
    return bridged


@pytest.fixture(name="database", scope="module")
def fixture_database(network):
    return InfluxDB(network.edge).start()


@pytest.fixture(name="talks")
def fixture_talks(network):
    group = Cgroup(network.edge.lab, "talks")
    yield group
    group.remove()


def conf(network, group, url=URL):
    target = f'influxdb = "{url}"; ' if url else ""
    flows = f'flows: {{ interval = "1s"; cgroups = [ "{group.name}" ]; {target}}};\n'
    return config(service("web", VIPS, [backend("c1", *network.addresses(1)),
                                        backend("c2", *network.addresses(2)),
                                        backend("c3", *network.addresses(3),
                                                extra="weight = 0; ")]), extra=flows)


def keys(database, kind):
    """TAG or FIELD: by measurement."""
    found = collections.defaultdict(set)
    for row in database.ask(f"SHOW {kind} KEYS", "edgelb"):
        found[row["measurement"]].add(row[f"{kind.lower()}Key"])
    return found


class Talking:
    """A connection from a process of the group that stays: a container's RTT is that of those that
    live."""

    def __init__(self, network, group):
        self.server = network.servers[1].socket(socket.AF_INET, socket.SOCK_STREAM)
        self.server.bind(("10.1.0.3", 9099))
        self.server.listen()
        self.process = network.edge.start(sys.executable, "-c", CONNECT, cgroup=group)
        self.server.settimeout(PATIENCE)
        self.taken = self.server.accept()[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.end()
        self.taken.close()
        self.server.close()


def last(database, measurement, *tags):
    """The last row of each series: by the values of these tags."""
    names = ", ".join(f'"{tag}"' for tag in tags)
    rows = database.ask(f'SELECT * FROM "{measurement}" GROUP BY {names} '
                        "ORDER BY time DESC LIMIT 1", "edgelb")
    return {tuple(row[tag] for tag in tags): row for row in rows}


def test_it_has_what_show_shows(network, database, lbd, talks):
    """Connections through the vip from a process in a watched cgroup; once all rest, the last
    points are the counters themselves."""
    database.ask("DROP DATABASE edgelb")
    database.ask("CREATE DATABASE edgelb")
    lbd.start(conf(network, talks))
    for _ in range(20):
        assert curl(network.client, VIP4)
    for _ in range(5):
        network.edge.run("curl", "-sS", "--max-time", 5, "http://10.1.0.2:8080/", cgroup=talks)
    wanted = {(row["name"], row["address"]): (row["state"] == "up", row["effective_weight"],
                                              row["packets"], row["bytes"], row["new_flows"])
              for row in lbd.rows("web/c1") + lbd.rows("web/c2") + lbd.rows("web/c3")}
    assert sum(figures[4] for figures in wanted.values()) == 20

    def written():
        rows = last(database, "edgelb_backend", "service", "backend", "address")
        return {key[1:]: (row["up"] == 1, row["weight"], row["packets"], row["bytes"],
                          row["new_flows"]) for key, row in rows.items()}
    wait_for(lambda: written() == wanted, f"{wanted}, not {written()}")
    (web,) = last(database, "edgelb_service", "service").values()
    assert (web["service"], web["up"], web["drops"]) == ("web", 1, 0)

    def of_group():
        rows = last(database, "edgelb_container", "container")
        return rows.get((f"/{talks.name}",)) or rows.get((talks.name,))
    wait_for(lambda: of_group() and of_group()["flows"] == 5, f"five flows: {of_group()}")
    assert of_group()["bytes_in"] > 5 * 100
    edges = last(database, "edgelb_edge", "from", "to", "port")
    (edge,) = [row for key, row in edges.items() if key[2] == "8080"]
    assert (edge["connections"], edge["failures"], edge["protocol"]) == (5, 0, "tcp")
    hosts = {row["value"] for row in
             database.ask('SHOW TAG VALUES FROM "edgelb_backend" WITH KEY = "host"', "edgelb")}
    assert len(hosts) == 1


def test_every_measurement_is_explained_and_no_other(network, database, lbd, talks):
    """As the database has them, with their tags and fields, and as docs/operate.md has them."""
    database.ask("DROP DATABASE edgelb")
    database.ask("CREATE DATABASE edgelb")
    lbd.start(conf(network, talks))
    network.edge.run("curl", "-sS", "--max-time", 5, "http://10.1.0.2:8080/", cgroup=talks)
    with Talking(network, talks):
        wait_for(lambda: "rtt_us" in keys(database, "FIELD")["edgelb_container"], "an RTT")
    tags, fields = keys(database, "TAG"), keys(database, "FIELD")
    page = (ROOT / "docs" / "operate.md").read_text()
    section = page.split("\n## InfluxDB\n")[1].split("\n## ")[0]
    sizes = ", ".join(f"from_{1 << power}" for power in range(2, 16))
    told = {}
    for name, *cells in re.findall(r"^\| `(edgelb_\w+)` \|(.*)\|(.*)\|$", section, re.M):
        told_tags, told_fields = (cell.strip().replace("from_4, ... from_32768", sizes).split(", ")
                                  for cell in cells)
        told[name] = ({"host", *told_tags} - {""}, set(told_fields))
    assert told == {name: (tags[name], fields[name]) for name in fields}


def test_while_it_is_away_the_daemon_goes_on_and_says_so_once(network, database, lbd, talks):
    database.ask("CREATE DATABASE edgelb")
    lbd.start(conf(network, talks))
    lbd.wait_log(f"{NAME}: new → written")
    database.stop()
    lbd.wait_log(f"{NAME}: written → away: Connection refused")
    for _ in range(20):
        begin = time.monotonic()
        assert lbd.show()["services"][0]["state"] == "up"
        assert time.monotonic() - begin < 5
        assert curl(network.client, VIP4)
    database.start()
    lbd.wait_log(f"{NAME}: away → written: 0 points were lost meanwhile")
    told = [event["text"] for event in lbd.events() if event["object"] == NAME]
    assert told == [f"{NAME}: new → written", f"{NAME}: written → away: Connection refused",
                    f"{NAME}: away → written: 0 points were lost meanwhile"]
    assert lbd.process.output().count(NAME) == 3
    count = 'SELECT COUNT("up") FROM "edgelb_service"'
    before = database.ask(count, "edgelb")[0]["count"]
    wait_for(lambda: database.ask(count, "edgelb")[0]["count"] > before, "points go on")


def test_no_password_is_told_anywhere(network, lbd, talks):
    lbd.start(conf(network, talks))
    lbd.conf.write_text(conf(network, talks, URL.replace("db=", "rp=week&db=")))
    plan = lbd.ctl("plan").stdout + lbd.ctl("--json", "plan").stdout
    reload = lbd.ctl("reload").stdout
    shown = [lbd.ctl(*words).stdout for words in (["show"], ["--json", "show"], ["events"])]
    lbd.wait_log(f"{NAME}: new →")
    for text in (plan, reload, *shown, lbd.process.output()):
        assert "word%20of" not in text and "word of" not in text
    metrics = network.edge.run("curl", "-sS", "--unix-socket", lbd.socket,
                               "http://localhost/metrics").stdout
    assert "edgelb_influxdb_points_total" in metrics
    assert "word" not in metrics


def test_a_reload_turns_it_off_and_on(network, database, lbd, talks):
    database.ask("CREATE DATABASE edgelb")
    lbd.start(conf(network, talks, url=None))
    metrics = ["curl", "-sS", "--unix-socket", lbd.socket, "http://localhost/metrics"]
    assert "edgelb_influxdb" not in network.edge.run(*metrics).stdout
    lbd.reload(conf(network, talks))
    lbd.wait_log(f"{NAME}: new → written")
    assert "edgelb_influxdb_buffer_bytes" in network.edge.run(*metrics).stdout
    lbd.reload(conf(network, talks, url=None))
    assert "edgelb_influxdb" not in network.edge.run(*metrics).stdout
