# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods while slots are in motion, which is the only time at which there is a table to fill:
SYNs of random sources, and ACKs that belong to nobody. Established connections stay, and honest
new ones get through."""

import json

import pytest

from balancer import config
from lab import Lab
from live import (FULL, PATTERN, PORT, Echoing, assert_untouched, flows, metric, moving, of_server)
from topology import VIP4

CONNECTIONS = 1000
FRAMES, RATE = (1000000, 30000) if FULL else (120000, 30000)
FORGED = "16.0.0.0/4"  # where the flood's sources are


class Flooded(Echoing):
    """The forged sources are unreachable from the containers: what is under test are the
    balancer's tables, not how many SYNs a server's kernel can answer."""

    def __init__(self, lab):
        super().__init__(lab, 8)
        for host in self.servers:
            host.ip(f"route add blackhole {FORGED}")

    def flood(self, kind):
        return self.client.start(PATTERN, "flood", kind, "eth0", self.edge.mac("front0"), VIP4,
                                 PORT, FRAMES, RATE)


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    lab = Lab(tmp_path_factory.mktemp("flood"))
    try:
        yield Flooded(lab)
    finally:
        lab.close()


def scaled(network, count, extras=None):
    """Without checks: whether a check gets through a flood is not asked here."""
    return config(network.service(*range(1, count + 1), extras=extras,
                                  extra='check: { type = "none"; };'))


@pytest.mark.parametrize("kind", ["syn", "ack"])
def test_flows_and_new_connections_survive_a_flood(network, lbd, kind, capsys):
    """Half of the live ones began before the motion, half during the flood; then the slots move
    once more."""
    lbd.start(scaled(network, 3))
    with flows(network.client, VIP4, PORT, CONNECTIONS, "--new", 200) as before:
        lbd.reload(scaled(network, 8))
        assert moving(lbd) > 500
        start = before.now()
        flood = network.flood(kind)
        with flows(network.client, VIP4, PORT, CONNECTIONS) as during:
            lbd.reload(scaled(network, 8, {number: "weight = 0; " for number in (1, 5, 7)}))
            assert flood.wait(120) == 0, flood.output()
            end = before.now()
            during.wait_more(2)
            assert_untouched(during.end())
    told = before.end()
    sent = json.loads(flood.output())
    honest = end["new"] - start["new"], end["new_failed"] - start["new_failed"]
    with capsys.disabled():
        print(f"\nflood of {kind}s: {sent['sent']} frames in {sent['seconds']:.1f} s, new "
              f"connections {honest[0]}, failed {honest[1]}, longest "
              f"{told['longest_new_ms']} ms, records lost {metric(lbd, 'records_lost_total')}, "
              f"longest stall {told['longest_stall_ms']} ms")
    assert sent["sent"] >= FRAMES * 0.99
    assert lbd.verdicts()["REDIRECT_NAT"] > FRAMES * 0.95, "the flood went past the balancer"
    assert_untouched(told)
    assert honest[0] >= 200 and honest[1] <= honest[0] * 0.01
    assert of_server(told, 8)["new"] > 0
    assert (metric(lbd, "records_lost_total") > 0) == (kind == "syn")
