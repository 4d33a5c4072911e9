# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows when something is not as it should be: the daemon stands still, a backend is gone, more
fails than can be told, a name is no text."""

import errno
import os
import signal
import subprocess
import time

import pytest

from balancer import backend, config, service
from isolated import network_made
from lab import wait_for
from live import FULL
from seen import ask, ended, flow, flows, flows_part, talker
from topology import VIP4, VIP6
from watched import HERE, PORT, THERE, Watched, alone, balanced, closed, joined


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    yield from network_made(tmp_path_factory.mktemp("flows"), Watched)


@pytest.fixture(name="hostile")
def fixture_hostile(network):
    """In a cgroup whose name is anything but text: bytes of no character, a quote, a backslash."""
    made = talker(network.servers[2], os.fsdecode(b'a\xff"\\\xc3b'), parent=network.here.cgroup)
    yield made
    made.end()
    made.cgroup.remove()


def test_a_cgroup_of_any_name_loses_no_scrape(network, lbd, hostile):
    lbd.start(alone(network))
    joined(hostile, network.there, THERE[0])
    closed(hostile, network.there)
    wait_for(lambda: lbd.show()["flows"]["ended_kept"] == 2, "the ends")
    name = network.here.cgroup.name + r'/a\\xff\"\\\\xc3b'
    text = lbd.namespace.run("curl", "-sSf", "--unix-socket", lbd.socket,
                             "http://lbd/metrics").stdout
    labels = f'container="{name}",direction="out",protocol="tcp"'
    assert f"edgelb_container_flows_total{{{labels}}} 1\n" in text
    subprocess.run(["promtool", "check", "metrics"], check=True, input=text, text=True)


def test_a_flow_keeps_its_service_when_its_backend_is_gone(network, lbd):
    lbd.start(balanced(network))
    port = joined(network.outside, network.here, HERE[0], 8080, VIP4, 80)
    assert flow(lbd, container=network.here.cgroup.name)["service"] == "web"
    lbd.conf.write_text(config(service("other", [VIP6], [backend("c2", THERE[1])]),
                               extra=flows_part(*network.all)))
    lbd.json("reload", "--break", "web", "--break", "direct")
    joined(network.third, network.here, HERE[0], 8080, name="direct")
    services = {row["remote"].rsplit(":", 1)[1] == str(port): row["service"]
                for row in flows(lbd, container=network.here.cgroup.name)}
    assert services == {True: "web", False: None}
    network.here("reset")
    network.outside("reset")
    assert ended(lbd, container=network.here.cgroup.name, port=port)["service"] == "web"
    closed(network.third, network.here, "direct")


class Still:
    """While the daemon stands still."""

    def __init__(self, balancer):
        self.process = balancer.process

    def __enter__(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.process.pid, signal.SIGCONT)


def test_a_daemon_that_stands_still_costs_rows_and_no_byte(network, lbd):
    """More connections than there are records, of which each does what it is to do."""
    here, there, count = network.here, network.there, 0
    lbd.start(alone(network, extra="records = 1024; ", stands=[here.cgroup]))
    until = time.monotonic() + (60 if FULL else 0)
    there("listen", "listener", address=THERE[0], port=PORT)
    with Still(lbd):
        while count < 1300 or time.monotonic() < until:
            here("connect", address=THERE[0], port=PORT)
            there("accept", listener="listener")
            here("send", size=1000)
            assert there("receive", size=1000) == 1000
            there("send", size=77)
            assert here("receive", size=77) == 77
            closed(here, there)
            count += 1
    there("close", "listener")
    wait_for(lambda: not flows(lbd), "the end of all that had a record")
    told = ask(lbd, "/v1/flows", since=3600)
    rows, other = told["flows"], told["other"]
    assert other["flows"] > 0 and told["forgotten"] == other["no_memory"] == 0
    for figure, sent in (("bytes_out", 1000), ("bytes_in", 77)):
        assert sum(row[figure] for row in rows) + other[figure] == sent * count, figure
    assert len(rows) + other["flows"] == count
    joined(here, there, THERE[0])
    assert flow(lbd)["container"] == here.cgroup.name  # there is room again
    closed(here, there)


def test_beyond_a_hundred_failures_a_second_their_number_is_told(network, lbd):
    lbd.start(alone(network, stands=[network.here.cgroup]))
    with Still(lbd):
        for port in range(10_000, 10_150):
            with pytest.raises(OSError, match=errno.errorcode[errno.ECONNREFUSED]):
                network.here("connect", address=THERE[0], port=port)
            network.here("close")

    def told():
        return [row for row in ask(lbd, "/v1/events")["events"] if row["kind"] == "flow"]
    wait_for(lambda: told() and told()[-1]["to"] == "failed", "the sum of the rest")
    *each, rest = told()
    assert [row["remote"] for row in each] == [f"{THERE[0]}:{port}" for port in
                                               range(10_000, 10_100)]
    assert (rest["object"], rest["cause"]) == ("50 more flows",
                                               "more than are told in a second")
