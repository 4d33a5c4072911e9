# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows of real Docker containers, held against what clients and servers know that they sent: by
vips and directly, of every kind and end, byte for byte, while containers start and die."""

import os

import pytest

import docker
import talk
from balancer import TUNING, service
from contained import Containers, missing
from lab import Lab, wait_for
from metrics import scrape, wait_metric
from seen import ENDED, ask
from talk import PORT, TALK
from topology import VIP4

SERVERS = ("srv-1", "srv-2")
TCP, UDP = (int(os.environ.get("EDGELB_FLOWS", 3000)), 500)  # of each of the three clients
NEWCOMERS, NEW_TCP = 10, max(TCP // 30, 1)
VIP, NOBODY = f"{VIP4}:{PORT}", PORT + 1


def conf(network):
    backends = [f'{{ name = "{name}"; container = "{name}"; }}' for name in SERVERS]
    services = ",\n  ".join(service(f"talk-{protocol}", [VIP4], backends, protocol=protocol,
                                    ports=[PORT]) for protocol in ("tcp", "udp"))
    return (f'version = 1;\n{TUNING}containers: {{ socket = "{network.runtime.socket}"; }};\n'
            'interfaces = ( { name = "front0"; } );\n'
            'defaults: { check: { type = "none"; }; };\n'
            f'services = (\n  {services}\n);\n'
            'flows: { interval = "1s"; idle = "5s"; '
            f'cgroups = [ "{network.runtime.cgroup}" ]; }};\n')


class Talking(Containers):
    """The edge host with servers in containers; whoever talks to them comes in a test."""

    def __init__(self, lab):
        super().__init__(lab, docker.Docker)
        self.ids = {}
        for name in SERVERS:
            self.talk(name, "serve", PORT)
            self.wait_said(name, "ready")

    def talk(self, name, *words):
        self.ids[name] = self.runtime.run("run", "-d", "--name", name, "busybox-www", "/bin/talk",
                                          *words).stdout.decode().strip()

    def brief(self, name, *words):
        """What it told, of a container that is removed with its end."""
        number = self.lab.tmp / f"{name}.id"
        said = self.runtime.run("run", "--rm", "--name", name, "--cidfile", number, "busybox-www",
                                "/bin/talk", *words).stdout.decode()
        self.ids[name] = number.read_text()
        return talk.told(said)

    def owner(self, row):
        """Whose a flow is, by the container's id in the path of its cgroup."""
        return next(name for name, number in self.ids.items() if number in row["cgroup"])

    def said(self, name):
        return self.runtime.run("logs", name, check=False).stdout.decode()

    def wait_said(self, name, word, seconds=60):
        def said():
            running = self.runtime.inspect(name)["State"]["Running"]  # asked before its last line
            logs = self.runtime.run("logs", name)
            found = f"\n{word}\n" in "\n" + logs.stdout.decode()
            assert found or running, f"{name} has ended: {logs.stderr.decode()}"
            return found
        wait_for(said, f"{name}: {word}", seconds)

    def wait_end(self, name, seconds=120):
        """Until it has ended by itself, and well; what it told."""
        self.wait_said(name, "end", seconds)
        assert self.runtime.run("wait", name).stdout == b"0\n", self.runtime.run("logs", name)
        return talk.told(self.said(name))

    def stop(self, name):
        """A server's end, at which it tells of datagrams."""
        self.runtime.run("kill", "-s", "TERM", name)
        return self.wait_end(name)


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    lacking = missing(docker) or (not TALK.exists() and "build/talk is not built: make tests")
    if lacking:
        pytest.skip(lacking)
    lab = Lab(tmp_path_factory.mktemp("flows"))
    try:
        yield Talking(lab)
    finally:
        lab.close()


def flows(network, lbd):
    """By container: what the daemon has of each, live and ended."""
    answer = ask(lbd, "/v1/flows", since=3600)
    assert answer["forgotten"] == 0 and answer["other"]["flows"] == 0, answer["other"]
    found = {}
    for row in answer["flows"]:
        found.setdefault(network.owner(row), []).append(row)
    return found


def differences(rows, told):
    """What is not the same, in words; nothing if all is."""
    saw = [talk.seen(row) for row in rows]
    wrong = []
    for name, one, other in (("connection", talk.connections(saw), talk.connections(told)),
                             ("datagrams", talk.datagrams(saw), talk.datagrams(told))):
        wrong += [f"{name} seen, not told: {key} {count}" for key, count in (one - other).items()]
        wrong += [f"{name} told, not seen: {key} {count}" for key, count in (other - one).items()]
    return wrong


def assert_equal(network, lbd, told):
    """Once the last FINs are through, what is seen of each container is what it told."""
    found = {}

    def equal():
        found.update(flows(network, lbd))
        return all(not differences(found.get(name, []), lines) for name, lines in told.items())
    try:
        wait_for(equal, "flows as they were told")
    except AssertionError:
        wrong = {name: differences(found.get(name, []), lines) for name, lines in told.items()}
        for name, lines in wrong.items():
            print(f"{name}: {len(told[name])} told, {len(found.get(name, []))} seen, "
                  f"{len(lines)} wrong", *lines[:5], sep="\n  ")
        print(*((name, len(rows)) for name, rows in found.items()), lbd.process.output())
        raise
    return found


def total(lines, field):
    return sum(getattr(line, field) for line in lines)


@pytest.fixture(name="lbd", scope="module")
def fixture_lbd(network, make_module_balancer):
    lbd = make_module_balancer(network.edge).start(conf(network))
    wait_for(lambda: all(row["state"] == "up" for name in ("talk-tcp", "talk-udp")
                         for server in SERVERS for row in lbd.rows(f"{name}/{server}")), "backends")
    yield lbd
    lbd.ctl("unload", "--all", check=False)


@pytest.fixture(name="talked", scope="module")
def fixture_talked(network, lbd):
    """All of the traffic, and what each container told of it."""
    address = network.runtime.address("srv-1")
    outside = network.client.start(TALK, "run", VIP4, PORT, TCP, UDP, 1)
    network.talk("direct", "run", address, PORT, TCP, UDP, 2, NOBODY)
    network.talk("local", "run", VIP4, PORT, TCP, UDP, 3)
    for number in range(NEWCOMERS):  # meanwhile they come, and are gone at once
        network.talk(f"new-{number}", "run", address if number % 2 else VIP4, PORT,
                     NEW_TCP, 20, 100 + number)
    told = {name: network.wait_end(name)
            for name in ("direct", "local", *(f"new-{number}" for number in range(NEWCOMERS)))}
    outside.wait_output("\nend\n", 120)
    told_outside = talk.told(outside.output())
    meanwhile = flows(network, lbd)
    told.update((name, network.stop(name)) for name in SERVERS)
    return told, told_outside, meanwhile


def test_every_flow_is_what_its_end_says(network, lbd, talked):
    told, outside, _ = talked
    clients = [line for name, lines in told.items() if name not in SERVERS for line in lines]
    clients += outside
    tcp = [line for line in clients if line.protocol == "tcp" and line.end not in talk.FAILED]
    assert len(tcp) == 3 * TCP + NEWCOMERS * NEW_TCP + 3 + NEWCOMERS  # one first, to be there
    assert {line.end for line in tcp} == {"closed", "reset", "aborted"}
    assert_equal(network, lbd, told)


def test_directions_and_services_are_right(talked):
    """As long as the servers live: a backend that is gone is none any more."""
    told, _, found = talked
    assert set(found) == set(told)
    for name, rows in found.items():
        assert {row["container"] for row in rows} == {name}
        assert {row["direction"] for row in rows} == {"in" if name in SERVERS else "out"}, name
    assert {row["service"] for row in found["local"]} == {"talk-tcp", "talk-udp"}
    assert {row["service"] for row in found["direct"]} == {None}
    from_outside = [row for name in SERVERS for row in found[name]
                    if row["remote"].startswith("192.0.2.10:")]
    assert {row["service"] for row in from_outside} == {"talk-tcp", "talk-udp"}


def test_sums_of_containers_are_those_of_their_flows(network, lbd, talked):
    told, _, _ = talked
    found = assert_equal(network, lbd, told)
    metrics = scrape(lbd)
    for name, lines in told.items():
        assert {row["container"] for row in found[name]} == {name}

        def sums(metric, name=name, **labels):
            return metrics.sum(metric, container=name, **labels)
        assert sums("container_bytes_total", direction="out") == total(lines, "sent"), name
        assert sums("container_bytes_total", direction="in") == total(lines, "received"), name
        tcp = [line for line in lines if line.protocol == "tcp"]
        assert sums("container_flows_total", protocol="tcp") == len(tcp), name
        for end in ("reset", *talk.FAILED):
            assert sums("container_failures_total", reason=end) == \
                sum(line.end == end for line in tcp), (name, end)
        wait_metric(lbd, 0, "container_live_flows", container=name)  # datagrams: silent for 5 s


def test_the_graph_has_every_connection_once(lbd, talked):
    told, outside, _ = talked
    edges = {(row["from"], row["to"], row["protocol"]): row
             for row in ask(lbd, "/v1/graph")["edges"] if row["port"] == PORT}
    for client, to in (("direct", "srv-1"), ("local", "talk-tcp"), ("new-0", "talk-tcp"),
                       ("new-1", "srv-1")):
        lines = [line for line in told[client] if line.protocol == "tcp" and
                 line.remote.endswith(f":{PORT}")]
        edge = edges[client, to, "tcp"]
        assert edge["connections"] == len(lines), edge
        assert edge["bytes"] == total(lines, "sent") + total(lines, "received"), edge
        assert edge["failures"] == \
            sum(line.end in ("reset", *talk.FAILED) for line in lines), edge
    lines = [line for line in outside if line.protocol == "tcp"]
    assert edges["192.0.2.0/24", "talk-tcp", "tcp"]["connections"] == len(lines)
    through = sum(edges["talk-tcp", server, "tcp"]["connections"] for server in SERVERS)
    assert through == len(lines) + sum(
        line.protocol == "tcp" and line.end not in talk.FAILED for name, lines in told.items()
        if name == "local" or name.startswith("new-") and int(name[4:]) % 2 == 0 for line in lines)


# ---- names that come late ------------------------------------------------------------------------


@pytest.fixture(name="taker", scope="module")
def fixture_taker(network):
    """The address of one server more."""
    network.talk("taker", "serve", PORT)
    network.wait_said("taker", "ready")
    yield network.runtime.address("taker")
    network.runtime.run("rm", "-f", "taker")


def rows_of(network, lbd, name):
    return [row for row in ask(lbd, "/v1/flows", since=3600)["flows"]
            if network.ids[name] in row["cgroup"]]


def test_who_is_gone_at_once_has_its_name_all_the_same(network, lbd, taker):
    """With --rm the runtime has forgotten it before it could be asked for: its events have told."""
    told = {f"brief-{number}": network.brief(f"brief-{number}", "run", taker, PORT, 5, 0, 7)
            for number in range(3)}
    for name, lines in told.items():
        wait_for(lambda name=name, lines=lines:
                 [row["container"] for row in rows_of(network, lbd, name)] == [name] * len(lines),
                 f"all flows of {name}")


def test_a_name_that_is_told_after_the_end_is_given_to_all_that_was(network, make_balancer, taker):
    """The runtime is not there for the daemon until all is over but for one live connection."""
    socket = network.lab.tmp / "late.sock"
    late = make_balancer(network.edge, "late").start(
        f'version = 1;\n{TUNING}containers: {{ socket = "{socket}"; }};\n'
        f'flows: {{ interval = "1s"; idle = "5s"; cgroups = [ "{network.runtime.cgroup}" ]; }};\n')
    network.talk("lasts", "hold", taker, PORT, 1, 1000)
    network.wait_said("lasts", "held")
    network.talk("over", "run", taker, PORT, 10, 0, 8)
    network.wait_end("over")
    names = ("lasts", "over", "taker")
    paths = {name: wait_for(lambda name=name: rows_of(network, late, name), name)[0]["cgroup"]
             for name in names}

    def told(text):
        """Whose, with whom, in edges, and in metrics."""
        rows = ask(late, "/v1/flows", since=3600)["flows"]
        edges = ask(late, "/v1/graph")["edges"]
        return (sum(row["container"] == text for row in rows),
                sum(row["peer"] == text for row in rows),
                sum(edge["connections"] for edge in edges if edge["from"] == text),
                sum(edge["connections"] for edge in edges if edge["to"] == text),
                scrape(late).sum("container_flows_total", container=text))

    def ended():
        return {row["state"] for row in rows_of(network, late, "over")} <= set(ENDED)
    wait_for(ended, "the end of all flows of over")
    before = {name: told(paths[name]) for name in names}
    assert all(before["over"][place] > 9 for place in (0, 1, 2, 4)), before
    socket.symlink_to(network.runtime.socket)
    wait_for(lambda: {name: told(name) for name in names} == before, f"names: {before}")
    assert [sum(told(path)) for path in paths.values()] == [0, 0, 0]
    assert [row["container"] for row in rows_of(network, late, "over")] == \
        ["over"] * before["over"][0]
    network.runtime.run("rm", "-f", "lasts", "over")


# ---- long ones, and ends that nobody chose ----------------------------------------------------


def bytes_of(rows):
    """Of each connection: the client's own address and port are what tells them apart."""
    return {row["local" if row["direction"] == "out" else "remote"]:
            (row["bytes_out"], row["bytes_in"]) for row in rows}


@pytest.mark.parametrize("dies", ["holder", "held"])
def test_what_was_sent_stands_when_one_end_is_killed(network, lbd, dies):
    """The holder's connections to a server of its own live, and are told of as such. Then one end's
    container is killed, by which its namespace may be gone before the last packet."""
    names = {"holder": f"holder-{dies}", "held": f"held-{dies}"}
    network.talk(names["held"], "serve", PORT)
    network.wait_said(names["held"], "ready")
    network.talk(names["holder"], "hold", network.runtime.address(names["held"]), PORT, 20, 50000)
    network.wait_said(names["holder"], "held")
    wanted = {line.local: (line.sent, line.received)
              for line in talk.told(network.said(names["holder"]))}
    assert len(wanted) == 20
    live = flows(network, lbd)[names["holder"]]
    assert bytes_of(live) == wanted
    assert {row["state"] for row in live} == {"established"}
    assert all(0 < row["min_rtt_us"] <= row["rtt_us"] < 1e6 for row in live)
    network.runtime.run("kill", names[dies])

    def over():
        rows = flows(network, lbd)[names[dies]]
        return all(row["state"] != "established" for row in rows)
    wait_for(over, f"the end of the flows of {names[dies]}")
    found = flows(network, lbd)
    assert bytes_of(found[names["holder"]]) == wanted
    assert bytes_of(found[names["held"]]) == {client: (received, sent)
                                              for client, (sent, received) in wanted.items()}
    network.runtime.run("rm", "-f", *names.values())
