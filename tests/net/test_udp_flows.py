# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP has no first packet: by default its flows follow their slot; with track = "always" they are
remembered, as long as they are not silent for the idle timeout."""

import signal
import socket

import pytest

from balancer import backend, config, service
from lab import Lab, wait_for
from live import moving, operations
from topology import VIP4, Bridged
from traffic import EchoServer

PORTS = {"always": 7001, "moves": 7002}
COUNT = 120


class Askers:
    """UDP clients, each with a port that it keeps."""

    def __init__(self, namespace, port):
        self.socks = [namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(COUNT)]
        for sock in self.socks:
            sock.settimeout(5)
            sock.connect((VIP4, port))

    def ask(self):
        """Who answers each of them."""
        answers = []
        for sock in self.socks:
            sock.send(b"?")
            answers.append(sock.recv(100).split()[0].decode())
        return answers

    def close(self):
        for sock in self.socks:
            sock.close()


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    lab = Lab(tmp_path_factory.mktemp("udp"))
    try:
        network = Bridged(lab, 4)
        for number, host in enumerate(network.servers, 1):
            for port in PORTS.values():
                EchoServer(host, network.addresses(number)[0], port=port)
        yield network
    finally:
        lab.close()


@pytest.fixture(name="ask")
def fixture_ask(network):
    """Makes clients of the service of that name."""
    made = []

    def make(name):
        made.append(Askers(network.client, PORTS[name]))
        return made[-1]

    yield make
    for askers in made:
        askers.close()


def scaled(network, count):
    return config(*[
        service(name, [VIP4], [backend(f"c{i}", network.addresses(i)[0], port=port)
                               for i in range(1, count + 1)],
                protocol="udp", ports=[port], extra=f'track = "{name}"; idle_timeout = "1s";')
        for name, port in PORTS.items()])


def moved(before, after):
    """Where those went that another answers than before."""
    return [new for old, new in zip(before, after) if new != old]


def mostly_new(went):
    """To the one that was added; a ring of this size moves a few slots more."""
    return 3 * went.count("c4") > 2 * len(went) > 0


def test_flows_follow_their_slot_or_are_remembered(network, lbd, ask, capsys):
    lbd.start(scaled(network, 3))
    always, moves = ask("always"), ask("moves")
    always_before, moves_before = always.ask(), moves.ask()
    assert set(always_before) == set(moves_before) == {"c1", "c2", "c3"}
    lbd.reload(scaled(network, 4))
    assert moving(lbd, "always") > 0
    assert always.ask() == always_before
    went = moved(moves_before, moves.ask())
    assert mostly_new(went) and len(went) < COUNT / 2
    assert "c4" in ask("always").ask()  # those that begin now
    lbd.stop(signal.SIGKILL)
    lbd.start()
    assert operations(lbd) == []
    assert always.ask() == always_before
    with capsys.disabled():
        print(f"\nudp, 3 → 4 backends: {len(went)} of {COUNT} flows followed their slot, with "
              f'track = "always" 0 of {COUNT}')
    # All are silent until their slots have settled, which is longer than any is remembered.
    wait_for(lambda: moving(lbd, "always") + moving(lbd, "moves") == 0, "settled slots")
    assert mostly_new(moved(always_before, always.ask()))


def test_remembered_flows_of_a_lost_backend_get_another_and_the_rest_stay(network, lbd, ask):
    lbd.start(scaled(network, 3))
    always = ask("always")
    before = always.ask()
    lbd.ctl("disable", "always/c2")
    after = always.ask()
    assert set(after) == {"c1", "c3"}
    assert all(new == old for old, new in zip(before, after) if old != "c2")
    lbd.ctl("enable", "always/c2")
    lbd.wait_state("always/c2", "up")
    assert always.ask() == after
