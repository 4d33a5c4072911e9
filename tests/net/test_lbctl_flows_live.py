# SPDX-License-Identifier: GPL-2.0-or-later
"""lbctl flows, graph and show flows over a real lbd that sees real connections: `shop` asks the
service web, behind which `web-a` answers, and a port of web-a that nobody listens to."""

import contextlib
import json
import signal
import subprocess

import pytest

import cgroups
from balancer import LBCTL, backend, config, service
from cgroups import Cgroup
from lab import Process, wait_for
from topology import CLIENT4, VIP4

SENT, ANSWERED = 1000, 5000
PORT, CLOSED_PORT = 7300, 7301

SERVER = f"""
import socket, threading
def serve(peer):
    peer.recv({SENT}, socket.MSG_WAITALL)
    peer.sendall(bytes({ANSWERED}))
    peer.recv(1)
    peer.close()
with socket.create_server(("", {PORT})) as server:
    print("listens", flush=True)
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""

# Ends its connection on SIGTERM, after all was exchanged.
CLIENT = f"""
import signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as peer:
    peer.sendall(bytes({SENT}))
    assert len(peer.recv({ANSWERED}, socket.MSG_WAITALL)) == {ANSWERED}
    print("port", peer.getsockname()[1], flush=True)
    signal.sigwait([signal.SIGTERM])
"""


class Shop:
    """Cgroups of both ends, below one that flows are seen in, and the server."""

    def __init__(self, network):
        self.host = network.client
        self.top = Cgroup(network.lab, "lbctl")
        self.shop, self.web = self.top.child("shop"), self.top.child("web-a")
        server = network.servers[0].start("/usr/bin/python3", "-c", SERVER, cgroup=self.web)
        server.wait_output("listens")

    @contextlib.contextmanager
    def connected(self):
        """A connection that lives for a block, with its port."""
        process = self.host.start("/usr/bin/python3", "-c", CLIENT, VIP4, 80, cgroup=self.shop)
        try:
            process.wait_output("port")
            process.port = process.output().split()[1]
            yield process
        finally:
            process.end()

    def connect(self):
        """A connection that is over; its port."""
        with self.connected() as client:
            return client.port

    def knock(self, address):
        """Where nobody listens."""
        code = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])))"
        result = self.host.run("/usr/bin/python3", "-c", code, address, CLOSED_PORT,
                               cgroup=self.shop, check=False)
        assert "ConnectionRefusedError" in result.stderr


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    if cgroups.missing():
        pytest.skip(cgroups.missing())
    return bridged


@pytest.fixture(name="shop", scope="module")
def fixture_shop(network):
    return Shop(network)


def conf(network, flows=""):
    return config(service("web", [VIP4], [backend("a", network.addresses(1)[0], port=PORT)])) + flows


@pytest.fixture(name="lbd", scope="module")
def fixture_lbd(network, shop, make_module_balancer):
    lbd = make_module_balancer(network.edge)
    return lbd.start(conf(network, f'flows: {{ cgroups = [ "{shop.top.name}" ]; }};\n'))


def flows(lbd, *args):
    return [json.loads(line) for line in lbd.ctl("flows", "--json", *args).stdout.splitlines()]


def of_port(rows, port):
    return [row for row in rows
            if any(row[end].endswith(f":{port}") for end in ("local", "remote"))]


def keys(rows):
    return sorted(row["id"] for row in rows)


def test_a_live_connection_is_found_by_every_filter(lbd, shop, network):
    with shop.connected() as client:
        filters_are_tried(lbd, shop, client, network.addresses(1)[0])


def filters_are_tried(lbd, shop, client, backend4):
    out, back = sorted(of_port(flows(lbd), client.port), key=lambda row: row["direction"] == "in")
    assert (out["direction"], out["cgroup"], out["service"]) == ("out", shop.shop.name, "web")
    assert (back["direction"], back["cgroup"], back["service"]) == ("in", shop.web.name, "web")
    assert out["local"] == back["remote"] == f"{CLIENT4}:{client.port}"
    assert (out["remote"], back["local"]) == (f"{VIP4}:80", f"{backend4}:{PORT}")
    assert (out["bytes_out"], out["bytes_in"]) == (SENT, ANSWERED)
    assert (back["bytes_out"], back["bytes_in"]) == (ANSWERED, SENT)
    assert out["state"] == back["state"] == "established"
    for args, wanted in ((("--container", "shop"), [out]), (("--container", "web-a"), [back]),
                         (("--container", shop.web.name), [back]), (("--container", "web"), []),
                         (("--peer", VIP4), [out]), (("--peer", "203.0.113.0/24"), [out]),
                         (("--peer", "192.0.2.0/24"), [back]), (("--peer", "198.51.100.1"), []),
                         (("--port", PORT), [back]), (("--port", "80"), [out]),
                         (("--port", PORT, "--container", "shop"), []),
                         (("--port", client.port), [out, back]), (("--port", "9"), [])):
        assert keys(of_port(flows(lbd, *args), client.port)) == keys(wanted), args
    lines = lbd.ctl("flows", "--port", client.port).stdout.splitlines()
    assert {line.split()[1] for line in lines[1:3]} == {"in", "out"}
    assert lines[3:] == ["", "2 flows"]


def test_what_ended_is_there_for_who_asks_for_the_past(lbd, shop):
    port = shop.connect()
    wait_for(lambda: not of_port(flows(lbd), port), "the end of both flows")
    ended = wait_for(lambda: len(found := of_port(flows(lbd, "--since", "1h"), port)) == 2
                     and found, "both among those that ended")
    assert {row["state"] for row in ended} == {"closed"}
    assert {(row["bytes_in"], row["bytes_out"]) for row in ended} == {(SENT, ANSWERED),
                                                                      (ANSWERED, SENT)}


def edges_of(lbd, *args):
    return {(edge["from_kind"], edge["from"], edge["to_kind"], edge["to"], edge["port"]): edge
            for edge in json.loads(lbd.ctl("graph", "--json", *args).stdout)["edges"]}


def test_the_graph_leads_through_the_service(lbd, shop, network):
    names = {"container": (shop.shop.name, shop.web.name), "service": ("web",)}
    before = edges_of(lbd)
    to_service = ("container", names["container"][0], "service", "web", 80)
    to_backend = ("service", "web", "container", names["container"][1], 80)
    refused = ("container", names["container"][0], "container", names["container"][1], CLOSED_PORT)
    shop.connect()
    shop.knock(network.addresses(1)[0])

    def grown():
        edges = edges_of(lbd, "--since", "10m")
        return all(edges.get(key, {"connections": 0})["connections"] ==
                   before.get(key, {"connections": 0})["connections"] + 1
                   for key in (to_service, to_backend, refused)) and edges
    edges = wait_for(grown, "one connection more on each edge")
    assert edges[refused]["failures"] == 1
    assert edges[to_service]["failures"] == edges[to_backend]["failures"] == 0
    assert edges[to_backend]["bytes"] >= SENT + ANSWERED

    dot = lbd.ctl("graph", "--dot").stdout
    drawn = json.loads(subprocess.run(["dot", "-Tjson"], input=dot, capture_output=True, text=True,
                                      check=True).stdout)
    shapes = {node["label"]: node["shape"] for node in drawn["objects"]}
    assert shapes["web"] == "hexagon"
    assert all(shapes[name] == "box" for name in names["container"])
    assert len(drawn["edges"]) == len(edges_of(lbd))
    text = lbd.ctl("graph").stdout
    assert "service:web" in text and f"tcp/{CLOSED_PORT}" in text


def test_show_flows_adds_up_each_container(lbd, shop):
    def live():
        """Of each container, as the table has it."""
        lines = lbd.ctl("show", "flows").stdout.splitlines()
        titles = next(line for line in lines if line.startswith("CONTAINER"))
        at = titles.index("LIVE") + len("LIVE")
        return {line.split()[0]: line[:at].split()[-1] for line in lines
                if line.startswith(cgroups.PREFIX)}
    with shop.connected():
        wait_for(lambda: live() == {shop.shop.name: "1", shop.web.name: "1"}, "one flow of each")
    wait_for(lambda: live() == {shop.shop.name: "0", shop.web.name: "0"}, "none of either")
    shown = json.loads(lbd.ctl("show", "flows", "--json").stdout)
    assert shown["services"] and shown["flows"]


def test_who_follows_is_told_of_each_flow_twice_and_a_restart_tells_nothing(lbd, shop, tmp_path):
    follower = Process([LBCTL, "--socket", lbd.socket, "flows", "-f", "--json",
                        "--container", "shop"], tmp_path / "followed")

    def told(port):
        lines = follower.output().splitlines(keepends=True)
        rows = [json.loads(line) for line in lines if '"container"' in line
                and line.endswith("\n")]
        return [row["state"] for row in of_port(rows, port)]
    try:
        with shop.connected() as before:
            wait_for(lambda: told(before.port) == ["established"], "the one that was there")
            lbd.stop()
            wait_for(lambda: "waiting for the daemon" in follower.output(), "that it is missed")
            lbd.start()
            with shop.connected() as after:
                wait_for(lambda: told(after.port), "the one behind the restart")
                brief = shop.connect()
                wait_for(lambda: told(brief)[-1:] == ["closed"], "the brief one's end")
        wait_for(lambda: told(before.port)[-1:] == told(after.port)[-1:] == ["closed"], "the ends")
        follower.signal(signal.SIGINT)
        assert follower.wait() == 0
        assert told(before.port) == told(after.port) == ["established", "closed"]
        assert told(brief) in (["closed"], ["established", "closed"])
    finally:
        follower.end()


def test_without_flows_in_the_config_each_verb_says_what_to_add(lbd, network):
    with_flows = lbd.conf.read_text()
    lbd.reload(conf(network))
    try:
        for args in (("flows",), ("flows", "-f"), ("flows", "--json"), ("graph",),
                     ("graph", "--dot"), ("show", "flows")):
            result = lbd.ctl(*args, check=False)
            assert result.returncode == 1, args
            assert "lb.conf" in result.stderr and '"flows' in result.stderr, args
            assert "--json" in args or result.stdout == ""
    finally:
        lbd.reload(with_flows)
