# SPDX-License-Identifier: GPL-2.0-or-later
"""In time: containers that are started, and send at once what they may not, and end. What comes of
it is counted where it would arrive, below all that could drop it there.

    EDGELB_NEWCOMERS=500    how many containers come and go while the daemon looks on"""

import concurrent.futures
import json
import os
import signal
import time

import pytest

import docker
from contained import ALLOWED, CLIENTS, FORBIDDEN, Containers, conf, group, missing, policed, \
    rule, wait_groups
from lab import Lab, wait_for
from newcomer import PORT, Watch

NUMBER = int(os.environ.get("EDGELB_NEWCOMERS", "24"))
WHILE_AWAY = max(8, NUMBER // 10)
AT_ONCE = 4


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    if missing(docker):
        pytest.skip(missing(docker))
    lab = Lab(tmp_path_factory.mktemp("newcomers"))
    try:
        network = Containers(lab, docker.Docker)
        network.server("anchor")  # the parent is governed where one container was found
        yield network
    finally:
        lab.close()


@pytest.fixture(name="lbd")
def fixture_lbd(network, make_balancer):
    for lbd in policed(make_balancer, network):
        # Whoever is jailed may go nowhere: so whoever is new may not, until it has its name.
        lbd.start(conf(network.runtime.socket,
                       [group("first", "container", "first-*"), group("jail", "label", "jail"),
                        CLIENTS],
                       [rule("reject", "first", FORBIDDEN), rule("reject", "jail")]))
        wait_groups(lbd, {"anchor": None})
        yield lbd


def newcomer(network, name, *options):
    """What it told; it is gone again then."""
    ran = network.runtime.run("run", "--rm", "--name", name, *options, "busybox-www",
                              "/bin/newcomer", FORBIDDEN, ALLOWED, PORT, check=False)
    assert ran.stdout, (name, ran.stderr)
    return json.loads(ran.stdout)


def come(network, kind, number, *options):
    """So many, some at once; what each of them told."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda i: newcomer(network, f"first-{kind}-{i}", *options),
                             range(number)))


def assert_refused(told):
    """Of every one the first datagram and the first SYN, by errno. How many had to try again."""
    assert {(one["udp"], one["tcp"]) for one in told} == {("ECONNREFUSED", "ECONNREFUSED")}
    assert {one["error"] for one in told} == {"0"}
    return sum(one["tries"] > 1 for one in told)


def test_the_watch_sees_what_nobody_forbids(network):
    """A control: without a policy it does arrive."""
    watch = Watch(network.client, "eth0", FORBIDDEN, ALLOWED)
    told = come(network, "control", 2)
    counts = watch.close()
    assert all(one["udp"] == "0" and one["tcp"] in ("0", "ETIMEDOUT") for one in told)
    assert counts[FORBIDDEN] >= 8 and counts[ALLOWED] >= 4


def test_no_packet_of_a_newcomer_is_missed(network, lbd):  # pylint: disable=unused-argument
    watch = Watch(network.client, "eth0", FORBIDDEN, ALLOWED)
    begin = time.monotonic()
    told = come(network, "lives", NUMBER)
    seconds = time.monotonic() - begin
    counts = watch.close()
    again = assert_refused(told)
    slowest = max(one["ms"] for one in told)
    print(f"{NUMBER} containers in {seconds:.0f} s: {counts[FORBIDDEN]} forbidden packets, "
          f"{counts[ALLOWED]} allowed; {again} had to try again, the slowest for {slowest} ms")
    assert counts[FORBIDDEN] == 0
    assert counts[ALLOWED] >= 2 * NUMBER


@pytest.mark.parametrize("shared", [False, True], ids=["own parent", "slice of services"])
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["STOP", "KILL"])
def test_nor_is_one_while_the_daemon_is_away(network, lbd, number, shared):
    """They are new as long as nobody says who they are; jailed, for that matter."""
    options = ("--cgroup-parent", f"/{network.runtime.shared}") if shared else ()
    if shared:
        network.server("anchor-2", *options)
        wait_groups(lbd, {"anchor-2": None})
    watch = Watch(network.client, "eth0", FORBIDDEN, ALLOWED)
    try:
        lbd.process.signal(number)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            running = [pool.submit(newcomer, network, f"first-{i}", *options)
                       for i in range(WHILE_AWAY)]
            # The first ones are there, and try.
            wait_for(lambda: len(network.runtime.run(
                "ps", "-q", "--filter", "name=first-").stdout.split()) == AT_ONCE, "newcomers", 15)
            if number == signal.SIGSTOP:
                lbd.process.signal(signal.SIGCONT)
            else:
                lbd.process.wait()
                lbd.start()
            told = [one.result() for one in running]
    finally:
        lbd.process.signal(signal.SIGCONT)
        counts = watch.close()
        if shared:
            network.runtime.run("rm", "-f", "anchor-2", check=False)
    assert_refused(told)
    assert counts[FORBIDDEN] == 0
    assert counts[ALLOWED] >= 2 * WHILE_AWAY
