# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows where things are odd: names of any bytes, a host without cgroup v2, an asker who does not
read, and tables that are shared with what helps local clients."""

import json
import os
import signal
import socket

import pytest

import cgroups
from balancer import TUNING
from isolated import network_made
from lab import wait_for
from seen import ask, flow, flows
from topology import VIP4
from watched import HERE, THERE, Watched, alone, balanced, closed, joined

NOTHING = "version = 1;\n" + TUNING

MANY = """
import signal, socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(20000):
    sender.sendto(b"x", (f"127.{number // 200 + 1}.{number % 200}.1", 9))
print("sent", flush=True)
signal.pause()
"""


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    yield from network_made(tmp_path_factory.mktemp("flows"), Watched)


# ---- names ---------------------------------------------------------------------------------------

def test_a_cgroup_of_any_name_spoils_neither_metrics_nor_json(network, lbd):
    lbd.start(alone(network))
    below = os.fsencode(network.here.cgroup.path) + b'/a\xff\x1b"\\'
    pid = network.here.process.popen.pid
    os.mkdir(below)
    try:
        with open(below + b"/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write(str(pid))
        joined(network.here, network.there, THERE[0])
        named = network.here.cgroup.name + '/a\\xff\\x1b"\\'
        assert flow(lbd, container=named)["cgroup"] == named
        text = lbd.namespace.run("sh", "-c", f"curl -sSf --unix-socket {lbd.socket} "
                                 "http://lbd/metrics | promtool check metrics", check=False)
        assert (text.returncode, text.stdout + text.stderr) == (0, "")
        closed(network.here, network.there)
    finally:
        (network.here.cgroup.path / "cgroup.procs").write_text(str(pid))
        wait_for(lambda: not os.rmdir(below), "the end of the cgroup")


# ---- a long answer -------------------------------------------------------------------------------

def asker(lbd):
    """Who asks for all flows, and reads nothing yet."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.settimeout(30)
    door.connect(str(lbd.socket))
    door.sendall(b"GET /v1/flows HTTP/1.0\r\n\r\n")
    return door


def answer_of(door):
    head, _, body = b"".join(iter(lambda: door.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200"), head
    return json.loads(body)


@pytest.fixture(name="many")
def fixture_many(network, lbd):
    """A daemon that sees more flows than an answer may have waiting for its asker."""
    lbd.start(alone(network))
    sender = network.servers[0].start("/usr/bin/python3", "-c", MANY, cgroup=network.here.cgroup)
    try:
        sender.wait_output("sent")
        yield lbd
    finally:
        sender.end()


def test_who_does_not_read_a_long_answer_holds_nobody_up(many):
    with asker(many) as slow:
        assert len(flows(many)) == 20000
        assert many.show()["flows"]["live"] == 20000
        assert len(answer_of(slow)["flows"]) == 20000


def test_an_answer_ends_well_where_flows_end_in_the_middle(many):
    with asker(many) as slow:
        many.show()
        many.reload(NOTHING)
        answer = answer_of(slow)
        assert answer["other"] is None and len(answer["flows"]) < 20000


def test_askers_who_hang_up_or_are_too_many_are_no_trouble(many):
    doors = [asker(many) for _ in range(32)]
    refused = many.ctl("flows", check=False)
    assert refused.returncode == 1
    assert refused.stderr == "too many ask for flows at once: ask again later\n"
    for door in doors:
        door.close()
    wait_for(lambda: many.ctl("flows", "--port", "9999", check=False).returncode == 0,
             "room for an answer")
    with asker(many):
        assert many.stop() == 0


# ---- on and off ----------------------------------------------------------------------------------

def pins(lbd):
    return {path.name for path in lbd.pin.rglob("*")}


@pytest.mark.parametrize("alive", [True, False], ids=["by the daemon", "without one"])
def test_tables_of_local_clients_outlive_flows_and_go_with_the_balancer(network, lbd, alive):
    both = balanced(network)
    start = both.index("flows:")
    lbd.start(both[:start] + both[both.index("\n", start):])
    local = pins(lbd)
    assert {"local_connect4", "local_sockets", "local_datagrams"} <= local
    lbd.reload(both)
    joined(network.local, network.here, HERE[0], 8080, VIP4, 80)
    assert flow(lbd, container=network.local.cgroup.name)["asked"] == f"{VIP4}:80"
    lbd.reload(both[:start] + both[both.index("\n", start):])
    assert pins(lbd) == local
    lbd.reload(both)
    network.local("send", size=5)
    network.here("receive", size=5)
    assert flow(lbd, container=network.local.cgroup.name)["asked"] == f"{VIP4}:80"
    closed(network.local, network.here)
    if not alive:
        lbd.stop(signal.SIGKILL)
    lbd.unload("--all")
    assert not lbd.pin.exists()


def test_every_key_is_reloaded_and_the_change_is_logged(network, lbd):
    lbd.start(alone(network))
    lbd.wait_log("flows: none → seen")
    for extra, change in (
            ('idle = "5s"; keep = 0; ', "idle 30000 ms → 5000 ms; keep 65536 → 0"),
            ("records = 1024; ", "records 65536 → 1024 (what is known of live flows is lost); "
             "idle 5000 ms → 30000 ms; keep 0 → 65536"),
            ('influxdb = "http://127.0.0.1:9/write?db=x"; ',
             "records 1024 → 65536 (what is known of live flows is lost); a target for lines"),
            ('influxdb = "http://127.0.0.1:9/api/v2/write?org=o&bucket=b"; '
             'influxdb_token = "/nonexistent"; ', "another target for lines"),
            ("", "no target for lines any more")):
        assert lbd.reload(alone(network, extra=extra))["operations"] == [f"flows: {change}"]
        lbd.wait_log(f"flows: {change}\n")
        assert ask(lbd, "/v1/flows")["flows"] == []
    lbd.reload(NOTHING)
    lbd.wait_log("flows: seen → none")


def test_without_cgroup_v2_nothing_is_promised(network, lbd):
    mount = cgroups.root()
    lbd.conf.write_text(alone(network))
    refused = lbd.namespace.run("unshare", "--mount", "sh", "-c", 'umount -l "$0" && exec "$@"',
                                mount, *lbd.command(), check=False)
    assert refused.returncode == 1
    assert "flows: cgroup v2 is not mounted here" in refused.stderr


def test_a_runtime_that_never_was_there_is_told_as_such(network, lbd):
    lbd.start(alone(network) + 'containers: { socket = "/nonexistent/docker.sock"; };\n')
    lbd.wait_log("container runtime /nonexistent/docker.sock: not connected: ")
