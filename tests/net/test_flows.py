# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows that the daemon tells of, beside what their sockets have done: both ends are in control
groups of the test, each in its own network namespace."""

import errno
import json
import re
import signal
import subprocess

import pytest

import cgroups
import influx
from balancer import TUNING
from isolated import network_made, rule
from lab import wait_for
from seen import (ENDED, Refused, ask, ended, flow, flows, metrics, seen_by, talker)
from topology import CLIENT4, CLIENT6, DSR4, VIP4, VIP6
from watched import HERE, PORT, THERE, Watched, alone, balanced, closed, joined

FAMILIES = (0, 1)


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    yield from network_made(tmp_path_factory.mktemp("flows"), Watched)


@pytest.fixture(name="watching")
def fixture_watching(network, lbd):
    return lbd.start(alone(network))


def host(address):
    return f"[{address}]" if ":" in address else address


def figures(row):
    return row["bytes_in"], row["bytes_out"]


# ---- connections ---------------------------------------------------------------------------------

@pytest.mark.parametrize("family", FAMILIES)
def test_both_ends_of_a_connection_are_told_with_what_was_sent(network, watching, family):
    here, there = network.here, network.there
    port = joined(here, there, THERE[family])
    here("send", size=70_000)
    there("receive", size=70_000)
    there("send", size=123)
    here("receive", size=123)
    mine, other = flow(watching, container=here.cgroup.name), \
        flow(watching, container=there.cgroup.name)
    assert {key: mine[key] for key in ("direction", "protocol", "state", "service", "group")} == {
        "direction": "out", "protocol": "tcp", "state": "established", "service": None,
        "group": None}
    assert mine["local"] == other["remote"] == f"{host(HERE[family])}:{port}"
    assert mine["remote"] == other["local"] == f"{host(THERE[family])}:{PORT}"
    assert mine["netns"] == network.servers[0].name and other["netns"] == network.servers[1].name
    assert mine["cgroup"] == here.cgroup.name and mine["peer"] == there.cgroup.name
    assert other["direction"] == "in" and other["peer"] == here.cgroup.name
    assert figures(mine) == (123, 70_000) and figures(other) == (70_000, 123)
    assert mine["packets_out"] > 0 and mine["packets_in"] > 0
    assert 0 < mine["min_rtt_us"] <= mine["rtt_us"] + 1 and mine["retransmits"] == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", mine["start"])
    closed(here, there)
    for talker_, sums in ((here, (123, 70_000)), (there, (70_000, 123))):
        row = ended(watching, container=talker_.cgroup.name, port=port)
        assert (row["state"], figures(row)) == ("closed", sums)
        assert 0 < row["duration_s"] < 60


def test_a_half_close_is_a_state_and_both_ways_are_counted(network, watching):
    here, there = network.here, network.there
    port = joined(here, there, THERE[0])
    here("send", size=1000)
    here("shut")
    assert there("receive", size=2000) == 1000
    there("send", size=50_000)
    here("receive", size=50_000)
    assert flow(watching, container=here.cgroup.name)["state"] == "fin-wait-2"
    assert flow(watching, container=there.cgroup.name)["state"] == "close-wait"
    there("close")
    assert here("receive", size=1) == 0
    here("close")
    assert figures(ended(watching, container=here.cgroup.name, port=port)) == (50_000, 1000)
    assert figures(ended(watching, container=there.cgroup.name, port=port)) == (1000, 50_000)


def test_a_reset_is_told_by_whom(network, watching):
    here, there = network.here, network.there
    port = joined(here, there, THERE[0])
    here("send", size=10)
    there("receive", size=10)
    there("reset")
    with pytest.raises(OSError):
        here("receive", size=1)
    here("close")
    row = ended(watching, container=here.cgroup.name, port=port)
    assert (row["state"], figures(row)) == ("reset", (0, 10))
    assert ended(watching, container=there.cgroup.name, port=port)["state"] == "aborted"
    wait_for(lambda: watching.show()["flows"]["ended_kept"] == 2, "the ends")
    counts = metrics(watching)
    assert counts[failure(here, "reset")] == 1 and counts[failure(there, "reset")] == 0


def failure(talker_, reason):
    return (f'edgelb_container_failures_total{{container="{talker_.cgroup.name}",'
            f'reason="{reason}"}}')


def test_a_connection_that_nobody_takes_is_refused(network, watching):
    with pytest.raises(OSError, match="ECONNREFUSED"):
        network.here("connect", address=THERE[0], port=9)
    network.here("close")
    row = ended(watching, container=network.here.cgroup.name, port=9)
    assert (row["state"], row["direction"], figures(row)) == ("refused", "out", (0, 0))
    wait_for(lambda: metrics(watching).get(failure(network.here, "refused")) == 1, "the count")
    edge = next(edge for edge in ask(watching, "/v1/graph")["edges"] if edge["port"] == 9)
    assert (edge["connections"], edge["failures"]) == (1, 1)


def test_a_connection_to_where_no_way_goes_is_unreachable(network, watching):
    network.edge.ip("route add unreachable 10.77.0.0/24")
    with pytest.raises(OSError, match="EHOSTUNREACH"):
        network.here("connect", address="10.77.0.1", port=80, timeout=None)
    network.here("close")
    network.edge.ip("route del unreachable 10.77.0.0/24")
    assert ended(watching, peer="10.77.0.0/24")["state"] == "unreachable"


def test_a_connection_that_nobody_answers_any_more_is_timed_out(network, watching):
    here, there = network.here, network.there
    port = joined(here, there, THERE[0])
    network.edge.ip("link set v2 down")
    try:
        here("user_timeout", milliseconds=500)
        here("send", size=100)
        with pytest.raises(OSError, match="ETIMEDOUT"):
            here("receive", size=1)
    finally:
        network.edge.ip("link set v2 up")
    here("close")
    there("reset")
    assert ended(watching, container=here.cgroup.name, port=port)["state"] == "timed-out"


# ---- datagrams -----------------------------------------------------------------------------------

@pytest.mark.parametrize("family", FAMILIES)
def test_datagrams_between_a_socket_and_an_end_are_one_flow(network, watching, family):
    here, there = network.here, network.there
    there("bind_datagrams", address=THERE[family], port=PORT)
    port = here("connect_datagrams", address=THERE[family], port=PORT)
    for size in (1, 100, 1000):
        here("send", size=size)
        assert there("receive_from") == [size, HERE[family], port]
    there("send_to", address=HERE[family], port=port, size=77)
    here("receive", size=77)
    mine = flow(watching, container=here.cgroup.name)
    other = flow(watching, container=there.cgroup.name)
    assert (mine["protocol"], mine["direction"], mine["state"]) == ("udp", "out", "active")
    assert other["direction"] == "in" and mine["rtt_us"] is None and mine["retransmits"] is None
    assert (mine["packets_out"], mine["packets_in"], *figures(mine)) == (3, 1, 77, 1101)
    assert (other["packets_in"], other["packets_out"], *figures(other)) == (3, 1, 1101, 77)
    here("close")
    there("close")
    for each, sums in ((here, (77, 1101)), (there, (1101, 77))):
        row = ended(watching, container=each.cgroup.name, port=port)
        assert (row["state"], figures(row)) == ("idle", sums)


def test_each_remote_end_of_a_datagram_socket_is_a_flow(network, watching):
    here = network.here
    here("bind_datagrams", address=HERE[0])
    for port in range(5000, 5040):
        here("send_to", address=THERE[0], port=port, size=port - 4999)
    rows = flows(watching, container=here.cgroup.name)
    assert sorted(row["bytes_out"] for row in rows) == list(range(1, 41))
    here("close")


def test_what_finds_no_record_is_other_and_nothing_is_lost(network, lbd):
    lbd.start(alone(network, extra="records = 1024; "))
    here, sent = network.here, 1500
    here("bind_datagrams", address=HERE[0])
    for port in range(20_000, 20_000 + sent):
        here("send_to", address=THERE[0], port=port, size=10)
    told = ask(lbd, "/v1/flows", container=here.cgroup.name)
    assert 900 < len(told["flows"]) <= 1024 and told["other"]["flows"] >= 1
    assert sum(row["packets_out"] for row in told["flows"]) + told["other"]["packets_out"] == sent
    assert sum(row["bytes_out"] for row in told["flows"]) + told["other"]["bytes_out"] == 10 * sent
    here("close")


def test_silent_datagrams_are_idle_and_then_another_flow(network, lbd):
    lbd.start(alone(network, extra='idle = "5s"; '))
    here = network.here
    network.there("bind_datagrams", address=THERE[0], port=PORT)
    here("connect_datagrams", address=THERE[0], port=PORT)
    here("send", size=5)
    row = ended(lbd, container=here.cgroup.name)
    assert (row["state"], row["bytes_out"]) == ("idle", 5) and row["duration_s"] < 1
    here("send", size=6)
    assert flow(lbd, container=here.cgroup.name)["bytes_out"] == 6
    here("close")
    network.there("close")


# ---- questions -----------------------------------------------------------------------------------

def test_flows_are_found_by_container_peer_and_port(network, watching):
    here, there = network.here, network.there
    joined(here, there, THERE[0], name="one")
    joined(here, there, THERE[0], port=7001, name="two")
    name = here.cgroup.name
    both = len(flows(watching, container=name))
    assert both == 2 and len(flows(watching)) == 4
    assert len(flows(watching, container="/" + name)) == 2 == len(flows(watching, peer=name))
    assert len(flows(watching, port=7001)) == 2
    assert flow(watching, container=name, port=7001)["remote"] == f"{THERE[0]}:7001"
    assert len(flows(watching, peer=THERE[0])) == 2 == len(flows(watching, peer="10.1.0.3/32"))
    assert len(flows(watching, peer="10.1.0.0/24")) == 4
    assert flows(watching, peer="10.2.0.0/16") == flows(watching, container="nobody") == []
    closed(here, there, "one")
    closed(here, there, "two")
    wait_for(lambda: flows(watching) == [], "the end of both")
    assert len(flows(watching, since=60)) == 4


@pytest.mark.parametrize("path, query, sentence", [
    ("/v1/flows", {"contaner": "x"}, 'unknown key "contaner" in the query'),
    ("/v1/flows", {"port": "65536"}, '"port" is a number up to 65535, not "65536"'),
    ("/v1/flows", {"since": "-1"}, '"since" is a number up to 315360000, not "-1"'),
    ("/v1/flows", {"peer": "10.0.0.1/8"}, "the length does not fit the address"),
    ("/v1/graph", {"port": "1"}, 'unknown key "port" in the query'),
    ("/v1/containers", {"since": "1"}, 'unknown key "since" in the query'),
])
def test_a_question_that_is_not_understood_is_refused(watching, path, query, sentence):
    with pytest.raises(Refused, match=re.escape(sentence)) as refused:
        ask(watching, path, **query)
    assert refused.value.args[0] == "422"


def test_without_flows_in_the_config_the_question_is_refused(lbd):
    lbd.start("version = 1;\n" + TUNING)
    for path in ("/v1/flows", "/v1/graph", "/v1/containers"):
        with pytest.raises(Refused, match='add "flows: { };" to lb.conf'):
            ask(lbd, path)
    assert lbd.show()["flows"] is None


def test_the_graph_has_an_edge_for_who_asks_whom(network, watching):
    here, there = network.here, network.there
    for _ in range(3):
        joined(here, there, THERE[0])
        here("send", size=1000)
        there("receive", size=1000)
        closed(here, there)
    port = joined(network.outside, here, HERE[0])
    wait_for(lambda: watching.show()["flows"]["ended_kept"] == 6, "the ends")
    edges = ask(watching, "/v1/graph")["edges"]
    (edge,) = [edge for edge in edges if edge["from"] == here.cgroup.name]
    assert edge == {"from": here.cgroup.name, "from_kind": "container", "to": there.cgroup.name,
                    "to_kind": "container", "protocol": "tcp", "port": PORT, "connections": 3,
                    "failures": 0, "bytes": 3000}, port
    (edge,) = [edge for edge in edges if edge["to"] == here.cgroup.name]
    assert (edge["from"], edge["connections"]) == (network.outside.cgroup.name, 1)
    closed(network.outside, here)


def test_containers_add_up_in_metrics_and_in_the_api(network, watching):
    here, there = network.here, network.there
    for size in (1, 7, 8, 1000):
        joined(here, there, THERE[0])
        here("send", size=size)
        there("receive", size=size)
        closed(here, there)
    wait_for(lambda: watching.show()["flows"]["ended_kept"] == 8, "the ends")
    counts, name = metrics(watching), here.cgroup.name

    def count(metric, **labels):
        text = ",".join(f'{key}="{value}"' for key, value in {"container": name, **labels}.items())
        return counts[f"edgelb_container_{metric}{{{text}}}"]
    assert count("bytes_total", direction="out") == 1016
    assert count("flows_total", direction="out", protocol="tcp") == 4
    assert count("live_flows") == 0
    buckets = [count("message_size_bytes_bucket", direction="out", le=le)
               for le in (1, 3, 7, 15, 511, 1023, "+Inf")]
    assert buckets == [1, 1, 2, 3, 3, 4, 4]
    assert count("message_size_bytes_count", direction="out") == 4
    (row,) = [row for row in ask(watching, "/v1/containers")["containers"] if row["name"] == name]
    assert (row["new_flows"], row["flows"], row["bytes_out"], row["failures"]) == (4, 0, 1016, 0)
    subprocess.run(["promtool", "check", "metrics"], check=True, input=text_of(watching), text=True)


def text_of(balancer):
    return balancer.namespace.run("curl", "-sSf", "--unix-socket", balancer.socket,
                                  "http://lbd/metrics").stdout


def test_flows_have_the_groups_of_their_container(network, lbd):
    group = f'{{ name = "front"; cgroup = "{network.here.cgroup.name}"; }}'
    policy = f"policy: {{ groups = ( {group} ); rules = ( {rule('allow', 'front')} ); }};\n"
    lbd.start(alone(network) + policy)
    joined(network.here, network.there, THERE[0])
    assert flow(lbd, container=network.here.cgroup.name)["group"] == "front"
    assert flow(lbd, container=network.there.cgroup.name)["group"] is None
    closed(network.here, network.there)


# ---- services ------------------------------------------------------------------------------------

@pytest.mark.parametrize("family", FAMILIES)
def test_a_flow_through_a_nat_vip_has_its_service_at_both_ends(network, lbd, family):
    lbd.start(balanced(network))
    vip, client = (VIP4, VIP6)[family], (CLIENT4, CLIENT6)[family]
    port = joined(network.outside, network.here, HERE[family], 8080, vip, 80)
    network.outside("send", size=500)
    network.here("receive", size=500)
    mine = flow(lbd, container=network.outside.cgroup.name)
    server = flow(lbd, container=network.here.cgroup.name)
    assert mine["service"] == server["service"] == "web"
    assert mine["remote"] == f"{host(vip)}:80" and mine["peer"] == "web"
    assert server["local"] == f"{host(HERE[family])}:8080"
    assert server["remote"] == f"{host(client)}:{port}"
    assert figures(server) == (500, 0)
    assert len(flows(lbd, peer="web")) == 2
    closed(network.outside, network.here)


def test_a_flow_through_a_dsr_vip_has_its_service(network, lbd):
    lbd.start(balanced(network))
    joined(network.outside, network.there, DSR4, 81)
    server = flow(lbd, container=network.there.cgroup.name)
    assert (server["service"], server["local"], server["direction"]) == ("direct", f"{DSR4}:81",
                                                                        "in")
    assert flow(lbd, container=network.outside.cgroup.name)["service"] == "direct"
    closed(network.outside, network.there)


def test_a_local_client_of_a_vip_is_told_with_what_it_asked_for(network, lbd):
    lbd.start(balanced(network))
    joined(network.local, network.here, HERE[0], 8080, VIP4, 80)
    mine = flow(lbd, container=network.local.cgroup.name)
    assert (mine["service"], mine["asked"]) == ("web", f"{VIP4}:80")
    assert mine["remote"] == f"{HERE[0]}:8080"
    assert len(flows(lbd, container=network.local.cgroup.name, peer=VIP4, port=80)) == 1
    edges = {(edge["from"], edge["to"]): edge["connections"]
             for edge in ask(lbd, "/v1/graph")["edges"]}
    assert edges == {(network.local.cgroup.name, "web"): 1, ("web", network.here.cgroup.name): 1}
    closed(network.local, network.here)


def test_a_direct_connection_to_a_backend_has_no_service(network, lbd):
    lbd.start(balanced(network))
    joined(network.third, network.here, HERE[0], 8080)
    assert flow(lbd, container=network.here.cgroup.name)["service"] is None
    assert flow(lbd, container=network.third.cgroup.name)["service"] is None
    closed(network.third, network.here)


# ---- on and off ----------------------------------------------------------------------------------

def test_a_restart_loses_no_live_flow_and_tells_of_those_that_ended(network, lbd):
    here, there = network.here, network.there
    lbd.start(alone(network))
    stays = joined(here, there, THERE[0], name="stays")
    ends = joined(here, there, THERE[0], port=7001, name="ends")
    for name in ("stays", "ends"):
        here("send", name, size=100)
        there("receive", name, size=100)
    assert len(flows(lbd, container=here.cgroup.name)) == 2
    assert lbd.stop() == 0
    for name in ("stays", "ends"):
        here("send", name, size=11)
        there("receive", name, size=11)
    closed(here, there, "ends")
    lbd.start()
    row = ended(lbd, container=here.cgroup.name, port=ends)
    assert (row["state"], row["bytes_out"], row["cgroup"]) == ("closed", 111, here.cgroup.name)
    row = flow(lbd, container=here.cgroup.name, port=stays)
    assert (row["bytes_out"], row["direction"]) == (111, "out")
    closed(here, there, "stays")
    assert ended(lbd, container=here.cgroup.name, port=stays)["bytes_out"] == 111


def test_reloads_turn_it_on_and_off_and_leave_nothing(network, lbd):
    nothing = "version = 1;\n" + TUNING
    lbd.start(nothing)
    assert seen_by(network.here.cgroup) == set() and not (lbd.pin / "flows").exists()
    assert "flows: none → seen" in lbd.reload(alone(network))["operations"]
    assert seen_by(network.here.cgroup) and (lbd.pin / "flows").exists()
    joined(network.here, network.there, THERE[0])
    assert len(flows(lbd)) == 2
    assert "flows: seen → none" in lbd.reload(nothing)["operations"]
    assert seen_by(network.here.cgroup) == set() and not (lbd.pin / "flows").exists()
    network.here("send", size=10)
    assert network.there("receive", size=10) == 10
    closed(network.here, network.there)


@pytest.mark.parametrize("alive", [True, False], ids=["by the daemon", "without one"])
def test_unload_takes_it_away(network, lbd, alive):
    lbd.start(alone(network))
    assert seen_by(network.here.cgroup)
    if not alive:
        lbd.stop(signal.SIGKILL)
        assert seen_by(network.here.cgroup)
    lbd.unload()
    assert seen_by(network.here.cgroup) == set() and not lbd.pin.exists()


def test_a_reload_keeps_flows_unless_their_number_changes(network, lbd):
    here, there = network.here, network.there
    lbd.start(alone(network))
    port = joined(here, there, THERE[0])
    here("send", size=100)
    there("receive", size=100)
    start = flow(lbd, container=here.cgroup.name)["start"]
    plan = lbd.reload(alone(network, extra="keep = 10; "))["operations"]
    assert plan == ["flows: keep 65536 → 10"] and lbd.plan_is_empty()
    row = flow(lbd, container=here.cgroup.name)
    assert row["bytes_out"] == 100 and row["start"][:19] == start[:19]
    plan = lbd.reload(alone(network, extra="records = 2048; "))["operations"]
    assert any("records 65536 → 2048 (what is known of live flows is lost)" in line
               for line in plan)
    assert lbd.show()["flows"]["records"] == 2048
    here("send", size=100)
    there("receive", size=100)
    wait_for(lambda: flows(lbd, container=here.cgroup.name, port=port), "the flow, met again")
    closed(here, there)


def test_a_reload_that_is_refused_changes_nothing(network, lbd):
    lbd.start(alone(network))
    before = seen_by(network.here.cgroup)
    lbd.conf.write_text(alone(network, extra="records = 1000; "))
    assert lbd.ctl("reload", check=False).returncode == 1
    assert seen_by(network.here.cgroup) == before != set()
    joined(network.here, network.there, THERE[0])
    assert len(flows(lbd)) == 2
    closed(network.here, network.there)


def test_only_what_is_below_the_configured_cgroups_is_seen(network, lbd):
    lbd.start(alone(network, stands=[network.here.cgroup]))
    joined(network.here, network.there, THERE[0])
    assert flow(lbd)["cgroup"] == network.here.cgroup.name
    joined(network.third, network.there, THERE[0], port=7002, name="unseen")
    assert len(flows(lbd)) == 1
    closed(network.here, network.there)
    closed(network.third, network.there, "unseen")


def test_a_cgroup_that_comes_later_is_waited_for(network, lbd):
    late = cgroups.name_of(network.lab, "late")
    conf = alone(network).replace("cgroups = [", f'cgroups = [ "{late}",')
    lbd.start(conf)
    lbd.wait_log(f"flows: cgroup {late}: none: it is not there, and is waited for")
    late_talker = talker(network.third.process and network.servers[2], "late")
    lbd.wait_log(f"flows: cgroup {late}: none → seen")
    joined(late_talker, network.there, THERE[0])
    assert flow(lbd, container=late)["direction"] == "out"
    closed(late_talker, network.there)
    assert flow_of_gone(late_talker, lbd, late)["state"] == "closed"


def flow_of_gone(late_talker, lbd, name):
    """Its cgroup is removed; what it had is told under its path."""
    late_talker.process.end()
    late_talker.cgroup.remove()
    return ended(lbd, container=name)


def test_two_daemons_see_the_same_flows(network, make_balancer):
    one, other = (make_balancer(network.edge, name).start(alone(network))
                  for name in ("one", "other"))
    joined(network.here, network.there, THERE[0])
    network.here("send", size=1234)
    network.there("receive", size=1234)
    for lbd in (one, other):
        assert flow(lbd, container=network.here.cgroup.name)["bytes_out"] == 1234
    one.unload()
    network.here("send", size=1)
    network.there("receive", size=1)
    assert flow(other, container=network.here.cgroup.name)["bytes_out"] == 1235
    closed(network.here, network.there)


def test_what_ended_is_kept_as_far_as_the_config_says(network, lbd):
    lbd.start(alone(network, extra="keep = 4; "))
    for _ in range(5):
        joined(network.here, network.there, THERE[0])
        closed(network.here, network.there)
    wait_for(lambda: lbd.show()["flows"]["forgotten"] == 6, "six forgotten")
    told = ask(lbd, "/v1/flows", since=600)
    assert len(told["flows"]) == 4 and told["forgotten"] == 6
    assert {row["state"] for row in told["flows"]} == {"closed"} <= set(ENDED)
    assert metrics(lbd)["edgelb_flows_ended_forgotten_total"] == 6


def test_failed_flows_are_events(network, watching):
    for port in (11, 12):
        with pytest.raises(OSError, match=errno.errorcode[errno.ECONNREFUSED]):
            network.here("connect", address=THERE[0], port=port)
        network.here("close")

    def told():
        return [row for row in ask(watching, "/v1/events")["events"] if row["kind"] == "flow"]
    rows = wait_for(lambda: len(told()) == 2 and told(), "two events")
    assert [(row["to"], row["remote"]) for row in rows] == [
        ("refused", f"{THERE[0]}:11"), ("refused", f"{THERE[0]}:12")]
    assert all(row["object"] == f"flow {network.here.cgroup.name} → {row['remote']}"
               for row in rows), json.dumps(rows)


# ---- InfluxDB ------------------------------------------------------------------------------------

def test_what_flows_add_up_to_is_written_to_influxdb(network, lbd):
    if influx.missing():
        pytest.skip(influx.missing())
    here, there = network.here, network.there
    target = influx.InfluxDB(network.edge).start()
    try:
        target.ask("CREATE DATABASE edgelb")
        url = f"http://127.0.0.1:{influx.PORT}/write?db=edgelb"
        lbd.start(alone(network, extra=f'influxdb = "{url}"; '))
        joined(here, there, THERE[0])
        here("send", size=4321)
        there("receive", size=4321)

        def last(measurement, field, **tags):
            where = " AND ".join(f"\"{key}\" = '{value}'" for key, value in tags.items())
            rows = target.ask(f'SELECT last("{field}") FROM {measurement} WHERE {where}',
                              db="edgelb")
            return rows and rows[0]["last"]
        wait_for(lambda: last("edgelb_container", "bytes_out", container=here.cgroup.name) == 4321,
                 "the container's bytes")
        assert last("edgelb_container", "live_flows", container=there.cgroup.name) == 1
        assert last("edgelb_edge", "bytes", **{"from": here.cgroup.name, "to": there.cgroup.name,
                                               "port": PORT, "protocol": "tcp"}) == 4321
        assert lbd.show()["flows"]["influxdb"]["dropped"] == 0
        closed(here, there)
    finally:
        target.stop()
