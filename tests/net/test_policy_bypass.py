# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways around a policy, each of which reaches its server where nothing is judged, and none of which
does where its group is denied all; and what no hook sees, as docs/policy.md lists it."""

import contextlib
import ctypes
import pathlib
import socket

import pytest

from isolated import SILENT, THERE4, THERE6, THIRD4, balancer_of, network_made, policy, \
    refused, rule, shown
from lab import wait_for
from reach import DATAGRAMS, ECHOES, HEADERS, OTHERS, PACKETS, PORT, STREAMS, Reach, Server, reach

MAPPED = f"::ffff:{THERE4}"
AF_UNSPEC = bytes(16)
KINDS = pytest.mark.parametrize("kind", ["cgroup", "netns"])


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    yield from network_made(tmp_path_factory.mktemp("bypass"))


@pytest.fixture(name="lbd", scope="module")
def fixture_lbd(network, make_module_balancer):
    yield from balancer_of(network, make_module_balancer)


def nothing_judged(lbd, network):
    """There is a policy, and it is about nobody who tries."""
    lbd.reload(policy({"nobody": ("cgroup", network.cgroup.name + "-none")}, default="deny"))


def all_denied(lbd, network, kind="cgroup", **more):
    lbd.reload(policy({"here": network.group(kind)}, default="deny", **more))


def attempt(network, kind, way, address, *options):
    return reach(network.here, way, address, *network.by_packet(way), *options,
                 cgroup=None if kind == "netns" else network.cgroup)


def link_local(host):
    with host.entered():
        words = pathlib.Path("/proc/net/if_inet6").read_text().split()
    word = next(word for word in words if word.startswith("fe80"))
    return ":".join(word[i:i + 4] for i in range(0, 32, 4)) + "%eth0"


# ---- by the socket's own way -----------------------------------------------------------------


def ways():
    for way in (*STREAMS, *DATAGRAMS):
        for name, address in (("IPv4", THERE4), ("IPv6", THERE6), ("mapped", MAPPED)):
            yield pytest.param(way, address, id=f"{way}-{name}")
    for way in (*ECHOES, *HEADERS):
        yield pytest.param(way, THERE4, id=f"{way}-IPv4")
        yield pytest.param(way, THERE6, id=f"{way}-IPv6")
    for way in ("tcp", "udp", "sendto", "uring", "raw_udp", "fragments"):
        yield pytest.param(way, None, id=f"{way}-link-local")


@pytest.fixture(name="judging", params=["nothing", "cgroup", "netns"], scope="module")
def fixture_judging(request, network, lbd):
    """One policy for many attempts: one that is about nobody, and all denied to either group."""
    if request.param == "nothing":
        nothing_judged(lbd, network)
    else:
        all_denied(lbd, network, request.param)
    return request.param


@pytest.mark.parametrize("way, address", ways())
def test_every_way_works_and_none_works_where_it_is_denied(network, judging, way, address):
    passes = judging == "nothing"
    options = ("--timeout", 5000 if passes else 200)
    result = attempt(network, judging, way, address or link_local(network.there), *options)
    assert result["ok"] == passes, result
    if passes:
        wait_for(lambda: network.server.saw(result), "its packet")
    else:
        assert not network.server.saw(result)


@KINDS
@pytest.mark.parametrize("way", PACKETS)
def test_a_packet_socket_is_stopped_at_the_veth(network, lbd, kind, way):
    """Past every hook of a cgroup; the backstop stands on the host's side of the veth of a
    namespace that a member lives in."""
    nothing_judged(lbd, network)
    assert attempt(network, kind, way, THERE4, "--timeout", 5000)["ok"]
    all_denied(lbd, network, kind)
    with network.resident(lbd) if kind == "cgroup" else contextlib.nullcontext():
        result = attempt(network, kind, way, THERE4, *SILENT)
    assert not result["ok"] and not network.server.saw(result)


@pytest.mark.parametrize("way", PACKETS)
def test_packet_sockets_can_be_denied_whatever_they_send(network, lbd, way):
    """The rules allow what it says; the group may not say it in this way."""
    everything = rule("allow")
    lbd.reload(policy({"here": network.group("netns")}, everything))
    assert attempt(network, "netns", way, THERE4, "--timeout", 5000)["ok"]
    lbd.reload(policy({"here": network.group("netns")}, everything,
                      sockets=['{ group = "here"; deny = [ "packet" ]; }']))
    result = attempt(network, "netns", way, THERE4, *SILENT)
    assert not network.server.saw(result)
    assert attempt(network, "netns", "udp", THERE4, "--timeout", 5000)["ok"]


@pytest.mark.parametrize("way", ["fastopen", "fastopen_connect"])
@pytest.mark.parametrize("address", [THERE4, THERE6], ids=["IPv4", "IPv6"])
def test_data_in_a_syn_does_not_come_in(network, lbd, way, address):
    """The other way: the server is the one that is governed."""
    nothing_judged(lbd, network)
    assert reach(network.here, way, address, "--timeout", 5000)["ok"]
    lbd.reload(policy({"there": ("netns", network.there.name)}, default="deny"))
    result = reach(network.here, way, address, *SILENT)
    assert not result["ok"] and not network.server.heard(result)


def test_several_destinations_of_one_socket_are_judged_each(network, lbd):
    lbd.reload(policy({"here": network.group("netns")}, rule("allow", "here", THERE4, "udp"),
                      default="deny"))
    with network.here.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        for _ in range(3):
            sock.sendto(b"reach-several", (THERE4, PORT))
            assert sock.recv(100) == b"reach-several"
            with pytest.raises(PermissionError):
                sock.sendto(b"reach-several", (THIRD4, PORT))
        sock.connect((THERE4, PORT))
        with pytest.raises(PermissionError):
            sock.sendto(b"reach-several", (THIRD4, PORT))


def unconnect(sock):
    """connect(AF_UNSPEC): past the hook, and no packet goes anywhere by it."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.connect(sock.fileno(), AF_UNSPEC, len(AF_UNSPEC)) == 0


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_a_socket_that_was_allowed_once_is_judged_anew(network, lbd, kind):
    """Connected, taken apart and connected to somebody else; and, of datagrams, connected again."""
    third = Server(network.third)
    nothing_judged(lbd, network)
    with network.here.socket(socket.AF_INET, kind) as sock:
        sock.connect((THERE4, PORT))
        unconnect(sock)
        sock.connect((THIRD4, PORT))  # it can be done
    lbd.reload(policy({"here": network.group("netns")}, rule("allow", "here", THERE4),
                      default="deny"))
    with network.here.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(5)
        sock.connect((THERE4, PORT))
        sock.send(b"reach-first")
        assert sock.recv(100) == b"reach-first"
        if kind == socket.SOCK_DGRAM:
            with pytest.raises(PermissionError):
                sock.connect((THIRD4, PORT))
        unconnect(sock)
        with pytest.raises(PermissionError):
            sock.connect((THIRD4, PORT))
    third.process.end()


def test_a_shared_port_opens_no_door(network, lbd):
    """SO_REUSEPORT: who is denied to answer does not, however many sockets share his port."""
    lbd.reload(policy({"there": ("netns", network.there.name)}, default="deny"))
    with network.there.entered():
        shared = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    try:
        for sock in shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind((THERE4, PORT + 7))
            sock.settimeout(0.2)
        with network.third.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            for _ in range(8):
                asker.sendto(b"reach-shared", (THERE4, PORT + 7))
        for sock in shared:
            with pytest.raises(TimeoutError):
                sock.recv(100)
    finally:
        for sock in shared:
            sock.close()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_options_of_ip_hide_nothing(network, lbd, kind):
    def sent():
        with network.here.socket(socket.AF_INET, kind) as sock:
            sock.settimeout(2)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x01" * 4)
            sock.connect((THERE4, PORT))
            sock.send(b"reach-options")
            return sock.recv(100)
    nothing_judged(lbd, network)
    assert sent() == b"reach-options"
    all_denied(lbd, network, "netns")
    with pytest.raises(PermissionError):
        sent()


IPV6_DSTOPTS, IPV6_HOPOPTS = 59, 54
PADDED = bytes([0, 0, 1, 4, 0, 0, 0, 0])  # an extension with nothing but padding


@pytest.mark.parametrize("options", [(IPV6_DSTOPTS,), (IPV6_HOPOPTS, IPV6_DSTOPTS)],
                         ids=["destination", "chain"])
def test_extension_headers_hide_nothing(network, lbd, options):
    """The rule is about a port behind them: the other one passes."""
    def sent(port):
        with network.here.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            for option in options:
                sock.setsockopt(socket.IPPROTO_IPV6, option, PADDED)
            sock.sendto(b"reach-extension", (THERE6, port))
            return sock.recv(100)
    other = Server(network.there, port=PORT + 8)
    nothing_judged(lbd, network)
    assert sent(PORT) == sent(PORT + 8) == b"reach-extension"
    lbd.reload(policy({"here": network.group("netns")},
                      rule("allow", "here", None, "udp", [PORT + 8]), default="deny"))
    assert sent(PORT + 8) == b"reach-extension"
    with pytest.raises(PermissionError):
        sent(PORT)
    other.process.end()


# ---- by somebody else's socket ---------------------------------------------------------------


@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_a_descriptor_that_is_given_away_is_still_its_maker_s(network, lbd, tmp_path, way):
    """Made in the group and used by one outside of it."""
    path = tmp_path / "descriptor"
    nothing_judged(lbd, network)
    taker = Reach(network.here, way, THERE4, "--take", path, "--after", "socket")
    assert reach(network.here, way, THERE4, "--give", path, "--after", "socket",
                 cgroup=network.cgroup)["ok"]
    assert taker.result()["ok"]
    all_denied(lbd, network)
    taker = Reach(network.here, way, THERE4, "--take", path, "--after", "socket", *SILENT)
    assert reach(network.here, way, THERE4, "--give", path, "--after", "socket",
                 cgroup=network.cgroup)["ok"]
    result = taker.result()
    assert not result["ok"] and not network.server.saw(result)


@pytest.mark.parametrize("way", ["tcp", "udp", "raw"])
def test_a_descriptor_that_is_taken_is_stopped_at_the_veth(network, lbd, tmp_path, way):
    """Made outside of the group, in the same namespace: its cgroup is its maker's for ever."""
    path = tmp_path / "descriptor"
    nothing_judged(lbd, network)
    taker = Reach(network.here, way, THERE4, "--take", path, "--after", "socket",
                  cgroup=network.cgroup)
    assert reach(network.here, way, THERE4, "--give", path, "--after", "socket")["ok"]
    assert taker.result()["ok"]
    all_denied(lbd, network)
    with network.resident(lbd):
        taker = Reach(network.here, way, THERE4, "--take", path, "--after", "socket", *SILENT,
                      cgroup=network.cgroup)
        assert reach(network.here, way, THERE4, "--give", path, "--after", "socket")["ok"]
        result = taker.result()
    assert not result["ok"] and not network.server.saw(result)


def test_limit_a_socket_of_another_namespace_is_that_namespace_s(network, lbd, tmp_path):
    """What a process outside gives in leads out of that one's namespace, not by the group's veth:
    no hook of the taker's meets it. Whoever may pass descriptors in is trusted by the group."""
    path = tmp_path / "descriptor"
    all_denied(lbd, network)
    taker = Reach(network.here, "udp", THERE4, "--take", path, "--after", "socket",
                  cgroup=network.cgroup)
    assert reach(network.third, "udp", THERE4, "--give", path, "--after", "socket")["ok"]
    result = taker.result()
    assert result["ok"] and network.server.heard(result)


@pytest.mark.parametrize("after", ["socket", "connect"])
def test_a_socket_that_is_older_than_its_owner_is_in_the_cgroup(network, lbd, after):
    all_denied(lbd, network)
    older = Reach(network.here, "tcp", THERE4, "--pause", "--after", after, *SILENT).paused()
    with network.resident(lbd):
        network.cgroup.add(older.pid)
        result = older.go_on()
    assert not result["ok"] and not network.server.heard(result)


def test_a_cgroup_below_is_the_group_s(network, lbd):
    child = network.cgroup.child("nested")
    grandchild = child.child("deeper")
    try:
        nothing_judged(lbd, network)
        assert reach(network.here, "tcp", THERE4, "--timeout", 5000, cgroup=grandchild)["ok"]
        all_denied(lbd, network)
        for cgroup in (child, grandchild):
            assert refused(reach(network.here, "tcp", THERE4, cgroup=cgroup)) == \
                ("EPERM", "connect")
        late = grandchild.child("late")  # made just now, by the group's own process as it were
        assert refused(reach(network.here, "tcp", THERE4, cgroup=late)) == ("EPERM", "connect")
    finally:
        child.remove()


@pytest.mark.parametrize("way", ["tcp", "udp", "mptcp", "uring", "ping"])
def test_the_host_s_network_is_no_way_out_of_the_cgroup(network, lbd, way):
    nothing_judged(lbd, network)
    assert reach(network.edge, way, THERE4, "--timeout", 5000, cgroup=network.cgroup)["ok"]
    all_denied(lbd, network)
    result = reach(network.edge, way, THERE4, *SILENT, cgroup=network.cgroup)
    assert not result["ok"] and not network.server.saw(result)


def test_limit_packet_sockets_in_the_host_s_network(network, lbd):
    """There is no veth: a group that has the host's network must not have CAP_NET_RAW."""
    all_denied(lbd, network)
    options = ("--device", "br0", "--mac", network.there.mac("eth0"))
    result = reach(network.edge, "packet", THERE4, *options, *SILENT, cgroup=network.cgroup)
    assert network.server.saw(result)


def test_a_socket_stays_its_namespace_s_when_its_owner_leaves(network, lbd):
    """setns() with an old socket, both ways."""
    lbd.reload(policy({"here": network.group("netns")}, default="deny"))
    with network.here.entered():
        mine = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with mine, network.third.entered():
        with pytest.raises(PermissionError):
            mine.connect((THERE4, PORT))
    with network.third.entered():
        other = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with other, network.here.entered():
        other.settimeout(5)
        other.connect((THERE4, PORT))


@pytest.mark.parametrize("way", OTHERS)
def test_limit_sockets_of_other_families_reach_no_hook(network, lbd, way):
    """Nor a word of policy.sockets: a seccomp profile refuses them."""
    all_denied(lbd, network, sockets=['{ group = "here"; deny = [ "raw", "packet", "other" ]; }'])
    assert attempt(network, "cgroup", way, THERE4)["ok"]
    lbd.conf.write_text(policy({"here": network.group()},
                               sockets=[f'{{ group = "here"; deny = [ "{way}" ]; }}']))
    refusal = lbd.ctl("check", lbd.conf, check=False)
    assert refusal.returncode == 1 and "seccomp" in refusal.stderr, refusal.stderr


def test_what_the_veth_refused_is_told_as_such(network, lbd):
    all_denied(lbd, network, "netns")
    attempt(network, "netns", "packet", THERE4, *SILENT)
    wait_for(lambda: any("at the veth" in event["text"] for event in shown(lbd)["events"]),
             "the event")
