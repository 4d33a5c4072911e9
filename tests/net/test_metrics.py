# SPDX-License-Identifier: GPL-2.0-or-later
"""/metrics: the format, its names and labels, and that counters go on where they were."""

import shutil

import pytest

from balancer import backend, config, service
from lab import wait_for
from metrics import Metrics, ask, complaints, scrape, wait_metric
from topology import DSRS, VIP4, VIPS
from traffic import EchoServer, curl_many, udp_ask

POLICY = ('policy: { groups = ( { name = "nobody"; cgroup = "edgelb-test-nobody"; } );\n'
          '  rules = ( { from = "nobody"; action = "deny"; } );\n'
          '  sockets = ( { group = "nobody"; deny = [ "raw" ]; } ); };\n')
HTTP = 'api: { http = "127.0.0.1:9180"; };\n'

# What scripts and dashboards rely on: name, type, labels.
PROMISED = [
    ("backend_packets_total", "counter", "service backend address"),
    ("backend_bytes_total", "counter", "service backend address"),
    ("backend_new_flows_total", "counter", "service backend address"),
    ("backend_local_connections_total", "counter", "service backend address"),
    ("backend_state", "gauge", "service backend address state"),
    ("backend_weight", "gauge", "service backend address"),
    ("backend_share", "gauge", "service backend address"),
    ("service_up", "gauge", "service"),
    ("service_drops_total", "counter", "service verdict"),
    ("verdict_packets_total", "counter", "verdict"),
    ("interface_attached", "gauge", "interface"),
    ("redirect_drops_total", "counter", "interface"),
    ("slots_moving", "gauge", "service"),
    ("records_lost_total", "counter", ""),
    ("reloads_total", "counter", "result"),
    ("config_last_reload_success_timestamp_seconds", "gauge", ""),
    ("overrides", "gauge", ""),
    ("process_cpu_seconds_total", "counter", ""),
    ("process_resident_memory_bytes", "gauge", ""),
    ("process_start_time_seconds", "gauge", ""),
    ("policy_refused_total", "counter", "rule number passed"),
    ("policy_connections_cut_total", "counter", ""),
    ("policy_lost_total", "counter", "what"),
    ("build_info", "gauge", "version kernel"),
]


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    EchoServer(bridged.servers[0], *bridged.addresses(1))
    return bridged


def whole(network, *more):
    """A balancer with every part that counts."""
    return config(
        service("web", VIPS, [backend(f"c{n}", *network.addresses(n)) for n in (1, 2, 3)]),
        service("echo", VIPS, [backend("c1", *network.addresses(1), port=7007)], protocol="udp",
                ports=[7000]),
        service("direct", DSRS, [backend("c2", *network.addresses(2), port=None)], forward="dsr"),
        service("sorry", (VIP4,), [backend("c3", "10.1.0.4", port=8081, extra='state = "off"; ')],
                ports=[81]),
        *more, extra=HTTP + POLICY)


@pytest.fixture(name="balanced")
def fixture_balanced(network, lbd):
    yield lbd.start(whole(network))
    lbd.ctl("unload", "--all", check=False)


def traffic(network):
    """Something of everything: answered, dropped, not ours."""
    assert len(curl_many(network.client, VIP4, 30)) == 30
    assert udp_ask(network.client, VIP4, 7000, "x" * 1000)[0] == "c1"
    network.client.run("curl", "-sS", "--max-time", "0.3", f"http://{VIP4}:81/", check=False)


def test_the_format_is_one_that_promtool_likes(network, balanced):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    traffic(network)
    assert complaints(scrape(balanced).text) == (0, "")


def test_what_is_wrong_with_it_would_be_seen(balanced):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    text = scrape(balanced).text
    help_line = "# HELP edgelb_overrides Run-time overrides that stand.\n"
    assert help_line in text
    for bad in (text.replace("edgelb_overrides", "edgelb_overrides_total"),
                text.replace(help_line, "")):
        assert complaints(bad)[0] != 0
    with pytest.raises(AssertionError):  # of label sets that come twice promtool says nothing
        Metrics(text + 'edgelb_service_up{service="web"} 1\n')


def test_every_promised_name_has_its_type_and_labels(network, balanced):
    traffic(network)
    metrics = scrape(balanced)
    for name, kind, labels in PROMISED:
        assert metrics.types[f"edgelb_{name}"] == kind, name
        assert metrics.helps[f"edgelb_{name}"].endswith("."), name
        rows = metrics.all(name)
        assert rows, name
        assert {frozenset(found) for found, _ in rows} == {frozenset(labels.split())}, name
    assert set(metrics.types) == {f"edgelb_{name}" for name, _, _ in PROMISED}


def test_head_and_get_say_which_format_it_is(network, balanced):
    for options in ("-I", "-i"):
        answer = ask(balanced, options)
        assert answer.startswith("HTTP/1.1 200 "), answer
        assert "Content-Type: text/plain; version=0.0.4" in answer
    assert "edgelb_" not in ask(balanced, "-I")
    remote = network.edge.run("curl", "-sSf", "http://127.0.0.1:9180/metrics").stdout
    assert set(Metrics(remote).types) == set(scrape(balanced).types)
    head = network.edge.run("curl", "-sSI", "--max-time", "5", "http://127.0.0.1:9180/metrics")
    assert "200 OK" in head.stdout and "edgelb_" not in head.stdout


def test_values_are_those_of_the_traffic(network, balanced):
    traffic(network)
    metrics = wait_metric(balanced, 30, "backend_new_flows_total", service="web")
    assert metrics.value("backend_packets_total", service="echo", address="10.1.0.2") == 1
    assert metrics.value("backend_bytes_total", service="echo", address="10.1.0.2") == \
        14 + 20 + 8 + 1000
    assert metrics.sum("service_drops_total", service="sorry", verdict="DROP_NO_BACKEND") >= 1
    assert metrics.value("service_up", service="sorry") == 0
    assert metrics.value("interface_attached", interface="front0") == 1
    for family in (4, 6):
        shares = [value for labels, value in metrics.all("backend_share", service="web")
                  if (":" in labels["address"]) == (family == 6)]
        assert len(shares) == 3 and abs(sum(shares) - 1) < 1e-5
    for labels, share in metrics.all("backend_share"):
        row = next(row for row in balanced.rows(f'{labels["service"]}/{labels["backend"]}')
                   if row["address"] == labels["address"])
        assert abs(row["share"] - share) < 1e-5


def test_a_frame_lost_behind_the_redirect_is_counted(network, balanced):
    before = scrape(balanced).value("redirect_drops_total", interface="v1")
    network.servers[0].ip("link set eth0 mtu 1300")
    try:
        with pytest.raises(TimeoutError):
            udp_ask(network.client, VIP4, 7000, "x" * 1400, seconds=0.2)
        wait_metric(balanced, before + 1, "redirect_drops_total", interface="v1")
    finally:
        network.servers[0].ip("link set eth0 mtu 1500")


def test_counters_go_on_after_a_restart(network, balanced):
    """All but those of what the daemon itself did."""
    network.servers[0].ip("link set eth0 mtu 1300")
    try:
        with pytest.raises(TimeoutError):
            udp_ask(network.client, VIP4, 7000, "x" * 1400, seconds=0.2)
    finally:
        network.servers[0].ip("link set eth0 mtu 1500")
    traffic(network)
    network.edge.run("curl", "-sS", "--max-time", "5", f"http://{VIP4}/")  # a local client
    kept = [name for name, kind, _ in PROMISED if kind == "counter" and not name.startswith(
        ("reloads", "process", "policy_connections"))]
    before = wait_metric(balanced, 1, "backend_local_connections_total")
    assert before.sum("redirect_drops_total") >= 1
    balanced.stop()
    balanced.start()
    after = scrape(balanced)
    for name in kept:
        for labels, value in before.all(name):
            assert after.value(name, **labels) >= value, (name, labels)


def test_reloads_are_counted_by_result(network, balanced):
    before = scrape(balanced)
    balanced.reload(whole(network))
    balanced.conf.write_text("version = 2;\n")
    assert balanced.ctl("reload", check=False).returncode == 1
    after = scrape(balanced)
    for result in ("done", "refused"):
        assert after.value("reloads_total", result=result) == \
            before.value("reloads_total", result=result) + 1
    name = "config_last_reload_success_timestamp_seconds"
    assert after.value(name) >= before.value(name) > 1.6e9
    assert after.value("process_start_time_seconds") == before.value("process_start_time_seconds")


def test_names_of_others_cannot_break_the_format(network, lbd):
    """A link and a config file may be called nearly anything."""
    lbd.conf = lbd.dir / 'a "file"\\.conf'
    network.edge.ip("link set v3 down", "link set v3 name v\"3\\x", "link set v\"3\\x up")
    try:
        lbd.start(whole(network))
        wait_for(lambda: scrape(lbd).all("redirect_drops_total", interface='v"3\\x'), "the link")
        metrics = scrape(lbd)
        assert [row for row in metrics.all("policy_refused_total")
                if row[0]["rule"].startswith(str(lbd.conf) + ":")]
        assert complaints(metrics.text) == (0, "")
    finally:
        lbd.ctl("unload", "--all", check=False)
        network.edge.ip("link set v\"3\\x down", "link set v\"3\\x name v3", "link set v3 up")


def test_backends_without_an_address_have_rows_of_their_own(network, lbd):
    away = "containers: { socket = \"/nonexistent/docker.sock\"; };\n"
    lbd.start(away + config(service("web", VIPS, [
        '{ name = "one"; container = "one"; port = 8080; }',
        '{ name = "two"; container = "two"; port = 8080; }'])))
    rows = scrape(lbd).all("backend_state", state="down")
    assert {row["backend"] for row, _ in rows} == {"one", "two"}
    assert all(value == 1 for _, value in rows)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_metrics_are_for_reading(balanced, method):
    assert ask(balanced, "-X", method, "-o", "/dev/null", "-w", "%{http_code}") == "404"


def test_a_scrape_of_many_backends_is_quick(network, lbd):
    """One walk over the slots, however many backends share them."""
    many = [backend(f"b{n}", f"10.1.{n // 250}.{n % 250 + 2}") for n in range(600)]
    lbd.start(config(service("web", (VIP4,), many)))
    lbd.wait_log("ready:")
    metrics = scrape(lbd)
    assert len(metrics.all("backend_share")) == 600
    cpu = metrics.value("process_cpu_seconds_total")
    for _ in range(5):
        metrics = scrape(lbd)
    assert metrics.value("process_cpu_seconds_total") - cpu < 5 * 0.2
