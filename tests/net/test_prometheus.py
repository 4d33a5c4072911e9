# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Prometheus reads a real lbd: what it has is what was sent, and every expression of the
balancer's dashboard says something."""

import re
import time

import pytest

import cgroups
import dashboards
import prometheus
from balancer import backend, config, service
from cgroups import Cgroup
from lab import wait_for
from topology import VIP4, VIP6, VIPS
from traffic import EchoServer, curl, curl_many, udp_ask

HTTP = 'api: { http = "127.0.0.1:9180"; };\n'
VALUES = {"instance": ".*", "service": ".*", "__rate_interval": "10s", "__interval": "1s",
          "__range": "60s"}
FIRST = "sum(edgelb_backend_new_flows_total)"


def policy(cgroup):
    return (f'policy: {{ groups = ( {{ name = "jailed"; cgroup = "{cgroup.name}"; }} );\n'
            '  rules = ( { from = "jailed"; action = "deny"; } ); };\n')


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    missing = prometheus.missing() or cgroups.missing()
    if missing:
        pytest.skip(missing)
    EchoServer(bridged.servers[0], *bridged.addresses(1))
    return bridged


def conf(network, jail, weight=100):
    return config(
        service("web", VIPS, [backend("c1", *network.addresses(1), extra=f"weight = {weight}; "),
                              backend("c2", *network.addresses(2)),
                              backend("c3", *network.addresses(3), extra='state = "drain"; ')]),
        service("echo", VIPS, [backend("c1", *network.addresses(1), port=7007)], protocol="udp",
                ports=[7000]),
        service("sorry", (VIP4,), [backend("c3", "10.1.0.4", port=8081, extra='state = "off"; ')],
                ports=[81]),
        extra=HTTP + policy(jail))


def refused(network, jail):
    result = network.edge.run("curl", "-sS", "--max-time", "5", "http://10.1.0.2:8080/",
                              cgroup=jail, check=False)
    return result.returncode != 0


def lost(network):
    """A frame that the kernel loses behind the redirect."""
    network.servers[0].ip("link set eth0 mtu 1300")
    with pytest.raises(TimeoutError):
        udp_ask(network.client, VIP4, 7000, "x" * 1400, seconds=0.2)
    network.servers[0].ip("link set eth0 mtu 1500")


@pytest.fixture(name="watched", scope="module")
def fixture_watched(network, make_module_balancer):
    """A balancer, and Prometheus beside it, before and after traffic of every kind."""
    jail = Cgroup(network.lab, "jail")
    lbd = make_module_balancer(network.edge).start(conf(network, jail))
    told = prometheus.Prometheus(network.edge)
    told.wait_value("up", 1)
    told.wait_value("edgelb_service_up{service='web'}", 1)
    wait_for(lambda: refused(network, jail), "the policy")  # from then on its counter stands
    network.client.run("curl", "-sS", "--max-time", "0.3", f"http://{VIP4}:81/", check=False)
    told.wait_scrapes(2)
    started = time.time()
    assert len(curl_many(network.client, VIP4, 200)) == 200
    assert len(curl_many(network.client, VIP6, 100)) == 100
    assert udp_ask(network.client, VIP4, 7000, "x")[0] == "c1"
    assert curl(network.edge, VIP4)  # a local client
    assert refused(network, jail)
    network.client.run("curl", "-sS", "--max-time", "0.3", f"http://{VIP4}:81/", check=False)
    lost(network)
    lbd.reload(conf(network, jail, weight=50))
    told.wait_value(FIRST, 300)
    told.wait_scrapes(2)
    told.started, told.lbd = started, lbd
    yield told
    lbd.ctl("unload", "--all", check=False)


def test_it_is_up_and_every_scrape_was_good(watched):
    assert watched.value("min_over_time(up[5m])") == 1
    assert watched.value("scrape_samples_scraped") > 100


def test_counters_are_exactly_what_was_sent(watched):
    assert watched.value(FIRST) == 300
    assert watched.value('sum(edgelb_backend_new_flows_total{address=~".*:.*"})') == 100
    assert watched.value("sum(edgelb_backend_local_connections_total)") == 1
    assert watched.value("sum(edgelb_redirect_drops_total)") == 1
    assert watched.value('edgelb_reloads_total{result="done"}') == 1
    assert watched.value('sum(edgelb_backend_state{state="drain"})') == 2
    assert watched.value('edgelb_service_up{service="sorry"}') == 0


def test_rates_are_those_of_the_traffic(watched):
    """`increase` is the rate times its time. It reaches out to the ends of its window, and misses
    nothing within: the counter stood at 0 before."""
    span = int(time.time() - watched.started) + 5
    assert watched.value(f"sum(increase(edgelb_backend_new_flows_total[{span}s]))") == \
        pytest.approx(300, rel=0.25)
    most = watched.range("sum(irate(edgelb_backend_new_flows_total[5s]))", watched.started,
                         time.time())
    ((_, points),) = most
    assert max(value for _, value in points) > 10  # curl needs far less than 30 s for 300


def test_what_the_drop_of_a_service_was(watched):
    rows = watched.query("edgelb_service_drops_total")
    assert {(row["service"], row["verdict"]) for row, _ in rows} == {("sorry", "DROP_NO_BACKEND")}


@pytest.mark.parametrize("query", [*dashboards.of_panels("balancer"),
                                   *dashboards.of_annotations("balancer")],
                         ids=lambda query: query.title)
def test_every_expression_of_the_dashboard_says_something(watched, query):
    """Over the time of the traffic, and at least at some moment of it by a number."""
    expr = query.filled(VALUES)
    if query.instant:
        rows = watched.query(expr)
        assert rows, str(query)
    else:
        found = watched.range(expr, watched.started - 2, time.time())
        rows = [(labels, value) for labels, points in found for _, value in points
                if value == value]  # pylint: disable=comparison-with-itself
        assert rows, str(query)
        watched.query(expr)
    for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
        assert all(label in labels for labels, _ in rows), (label, str(query))


@pytest.mark.parametrize("title, wanted", [
    ("Throughput", lambda most: most > 1000),
    ("Packets", lambda most: most > 10),
    ("New flows", lambda most: 10 < most < 400),
    ("Services down", lambda most: most == 1),
    ("Backends down", lambda most: most == 0),
    ("Packets lost", lambda most: 0 < most < 10),
    ("Up", lambda most: most == 1),
    ("Interfaces without lb", lambda most: most == 0),
])
def test_numbers_at_the_top_are_right(watched, title, wanted):
    (query,) = [query for query in dashboards.of_panels("balancer") if query.title == title]
    ((_, points),) = watched.range(query.filled(VALUES), watched.started, time.time())
    assert wanted(max(value for _, value in points)), points


def test_states_are_told_apart(watched):
    (query,) = [query for query in dashboards.of_panels("balancer") if query.title == "States"]
    states = {(row["service"], row["backend"]): value
              for row, value in watched.query(query.filled(VALUES))}
    assert states == {("web", "c1"): 3, ("web", "c2"): 3, ("web", "c3"): 2, ("echo", "c1"): 3,
                      ("sorry", "c3"): 1}


@pytest.mark.parametrize("query", dashboards.of_variables("balancer"),
                         ids=lambda query: query.title)
def test_variables_have_values(watched, query):
    match, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query.filled(VALUES)).groups()
    values = watched.label_values(label, match)
    assert values == {"instance": ["127.0.0.1:9180"],
                      "service": ["echo", "sorry", "web"]}[query.title]


def test_a_daemon_that_is_away_is_seen_and_its_counters_go_on(network, watched):
    """The last test of the module: it ends the daemon, and starts it again."""
    before = watched.value(FIRST)
    lbd = watched.lbd
    lbd.stop()
    watched.wait_value("up", 0)
    assert len(curl_many(network.client, VIP4, 20)) == 20  # balanced all the same
    lbd.start()
    watched.wait_value("up", 1)
    watched.wait_value(FIRST, before + 20)
