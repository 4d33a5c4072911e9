# SPDX-License-Identifier: GPL-2.0-or-later
"""Start, stop, kill, unload, start again; and several daemons on one machine."""

import signal
import socket

import pytest

import foreign
from balancer import LBCTL, backend, config, service
from conftest import network_of
from lab import wait_for
from topology import DSRS, VIP4, VIPS, Bridged, like_a_wire
from traffic import EchoServer, Requests, curl, udp_ask


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


@pytest.fixture(name="conf")
def fixture_conf(network):
    return config(service("web", VIPS, [backend(f"c{i}", *network.addresses(i))
                                        for i in (1, 2, 3)]))


def operations(log):
    """Lines of the log that tell an operation of a plan."""
    return [line for line in log.splitlines() if line[5:7] in ("+ ", "~ ", "- ")]


def filters(network, dev):
    return network.edge.run("tc", "filter", "show", "dev", dev, "ingress").stdout


def assert_nothing_left(network, balancer):
    assert foreign.attached(network.edge, "front0") is None
    assert not balancer.pin.exists()
    for number in (1, 2, 3):
        assert filters(network, f"v{number}") == ""
        assert "clsact" not in network.edge.run("tc", "qdisc", "show", "dev", f"v{number}").stdout
    assert curl(network.client, VIP4, check=False, seconds=1) is None


def test_a_stopped_daemon_leaves_balancing_to_the_kernel(network, lbd, conf):
    lbd.start(conf)
    assert lbd.stop() == 0
    last = lbd.process.output().splitlines()[-1]
    assert "stopped: balancing goes on" in last and f"lbctl --pin {lbd.pin} unload" in last
    assert not lbd.socket.exists()
    assert lbd.ctl("show", check=False).returncode == 3
    for vip in VIPS:
        assert {curl(network.client, vip)[0] for _ in range(20)} == {"c1", "c2", "c3"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_new_start_takes_over_with_nothing_to_do(network, lbd, conf, number):
    lbd.start(conf)
    program = foreign.attached(network.edge, "front0")
    shown = lbd.show()
    with Requests(network.client, VIP4) as requests:
        lbd.stop(number)
        requests.wait_more(10)
        lbd.start()
        requests.wait_more(10)
    assert requests.failed == []
    assert operations(lbd.process.output()) == []
    assert lbd.plan_is_empty()
    assert foreign.attached(network.edge, "front0") == program
    for before, after in zip(shown["services"][0]["backends"],
                             lbd.show()["services"][0]["backends"]):
        assert {**before, "packets": 0, "bytes": 0, "new_flows": 0} == \
            {**after, "packets": 0, "bytes": 0, "new_flows": 0}
        assert after["packets"] >= before["packets"]


def every_kind_of_service(network):
    """One of each thing that has to be found again in the tables."""
    one, two, three = (network.addresses(number) for number in (1, 2, 3))
    nobody, nowhere = ("10.1.0.99", "fd00::99"), ("172.31.0.9",)
    return [
        service("web", VIPS, [backend("c1", *one), backend("c2", *two, extra="weight = 250; "),
                              backend("zero", *three, extra="weight = 0; "),
                              backend("nobody", *nobody), backend("nowhere", *nowhere)]),
        service("admin", VIPS, [backend("c1", *one, port=8081, extra='state = "drain"; '),
                                backend("c2", *two, port=8081, extra='state = "off"; '),
                                backend("c3", *three, port=8081)], ports=[81],
                extra="ring_size = 2039; "),
        service("range", DSRS[:1], [backend("c1", one[0], port=None)], forward="dsr",
                ports=['"8000-8009"', '"9000"', '"9001"']),
        service("any", DSRS[1:], [backend("c1", one[1], port=None)], protocol="udp",
                forward="dsr", ports=[]),
        service("down", ("203.0.113.40",), [backend("nobody", nobody[0], port=99)], ports=[99]),
        service("pinned", ("203.0.113.41",), [
            backend("c3", three[0], port=98,
                    extra='mac = "02:00:00:00:00:98"; interface = "v3"; ')], ports=[98])]


def without_reasons(balancer):
    """The services; that a neighbour does not answer may turn out in between."""
    services = balancer.show()["services"]
    for found in services:
        del found["moving_since_s"]  # since when this lbd has seen it
    for row in (row for found in services for row in found["backends"]):
        row["reason"] = bool(row["reason"])
    return services


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_every_kind_of_service_is_found_again(network, lbd, number):
    services = every_kind_of_service(network)
    lbd.start(config(*services))
    lbd.ctl("drain", "range/c1")
    lbd.ctl("weight", "web/c1", 7)
    assert lbd.plan_is_empty()
    shown = without_reasons(lbd)
    lbd.stop(number)
    lbd.start()
    assert operations(lbd.process.output()) == []
    assert without_reasons(lbd) == shown
    assert lbd.plan_is_empty()
    lbd.stop()
    lbd.start(config(*reversed(services)))  # in another order it is the same config
    assert operations(lbd.process.output()) == []


def test_a_start_follows_what_changed_while_nobody_was_there(network, lbd, conf):
    lbd.start(conf)
    lbd.stop()
    network.edge.ip("link del v1")
    network.attach(network.servers[0], 1)
    lbd.start(conf.replace('name = "c3"', 'name = "third"'))
    lbd.wait_state("web/c1", "up")
    assert not lbd.rows("web/c3") and lbd.rows("web/third")
    assert {curl(network.client, VIP4)[0] for _ in range(30)} == {"c1", "c2", "c3"}
    assert lbd.plan_is_empty()


@pytest.mark.parametrize("running", [True, False])
def test_unload_takes_everything_away(network, lbd, conf, running):
    lbd.start(conf)
    assert filters(network, "v1") != ""
    if not running:
        lbd.stop()
    said = lbd.unload()
    assert (said.returncode, said.stderr) == (0, "")
    assert_nothing_left(network, lbd)
    if running:
        assert lbd.process.wait() == 0
        assert "unloaded: nothing is balanced any more" in lbd.process.output()
        assert not lbd.socket.exists()
    assert "nothing is loaded under" in lbd.unload().stdout
    lbd.start()
    assert curl(network.client, VIP4)


def test_unload_beside_the_end_of_a_daemon_takes_all_of_it(network, lbd, conf):
    """It hangs up on whoever asks then, leaves its socket, and a little later its pins."""
    for pause_ms in range(8, 28, 4):
        lbd.start(conf)
        network.edge.start("sh", "-c", f"sleep {pause_ms / 1000}; kill {lbd.process.pid}")
        said = lbd.ctl("unload", check=False)
        assert (said.returncode, said.stderr) == (0, ""), pause_ms
        assert lbd.process.wait() == 0
        assert_nothing_left(network, lbd)


def test_unload_leaves_the_filters_of_others(network, lbd, conf):
    foreign.attach_tc(network.edge, "v1")
    theirs = filters(network, "v1")
    try:
        assert "foreign.o" in theirs
        lbd.start(conf)
        assert filters(network, "v1") != theirs
        assert curl(network.client, VIP4)
        lbd.unload()
        assert filters(network, "v1") == theirs
    finally:
        foreign.detach_tc(network.edge, "v1")


def test_readiness_is_told_to_the_service_manager(network, lbd, conf):
    lbd.conf.write_text(conf)
    path = lbd.dir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(15)
        lbd.process = network.edge.start("env", f"NOTIFY_SOCKET={path}", *lbd.command())
        assert manager.recv(100) == b"READY=1"
        assert curl(network.client, VIP4)  # tables are written, programs attached
        lbd.stop()
        assert manager.recv(100) == b"STOPPING=1"


# ---- several daemons ------------------------------------------------------------------------


def assert_still_running(network, lbd, shown):
    assert lbd.show()["services"] == shown
    assert curl(network.client, VIP4)


def test_a_second_daemon_on_the_same_pins_is_refused(network, lbd, make_balancer, conf):
    lbd.start(conf)
    shown = lbd.show()["services"]
    second = make_balancer(network.edge, "second")
    second.pin = lbd.pin
    assert f"pins {lbd.pin}: another lbd works with them" in second.start_refused(conf)
    second.pin = second.namespace.lab.pin("edge-second")
    assert_still_running(network, lbd, shown)


def test_a_second_daemon_on_the_same_interface_is_refused(network, lbd, make_balancer, conf):
    lbd.start(conf)
    program, hooks, shown = (foreign.attached(network.edge, "front0"), filters(network, "v1"),
                             lbd.show()["services"])
    said = make_balancer(network.edge, "second").start_refused(conf)
    assert f'interface front0: another lbd balances it (program lb, id {program["id"]})' in said
    assert foreign.attached(network.edge, "front0") == program
    assert filters(network, "v1") == hooks
    assert_still_running(network, lbd, shown)


def test_a_second_daemon_on_the_same_socket_is_refused(network, lbd, make_balancer, conf):
    lbd.start(conf)
    shown = lbd.show()["services"]
    elsewhere = network.lab.namespace("elsewhere")
    second = make_balancer(elsewhere, "second")
    second.socket = lbd.socket
    said = second.start_refused(conf.replace('"front0"', '"front9"; optional = true'))
    second.socket = second.dir / "lbd.sock"
    network.lab.namespace_remove("elsewhere")
    assert f"socket {lbd.socket}: another lbd listens there" in said
    assert_still_running(network, lbd, shown)


def test_unload_with_the_pins_of_another_is_refused(network, lbd, make_balancer, conf):
    lbd.start(conf)
    second = make_balancer(network.edge, "second")
    second.socket = lbd.socket
    refused = second.ctl("unload", check=False)
    second.socket = second.dir / "lbd.sock"
    assert refused.returncode == 1
    assert f"this lbd has its pins under {lbd.pin}" in refused.stderr
    # Its own pins, but not its socket: it lives, so they are not taken from under it.
    refused = network.edge.run(LBCTL, "--socket", second.socket, "--pin", lbd.pin, "unload",
                               check=False)
    assert refused.returncode == 1
    assert f"pins {lbd.pin}: an lbd works with them" in refused.stderr
    assert curl(network.client, VIP4)


def test_two_daemons_in_two_namespaces(network, lbd, make_balancer, conf, tmp_path):
    for twin in network_of(Bridged, tmp_path):
        lbd.start(conf)
        other = make_balancer(twin.edge).start(conf)
        assert curl(network.client, VIP4) and curl(twin.client, VIP4)
        assert lbd.rows("web/c1")[0]["mac"] != other.rows("web/c1")[0]["mac"]
        other.unload()
        assert curl(network.client, VIP4)
        assert curl(twin.client, VIP4, check=False, seconds=1) is None
        other.start()
        lbd.unload()
        assert curl(twin.client, VIP4)


def test_two_daemons_in_one_namespace_share_the_containers(network, lbd, make_balancer, conf):
    """Each with its own front and service, and an lb_reply of its own on the same veths."""
    for number, host in enumerate(network.servers, 1):
        EchoServer(host, *network.addresses(number))
    second = network.lab.namespace("second")
    network.lab.veth(network.edge, "front1", second, "eth0")
    network.edge.ip("addr add 198.51.100.1/24 dev front1", "link set front1 up")
    second.ip("addr add 198.51.100.2/24 dev eth0", "link set eth0 up",
              "route add default via 198.51.100.1")
    like_a_wire(second)
    lbd.start(conf)
    other = make_balancer(network.edge, "second").start(config(
        service("echo", [VIP4], [backend(f"c{i}", network.addresses(i)[0], port=7007)
                                 for i in (1, 2, 3)], protocol="udp", ports=[7000]),
        interfaces=["front1"]))
    assert curl(network.client, VIP4)
    assert udp_ask(second, VIP4, 7000, "hello")[2] == VIP4
    lbd.unload()
    assert udp_ask(second, VIP4, 7000, "hello")[2] == VIP4
    wait_for(lambda: other.verdicts()["REDIRECT_REPLY"] >= 2, "replies of the second one")
    other.unload()
    network.edge.ip("link del front1")
    assert_nothing_left(network, lbd)
