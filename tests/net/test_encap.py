# SPDX-License-Identifier: GPL-2.0-or-later
"""Backends behind a router: encapsulated here, taken out there by `lbctl decap`, in all four
combinations of families. And paths that are too narrow, for every way of forwarding."""

import json
import socket

import pytest
from scapy.all import IP, UDP, IPv6

from balancer import LBCTL, backend, config, service
from frames import Sniffer
from lab import wait_for
from topology import (CLIENT4, CLIENT6, DSR4, DSR6, FAR_ADDRESSES, GUE4, GUE6, IPIP4, IPIP6,
                      PAIR, VIP4, VIP6, vip_on_lo)
from traffic import HashServer, connect, curl, curl_many, download, family_of, upload

CLIENTS = (CLIENT4, CLIENT6)
NAT, DSR = (VIP4, VIP6), (DSR4, DSR6)
SOURCES4, SOURCES6 = "10.3.9.0/28", "fd03:9::/124"
GUE_PORT = 6080
IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0
FILE_BYTES = 3 << 20

# The vips, how they are forwarded, and the family of the outer packet.
ENCAPSULATED = {"ipip-in-4": (IPIP4, "ipip", 0), "ipip-in-6": (IPIP6, "ipip", 1),
                "gue-in-4": (GUE4, "gue", 0), "gue-in-6": (GUE6, "gue", 1)}
MODES = {"nat": NAT, "dsr": DSR, "ipip": IPIP4, "ipip-in-6": IPIP6, "gue": GUE4, "gue-in-6": GUE6}


def lbctl_at(host, *args, check=True):
    return host.run(LBCTL, "--pin", host.lab.pin(f"{host.label}-decap"), *args, check=check)


def decap_at(host):
    return json.loads(lbctl_at(host, "decap", "--json").stdout)


@pytest.fixture(name="network", scope="module")
def fixture_network(far):
    (far.lab.tmp / "files").mkdir(exist_ok=True)
    with open(far.lab.tmp / "files" / "large", "wb") as file:
        file.write(bytes(range(251)) * (FILE_BYTES // 251))
    for host in far.servers:
        HashServer(host)
    vip_on_lo(far.servers[1], *DSR)
    for host in far.fars:
        lbctl_at(host, "decap", "eth0")
    return far


def services(**extras):
    """Every way of forwarding; `extras` are more keys for one of them."""
    far4, far6 = ([backend(f"f{i}", FAR_ADDRESSES[i][family], port=None) for i in (1, 2)]
                  for family in (0, 1))
    pair = [backend(f"f{i}", *FAR_ADDRESSES[i], port=None) for i in (1, 2)]
    return [
        service("nat", NAT, [backend("h1", "10.3.0.11", "fd03::11")], extra=extras.get("nat", "")),
        service("nat-up", NAT, [backend("h1", "10.3.0.11", "fd03::11", port=None)], ports=[9000],
                extra=extras.get("nat", "")),
        *(service(name, vips, backends, ports=[], forward=forward, extra=extras.get(name, ""))
          for name, vips, backends, forward in (
              ("dsr", DSR, [backend("h2", "10.3.0.12", "fd03::12", port=None)], "dsr"),
              ("ipip", IPIP4, far4, "ipip"), ("ipip-in-6", IPIP6, far6, "ipip"),
              ("gue", GUE4, far4, "gue"), ("gue-in-6", GUE6, far6, "gue"),
              ("pair", PAIR, pair, "ipip"))),
        service("ipip-udp", (IPIP4[0],), far4, protocol="udp", ports=[7007], forward="ipip")]


@pytest.fixture(name="balanced", scope="module", autouse=True)
def fixture_balanced(network, make_module_balancer):
    lbd = make_module_balancer(network.edge).start(config(*services()))
    for name in ("ipip/f1", "gue-in-6/f2", "pair/f1", "nat/h1"):
        lbd.wait_state(name, "up")
    return lbd


@pytest.fixture(name="reloaded")
def fixture_reloaded(balanced):
    """Loads a config for one test."""
    yield lambda **extras: balanced.reload(config(*services(**extras)))
    balanced.reload(config(*services()))


def port_of(vips):
    return 80 if vips == NAT else 8080


def both_directions(network, vip, port):
    """A large file to the client, and one from it; both arrive whole."""
    path = network.lab.tmp / "files" / "large"
    wanted = network.client.run("sha256sum", path).stdout.split()[0]
    assert download(network.client, vip, port, "/files/large") == wanted
    assert upload(network.client, vip, 9000, path) == wanted


# ---- every family in every family ----------------------------------------------------------------

@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("name", ENCAPSULATED)
def test_requests_reach_all_hosts_behind_the_router(network, name, family):
    vips, _, _ = ENCAPSULATED[name]
    assert curl(network.client, vips[family], 8080)[1] == CLIENTS[family]
    answers = curl_many(network.client, vips[family], 60, 8080)
    assert len(answers) == 60 and set(answers) == {"f1", "f2"}


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_a_backend_with_two_addresses_is_reached_by_that_of_the_vip(network, balanced, family):
    before = [row["packets"] for row in balanced.rows("pair/f1")]
    curl_many(network.client, PAIR[family], 30, 8080)
    after = [row["packets"] for row in balanced.rows("pair/f1")]
    assert after[family] > before[family]
    assert after[not family] == before[not family]


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("name", ENCAPSULATED)
def test_large_files_go_both_ways(network, balanced, name, family):
    """What the client sends is too big once encapsulated: it hears of that and sends less."""
    vips, forward, _ = ENCAPSULATED[name]
    before = balanced.verdicts()
    both_directions(network, vips[family], 8080)
    after = balanced.verdicts()
    verdict = f"TX_{forward.upper()}"
    assert after[verdict] > before[verdict]
    exits = [decap_at(host)["exits"] for host in network.fars]
    assert sum(row[f"PASS_{forward.upper()}"] for row in exits) > 100


def inner_of(frame, forward, outer):
    """The inner packet, as scapy reads it behind what we put before it."""
    packet = frame[IPv6] if outer else frame[IP]
    data = bytes(packet[UDP].payload) if forward == "gue" else bytes(packet.payload)
    return (IPv6 if data[0] >> 4 == 6 else IP)(data)


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("name", ENCAPSULATED)
def test_the_outer_packet_comes_from_the_edge_hosts_address(network, name, family):
    vips, forward, outer = ENCAPSULATED[name]

    def ours(frame):
        layer = IPv6 if outer else IP
        return layer in frame and frame[layer].dst in {FAR_ADDRESSES[i][outer] for i in (1, 2)} \
            and (frame[layer].src != (CLIENT6 if outer else CLIENT4))

    with Sniffer(network.r2, "uplink") as sniffer:
        curl(network.client, vips[family], 8080)
        seen = sniffer.wait(ours, 3)
    for frame in seen:
        packet = frame[IPv6] if outer else frame[IP]
        assert packet.src == ("fd03::1" if outer else "10.3.0.1")
        inner = inner_of(frame, forward, outer)
        assert (inner.src, inner.dst) == (CLIENTS[family], vips[family])
        if forward == "gue":
            assert packet[UDP].dport == GUE_PORT
        if not outer:
            assert packet.flags == "DF"


# ---- sources -------------------------------------------------------------------------------------

def outer_sources(network, vip, layer):
    """Of forty connections' packets."""
    hosts = sum(FAR_ADDRESSES.values(), ())
    with Sniffer(network.r2, "uplink") as sniffer:
        curl_many(network.client, vip, 40, 8080)
        seen = sniffer.wait(lambda frame: layer in frame and frame[layer].dst in hosts, 120)
    return {frame[layer].src for frame in seen}


def test_sources_are_spread_over_the_prefix_and_only_they_may_enter(network, reloaded):
    reloaded(ipip=f'encap_source = "{SOURCES4}";',
             **{"gue-in-6": f'encap_source = [ "{SOURCES6}" ];'})
    four = outer_sources(network, IPIP4[0], IP)
    six = outer_sources(network, GUE6[0], IPv6)
    assert len(four) > 4 and all(source.startswith("10.3.9.") for source in four)
    assert len(six) > 4 and all(source.startswith("fd03:9::") for source in six)
    for host in network.fars:
        lbctl_at(host, "decap", "eth0", "--from", SOURCES4)
    try:
        curl_many(network.client, IPIP4[0], 10, 8080)
        assert curl(network.client, GUE6[0], 8080, check=False, seconds=1) is None
        dropped = sum(decap_at(host)["exits"]["DROP_SOURCE"] for host in network.fars)
        assert dropped > 0
    finally:
        for host in network.fars:
            lbctl_at(host, "decap", "eth0")
    assert curl(network.client, GUE6[0], 8080)


def test_a_change_of_source_or_mss_breaks_no_flow(network, balanced, reloaded):
    with connect(network.client, IPIP4[0], 9000) as conn:
        conn.sendall(b"one ")
        plan = reloaded(ipip=f'encap_source = "{SOURCES4}"; mss = 1300;')
        assert not any(entry["breaks"] for entry in plan["services"])
        assert any("10.3.9.0/28" in operation for operation in plan["operations"])
        conn.sendall(b"two")
        conn.shutdown(socket.SHUT_WR)
        answer = conn.recv(64)
        assert answer
    assert balanced.plan_is_empty()


# ---- narrow paths --------------------------------------------------------------------------------

def narrow(host, route, mtu):
    """The host forwards no packet above `mtu` by that route."""
    for line in route:
        host.ip(f"route add {line} mtu lock {mtu}")

    def widen():
        for line in route:
            host.ip(f"route del {line}")
    return widen


@pytest.fixture(name="narrow_to_client")
def fixture_narrow_to_client(network):
    widen = narrow(network.router, (f"{CLIENT4}/32 dev downlink", f"{CLIENT6}/128 dev downlink"),
                   1320)
    yield
    widen()
    forget_paths(network)


@pytest.fixture(name="narrow_to_hosts")
def fixture_narrow_to_hosts(network):
    """r2 is the narrow place: its word reaches the edge host, about packets that the client sent."""
    widen = narrow(network.r2, [f"{FAR_ADDRESSES[i][0]}/32 dev far{i}" for i in (1, 2)] +
                   [f"{FAR_ADDRESSES[i][1]}/128 dev far{i}" for i in (1, 2)], 1400)
    yield
    widen()
    forget_paths(network)


def forget_paths(network):
    """What the hosts have learned of paths is of one test."""
    for host in (network.client, network.edge, *network.servers):
        host.run("ip", "route", "flush", "cache")
        host.run("ip", "-6", "route", "flush", "cache")


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("narrow_to_client")
def test_a_narrow_path_to_the_client(network, mode, family):
    """The router tells the vip; the error finds the host that has the flow."""
    both_directions(network, MODES[mode][family], port_of(MODES[mode]))


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("mode", ["ipip", "ipip-in-6", "gue", "gue-in-6"])
@pytest.mark.usefixtures("narrow_to_hosts")
def test_a_narrow_path_to_encapsulated_hosts(network, balanced, mode, family):
    before = balanced.verdicts()
    both_directions(network, MODES[mode][family], 8080)
    after = balanced.verdicts()
    told = [name for name in ("TX_PMTU", "REDIRECT_PMTU") if after[name] > before[name]]
    assert told, {name: after[name] - before[name] for name in after}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("narrow_to_hosts")
def test_with_mss_nobody_has_to_be_told(network, balanced, reloaded, mode):
    """SYNs are clamped here, and SYN-ACKs where they leave."""
    reloaded(**{mode: "mss = 1200;"})
    for host in network.fars:
        lbctl_at(host, "decap", "eth0", "--mss", "1200")
    before = balanced.verdicts()
    for family in (0, 1):
        both_directions(network, MODES[mode][family], port_of(MODES[mode]))
    after = balanced.verdicts()
    for host in network.fars:
        lbctl_at(host, "decap", "eth0")
    for name in ("TX_TOO_BIG", "DROP_TOO_BIG", "TX_PMTU", "REDIRECT_PMTU"):
        assert after[name] == before[name], name


# ---- errors and echo -----------------------------------------------------------------------------

def ping(network, vip):
    return network.client.run("ping", "-6" if ":" in vip else "-4", "-c", "2", "-W", "1", vip,
                              check=False).returncode == 0


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_a_vip_answers_echo_while_its_service_is_up(network, balanced, family):
    vip = DSR[family]
    assert ping(network, vip)
    balanced.ctl("disable", "dsr/h2")
    try:
        before = balanced.verdicts()["DROP_ECHO"]
        assert not ping(network, vip)
        assert balanced.verdicts()["DROP_ECHO"] >= before + 2
    finally:
        balanced.ctl("reset", "dsr/h2")
    balanced.wait_state("dsr/h2", "up")
    wait_for(lambda: ping(network, vip), f"echo from {vip} again")


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "nat"])  # any port
@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_a_closed_port_is_told_to_the_client(network, mode, family):
    """The host's "port unreachable" quotes what came out of the way we sent it."""
    vip = MODES[mode][family]
    with network.client.socket(family_of(vip), socket.SOCK_STREAM) as sock:
        sock.settimeout(5)
        with pytest.raises(ConnectionRefusedError):
            sock.connect((vip, 4444))


# ---- lbctl doctor, and what the stack fragments ---------------------------------------------------

def findings(balanced, check):
    found = json.loads(balanced.ctl("--json", "doctor", check=False).stdout)["findings"]
    return [finding for finding in found if finding["check"] == check]


def fragments_seen(network):
    return sum(decap_at(host)["exits"]["PASS_FRAGMENT"] for host in network.fars)


def test_what_may_be_cut_is_fragmented_once_the_stack_may(network, balanced):
    """IPv4 without DF. doctor says what the kernel needs for it, and the command does it. Behind
    the router the pieces of the outer packet are the stack's: only it can put them together."""
    def send_large():
        with network.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
            sock.sendto(bytes(8000), (IPIP4[0], 7007))

    (finding,) = findings(balanced, "encap_fragment")
    assert finding["object"] == "front0"
    before = balanced.verdicts()["PASS_ENCAP_FRAGMENT"], fragments_seen(network)
    send_large()
    wait_for(lambda: balanced.verdicts()["PASS_ENCAP_FRAGMENT"] > before[0],
             "PASS_ENCAP_FRAGMENT")
    network.edge.run("sh", "-ec", finding["command"])
    try:
        assert findings(balanced, "encap_fragment") == []
        send_large()
        wait_for(lambda: fragments_seen(network) > before[1] + 5, "pieces of outer packets")
    finally:
        network.edge.sysctl("net.ipv4.conf.front0.accept_local=0")


def test_a_source_that_is_not_this_hosts_is_found(network, balanced, reloaded):
    reloaded(ipip=f'encap_source = "{SOURCES4}";')
    (finding,) = findings(balanced, "encap_source")
    assert SOURCES4 in finding["text"]
    network.edge.run("sh", "-ec", finding["command"])
    assert findings(balanced, "encap_source") == []
    network.edge.ip(f"route del local {SOURCES4} dev lo")


# ---- lbctl decap ---------------------------------------------------------------------------------

def test_a_restart_of_the_daemon_is_an_empty_plan(balanced, network):
    balanced.stop()
    assert curl(network.client, IPIP4[0], 8080)
    balanced.start()
    assert balanced.plan_is_empty()


def test_decap_is_set_up_shown_and_taken_away(network):
    host = network.servers[0]
    assert "no interface" in lbctl_at(host, "decap").stdout
    assert "attached" in lbctl_at(host, "decap", "eth0", "--mss", "1400",
                                  "--from", "10.3.0.0/24", "--from", "fd03::/64").stdout
    shown = decap_at(host)
    assert [row["name"] for row in shown["interfaces"]] == ["eth0"]
    assert sorted(shown["from"]) == ["10.3.0.0/24", "fd03::/64"]
    assert set(shown["addresses"]) >= {"10.3.0.11", "fd03::11"}
    assert shown["mss"] == 1400
    lbctl_at(host, "decap", "eth0")  # a second one replaces the first
    shown = decap_at(host)
    assert (shown["from"], shown["mss"]) == ([], None)
    assert not shown["interfaces"][0]["mss"]
    lbctl_at(host, "decap", "eth0", "--off")
    assert decap_at(host)["interfaces"] == []
    assert not host.lab.pin("h1-decap").exists()
    result = lbctl_at(host, "decap", "eth0", "--off", check=False)
    assert result.returncode == 1 and "no decap stands there" in result.stderr


def test_unload_leaves_decap_alone(network):
    host = network.servers[0]
    lbctl_at(host, "decap", "eth0")
    assert "nothing is loaded" in lbctl_at(host, "--socket", "/nonexistent", "unload").stdout
    assert len(decap_at(host)["interfaces"]) == 1
    lbctl_at(host, "decap", "eth0", "--off")
