# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of isolation stand on: control groups that come and go, and attempts that reach
whom they want where nothing forbids it. A way that never works would prove no policy right."""

import json
import os
import pathlib
import shutil
import signal
import socket

import pytest

import cgroups
from cgroups import Cgroup
from lab import Lab, wait_for
from reach import DATAGRAMS, ECHOES, HEADERS, OTHERS, PACKETS, PORT, REACH, STREAMS, Reach, \
    Server, open_to_all_ways, reach
from topology import Bridged

HERE4, HERE6 = Bridged.addresses(1)
THERE4, THERE6 = Bridged.addresses(2)
MAPPED = f"::ffff:{THERE4}"
NO_SUCH_KIND = ("EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EAFNOSUPPORT", "ENOSYS")


def has_sctp():
    """A module of its own, which few kernels have."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


SCTP = ("sctp",) if has_sctp() else ()


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    if cgroups.missing():
        pytest.skip(cgroups.missing())
    lab = Lab(tmp_path_factory.mktemp("reach"))
    try:
        network = Bridged(lab, containers=2)
        network.here, network.there = network.servers
        for host in network.servers:
            open_to_all_ways(host)
        network.server = Server(network.there, multipath=True)
        network.cgroup = Cgroup(lab, "client")
        yield network
    finally:
        lab.close()


def link_options(network, way):
    """A packet socket needs to know a link and its neighbour."""
    if way not in PACKETS:
        return ()
    return ("--device", "eth0", "--mac", network.there.mac("eth0"))


def attempt(network, way, address, *options):
    result = reach(network.here, way, address, *link_options(network, way), *options,
                   cgroup=network.cgroup)
    if result["errno"] in NO_SUCH_KIND and result["step"] == "socket":
        pytest.skip(f"this kernel has no {way}")
    return result


@pytest.mark.parametrize("address", [THERE4, THERE6, MAPPED], ids=["IPv4", "IPv6", "mapped"])
@pytest.mark.parametrize("way", [*STREAMS, *DATAGRAMS, *SCTP])
def test_a_socket_reaches_by_every_address(network, way, address):
    result = attempt(network, way, address)
    assert result["ok"], result
    assert network.server.heard(result)
    assert result.get("syn_data", way.startswith("fastopen")) == way.startswith("fastopen")
    assert result.get("multipath", way == "mptcp") == (way == "mptcp")


@pytest.mark.parametrize("address", [THERE4, THERE6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("way", ECHOES)
def test_an_echo_comes_back(network, way, address):
    result = attempt(network, way, address)
    assert result["ok"], result
    wait_for(lambda: network.server.saw(result), "its packet")


@pytest.mark.parametrize("address", [THERE4, THERE6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("way", [*HEADERS, *PACKETS])
def test_headers_of_its_own_reach_a_udp_server(network, way, address):
    result = attempt(network, way, address)
    assert result["ok"], result
    assert network.server.heard(result)
    if way in HEADERS[1:]:  # IPv6 fragments carry their own protocol number
        assert network.server.packets(44 if ":" in address else 17)


@pytest.mark.parametrize("way", ["tcp", "udp", "uring", "raw_udp", "fragments"])
def test_an_address_of_the_link_needs_its_scope(network, way):
    with network.there.entered():
        words = pathlib.Path("/proc/net/if_inet6").read_text().split()
    link_local = next(word for word in words if word.startswith("fe80"))
    address = ":".join(link_local[i:i + 4] for i in range(0, 32, 4))
    result = attempt(network, way, f"{address}%eth0")
    assert result["ok"], result
    assert network.server.heard(result)


@pytest.mark.parametrize("way", ["tcp", "udp", "uring"])
def test_a_source_may_be_chosen(network, way):
    result = attempt(network, way, THERE4, "--from", HERE4)
    assert result["ok"], result
    refused = attempt(network, way, THERE4, "--from", "192.0.2.77")
    assert (refused["errno"], refused["step"]) == ("EADDRNOTAVAIL", "socket")


def test_a_source_port_may_be_chosen(network):
    with network.here.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HERE4, 0))
        number = taken.getsockname()[1]
        refused = attempt(network, "udp", THERE4, "--from", HERE4, "--port", number)
        assert (refused["errno"], refused["step"]) == ("EADDRINUSE", "socket")
    assert attempt(network, "udp", THERE4, "--from", HERE4, "--port", number)["ok"]


@pytest.mark.parametrize("way", OTHERS)
def test_a_socket_of_another_family_is_made(network, way):
    assert attempt(network, way, THERE4)["ok"]


@pytest.mark.parametrize("way, step", [
    ("tcp", "connect"), ("mptcp", "connect"), ("uring", "connect"), ("uring_poll", "connect"),
    ("udp", "answer"), ("fastopen", "answer"), ("fastopen_connect", "answer")])
def test_a_refusal_has_its_name_and_its_step(network, way, step):
    result = reach(network.here, way, THERE4, port=PORT + 1)
    assert (result["ok"], result["errno"], result["step"]) == (False, "ECONNREFUSED", step)
    assert not network.server.heard(result)


@pytest.mark.parametrize("way", [*STREAMS, *DATAGRAMS, *ECHOES, *HEADERS, *PACKETS])
def test_nothing_is_reached_that_cannot_be(network, way):
    """The link is there, and nobody takes what comes: no attempt says that it was answered."""
    options = link_options(network, way)
    network.edge.ip("link set v2 nomaster")
    try:
        result = reach(network.here, way, THERE4, *options, "--timeout", 100)
    finally:
        network.edge.ip("link set v2 master br0")
    assert not result["ok"] and result["errno"] in ("ETIMEDOUT", "EHOSTUNREACH"), result
    assert not network.server.saw(result)


def cgroup_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next(line[3:].lstrip("/") for line in lines if line.startswith("0::"))


@pytest.mark.parametrize("after", ["socket", "connect"])
def test_a_socket_may_be_older_than_its_process_is_in_the_cgroup(network, after):
    before = network.server.accepted()
    found = Reach(network.here, "tcp", THERE4, "--pause", "--after", after).paused()
    wanted = before + (after == "connect")
    wait_for(lambda: network.server.accepted() >= wanted, "the connection")
    assert network.server.accepted() == wanted
    assert cgroup_of(found.pid) != network.cgroup.name
    network.cgroup.add(found.pid)
    assert cgroup_of(found.pid) == network.cgroup.name
    assert network.server.heard(found.go_on())


@pytest.mark.parametrize("after", ["socket", "connect"])
@pytest.mark.parametrize("way", ["tcp", "udp", "raw"])
def test_a_descriptor_is_passed_into_the_cgroup(network, tmp_path, way, after):
    path = tmp_path / "descriptor"
    taker = Reach(network.here, way, THERE4, "--take", path, "--after", after,
                  cgroup=network.cgroup)
    assert reach(network.here, way, THERE4, "--give", path, "--after", after)["ok"]
    result = taker.result()
    assert result["ok"], result
    wait_for(lambda: network.server.saw(result), "its packet")


def test_an_open_connection_is_used_again(network):
    found = Reach(network.here, "tcp", THERE6, "--again", cgroup=network.cgroup)
    results = [found.result(), found.again(), found.again()]
    assert all(result["ok"] and network.server.heard(result) for result in results), results
    assert len({result["text"] for result in results}) == 3


def test_a_step_that_failed_is_tried_again(network):
    found = Reach(network.here, "udp", THERE4, "--again", port=PORT + 2)
    assert found.result()["errno"] == "ECONNREFUSED"
    late = Server(network.there, port=PORT + 2)
    result = found.again()
    assert result["ok"] and late.heard(result)


def test_a_root_with_nothing_else_in_it_is_enough(network, tmp_path):
    """As a container may be."""
    shutil.copy(REACH, tmp_path)
    told = network.here.run("chroot", tmp_path, "/reach", "tcp", THERE6, PORT).stdout
    assert network.server.heard(json.loads(told))


# ---- control groups --------------------------------------------------------------------------


def test_what_runs_in_a_cgroup_that_is_removed_is_ended(network):
    parent = Cgroup(network.lab, "parent")
    child = parent.child("child")
    running = [network.here.start("sleep", 1000, cgroup=group) for group in (parent, child)]
    for process, group in zip(running, (parent, child)):
        wait_for(lambda process=process, group=group: process.pid in group.pids(), "to join")
        assert cgroup_of(process.pid) == group.name
    parent.remove()
    assert [process.wait() for process in running] == [-signal.SIGKILL] * 2
    assert not parent.path.exists()


def test_a_cgroup_of_the_same_name_is_another_one(network):
    first = Cgroup(network.lab, "again")
    number, name = first.id, first.name
    first.remove()
    second = Cgroup(network.lab, "again")
    assert second.name == name and second.id != number


def test_cgroups_end_with_their_lab_after_a_failure_too(network, tmp_path):
    lab = Lab(tmp_path)
    group = Cgroup(lab, "group")

    def fail():
        raise RuntimeError("as a test's own end may")
    lab.at_close(fail)
    process = lab.process(group.command("sleep", 1000), tmp_path / "log")
    with pytest.raises(RuntimeError):
        lab.close()
    assert not group.path.exists() and not process.running()


def test_what_a_killed_run_left_is_swept_and_a_living_one_s_is_not(network):
    mine = Cgroup(network.lab, "mine")
    pid = next(pid for pid in range(os.getpid(), 1 << 22) if not os.path.exists(f"/proc/{pid}"))
    left = cgroups.root() / f"{cgroups.PREFIX}{pid}-1-left" / "child"
    left.mkdir(parents=True)
    cgroups.sweep()
    assert not left.parent.exists() and mine.path.exists()
