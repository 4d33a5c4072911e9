# SPDX-License-Identifier: GPL-2.0-or-later
"""Isolation of real Docker containers: who is in which group, what that forbids, and what stays so
while containers, the runtime or the daemon come and go."""

import os
import re
import signal
import subprocess

import pytest

import cgroups
import docker
from balancer import service
from contained import ALLOWED, CLIENTS, Containers, Inside, attempt, conf, group, groups_of, \
    missing, outcome, policed, rule, shown, wait_address, wait_groups
from lab import Lab, wait_for
from live import events
from reach import PORT, REACH, Server, reach

DENIED, REJECTED = ("EPERM", "connect"), ("ECONNREFUSED", "connect")
FRONT, DB = group("front", "container", "web-*"), group("db", "label", "role=db")
ALL = {"web-1": "front", "web-2": "front", "db-near": "db", "db-far": "db", "plain": None}


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    if missing(docker):
        pytest.skip(missing(docker))
    lab = Lab(tmp_path_factory.mktemp("docker"))
    try:
        network = Containers(lab, docker.Docker)
        network.runtime.run("network", "create", "back")
        # Docker keeps its bridges apart, whatever ours says; here only ours is to speak.
        network.edge.run("iptables", "-I", "DOCKER-USER", "-j", "ACCEPT")
        network.at = {
            "web-1": network.server("web-1"), "web-2": network.server("web-2"),
            "plain": network.server("plain"),
            "db-near": network.server("db-near", "--label", "role=db", "-p", f"8081:{PORT}",
                                      "-p", "8082:7201"),
            "db-far": network.server("db-far", "--label", "role=db", "--network", "back"),
        }
        network.runtime.run("exec", "-d", "db-near", "/bin/reach", "serve", 7201)
        Server(network.client)
        yield network
    finally:
        lab.close()


@pytest.fixture(name="lbd")
def fixture_lbd(network, make_balancer):
    yield from policed(make_balancer, network)


def start(lbd, network, *rules, groups=(FRONT, DB), expected=None, **options):
    """The daemon knows all containers by their groups."""
    lbd.start(conf(network.runtime.socket, [*groups, CLIENTS], rules, **options))
    wait_groups(lbd, expected or ALL)
    return lbd


def tell(network, name, way, to, port=PORT, **options):
    return attempt(network.runtime, name, way, network.at.get(to, to), port, **options)


# ---- who and what ----------------------------------------------------------------------------


def test_groups_by_name_and_by_label_are_shown_and_told(network, lbd):
    start(lbd, network, rule("deny", "front", "db"))
    text = lbd.ctl("show", "policy").stdout
    for name, groups in ALL.items():
        assert re.search(rf"^{name} .*{groups or '-'}", text, re.M), text
        if groups:
            lbd.wait_log(f"policy: {name}: (none) → {groups}")
    row = next(row for row in shown(lbd)["subjects"] if row["name"] == "web-1")
    assert row["cgroup"].startswith(f"{network.runtime.cgroup}/")
    assert network.at["web-1"] in row["addresses"]
    assert network.runtime.cgroup in shown(lbd)["attached"]


@pytest.mark.parametrize("to", ["db-near", "db-far"], ids=["one bridge", "two bridges"])
def test_a_rule_holds_between_containers_of(network, lbd, to):
    start(lbd, network, rule("allow", "front", "db", "tcp", [PORT]),
          rule("deny", "front", "db", "udp"), rule("reject", "front", "db"))
    assert tell(network, "web-1", "tcp", to) is None
    assert tell(network, "web-1", "udp", to) == ("EPERM", "connect")
    assert tell(network, "web-1", "sendto", to) == ("EPERM", "answer")
    assert tell(network, "web-1", "tcp", to, 8080) == REJECTED
    assert tell(network, "web-1", "raw", to) is not None
    assert tell(network, "plain", "udp", to) is None  # in no group: untouched
    assert tell(network, to, "udp", "web-1") is None  # nobody forbids that way
    lbd.wait_log("; web-1 (front), ")


def test_busybox_says_what_the_kernel_told_it(network, lbd):
    start(lbd, network, rule("deny", "front", "db", "tcp", [PORT]), rule("reject", "front", "db"))
    words = []
    for port in (PORT, 8080):
        said = network.runtime.run("exec", "web-1", "/bin/nc", "-w", 5, network.at["db-near"], port,
                                   check=False).stderr
        words.append(said.decode().split(": ")[-1].strip())
    assert words == ["Operation not permitted", "Connection refused"]


def test_a_rule_to_addresses_and_one_to_a_service_of_containers(network, lbd):
    backends = [f'{{ name = "{name}"; container = "{name}"; }}' for name in ("db-near", "db-far")]
    web = f"services = (\n  {service('stock', ['203.0.113.10'], backends, ports=[PORT])}\n);\n"
    web += 'interfaces = ( { name = "front0"; } );\ndefaults: { check: { type = "none"; }; };\n'
    start(lbd, network, rule("allow", "front", "service:stock"), rule("allow", "front", ALLOWED),
          rule("deny", "front"), services=web)
    assert tell(network, "web-1", "tcp", "db-near") is None
    assert tell(network, "web-1", "tcp", "db-far") is None
    assert tell(network, "web-1", "tcp", "db-near", 7201) == DENIED
    assert tell(network, "web-1", "udp", "db-near") == DENIED  # the service is of TCP
    assert tell(network, "web-1", "tcp", ALLOWED) is None
    assert tell(network, "web-1", "tcp", "192.0.2.1") == DENIED
    assert tell(network, "plain", "tcp", "192.0.2.1") == ("ECONNREFUSED", "connect")


def test_published_ports_work_where_rules_allow(network, lbd):
    start(lbd, network, rule("allow", "clients", "db", "tcp", [PORT]), rule("deny", None, "db"))
    assert reach(network.client, "tcp", "192.0.2.1", "--timeout", 3000, port=8081)["ok"]
    assert reach(network.client, "tcp", "192.0.2.1", "--timeout", 700,
                 port=8082)["errno"] == "ETIMEDOUT"
    lbd.reload(conf(network.runtime.socket, [FRONT, DB, CLIENTS], [rule("deny", "front", "db")]))
    assert reach(network.client, "tcp", "192.0.2.1", "--timeout", 3000, port=8082)["ok"]


def test_the_namespace_of_a_container_is_a_group(network, lbd):
    of_web = group("web", "netns", "container:web-1")
    of_db = group("store", "netns", "container:db-far")
    start(lbd, network, rule("reject", "web", "store", "tcp"), groups=(of_web, of_db),
          expected={"web-1": "web", "db-far": "store", "web-2": None})
    assert tell(network, "web-1", "tcp", "db-far") == REJECTED
    assert tell(network, "web-1", "udp", "db-far") is None
    assert tell(network, "web-2", "tcp", "db-far") is None


# ---- containers come and go --------------------------------------------------------------------


def test_a_container_that_comes_back_at_another_address_is_in_its_group_again(network, lbd):
    start(lbd, network, rule("deny", "front", "db"), expected=ALL)
    runtime = network.runtime
    old, cgroup = network.at["db-near"], shown(lbd)["subjects"]
    runtime.run("stop", "-t", 0, "db-near")
    network.server("squatter")
    try:
        assert runtime.address("squatter") == old
        runtime.run("start", "db-near")
        network.at["db-near"] = runtime.address("db-near")
        assert network.at["db-near"] != old
        wait_groups(lbd, ALL)
        wait_address(lbd, "db-near", network.at["db-near"])
        wait_address(lbd, "squatter", old)
        assert shown(lbd)["subjects"] != cgroup
        assert tell(network, "web-1", "tcp", "db-near") == DENIED
        assert tell(network, "web-1", "tcp", old) is None
        assert tell(network, "db-near", "tcp", "web-1") is None
    finally:
        runtime.run("rm", "-f", "squatter")


def test_a_container_without_a_parent_that_is_known_is_found_by_its_id(network, lbd):
    """dockerd does not tell of the parent that stands in its own configuration."""
    assert network.runtime.inspect("web-1")["HostConfig"]["CgroupParent"] == ""
    start(lbd, network, rule("deny", "front", "db"))
    assert tell(network, "web-1", "tcp", "db-near") == DENIED


# ---- the runtime is away -------------------------------------------------------------------------


class Known:
    """web-1 and plain, as whoever looks at their cgroups finds them."""

    def __init__(self, network):
        self.network = network
        folder = cgroups.root() / network.runtime.cgroup
        self.inside = {name: Inside(folder / network.runtime.inspect(name)["Id"])
                       for name in ("web-1", "plain")}

    def tell(self, name, way, to):
        return self.inside[name].attempt(way, self.network.at[to])

    def assert_judged(self):
        assert self.tell("web-1", "tcp", "db-near") == REJECTED
        assert self.tell("web-1", "udp", "db-near") is None
        assert self.tell("plain", "tcp", "db-near") is None


def test_what_is_known_stays_while_the_runtime_is_silent(network, lbd):
    start(lbd, network, rule("reject", "front", "db", "tcp"))
    known, pid = Known(network), network.runtime.daemon
    os.kill(pid, signal.SIGSTOP)
    try:
        lbd.reload(lbd.conf.read_text().replace("reject", "deny"))
        assert known.tell("web-1", "tcp", "db-near") == DENIED
        lbd.reload(lbd.conf.read_text().replace("deny", "reject"))
        known.assert_judged()
        assert groups_of(lbd) == ALL
    finally:
        os.kill(pid, signal.SIGCONT)
    known.assert_judged()


def test_what_is_known_stays_when_the_runtime_is_killed(network, lbd):
    start(lbd, network, rule("reject", "front", "db", "tcp"))
    known = Known(network)
    network.runtime.daemon_kill()
    try:
        lbd.wait_log("not connected")
        known.assert_judged()
        assert groups_of(lbd) == ALL
    finally:
        network.runtime.daemon_start()
    lbd.wait_log("not connected → connected")
    known.assert_judged()
    assert groups_of(lbd) == ALL
    # Between the two it may have had another reason for not being there.
    told = [event for event in lbd.events("--kind", "container")
            if event["object"].startswith("container runtime ") and event["from"]]
    assert [(event["from"], event["to"]) for event in told[-2:]] == \
        [("connected", "not connected"), ("not connected", "connected")]
    assert told[-2]["cause"].endswith("; what is known of containers stays")


def test_a_new_daemon_without_the_runtime_leaves_in_force_what_the_old_one_knew(network, lbd):
    start(lbd, network, rule("reject", "front", "db", "tcp"))
    known = Known(network)
    lbd.stop(signal.SIGKILL)
    network.runtime.daemon_kill()
    try:
        known.assert_judged()
        lbd.start()
        lbd.wait_log("what is in the kernel stays in force")
        known.assert_judged()
    finally:
        network.runtime.daemon_start()
    wait_groups(lbd, ALL)
    known.assert_judged()


def test_a_reload_without_the_runtime_judges_all_containers_by_the_strictest(network, lbd):
    """A daemon that never knew them, and rules that nobody has applied to them."""
    start(lbd, network, rule("allow", "front"))
    known = Known(network)
    lbd.stop(signal.SIGKILL)
    network.runtime.daemon_kill()
    try:
        lbd.start()
        lbd.reload(conf(network.runtime.socket, [FRONT, DB, CLIENTS],
                        [rule("reject", "front", None, "tcp")]))
        assert network.runtime.cgroup in shown(lbd)["attached"]
        for name in ("web-1", "plain"):
            assert known.tell(name, "tcp", "db-near") == REJECTED
            assert known.tell(name, "udp", "db-near") is None
    finally:
        network.runtime.daemon_start()
    wait_groups(lbd, ALL)
    assert known.tell("web-1", "tcp", "db-near") == REJECTED
    assert known.tell("plain", "tcp", "db-near") is None


# ---- the daemon is away --------------------------------------------------------------------------

LOOP = """while :; do
	/bin/reach udp {allowed} {port} --timeout 3000
	/bin/reach tcp {allowed} {port} --timeout 3000
	/bin/reach udp {refused} {port} --timeout 3000
done"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_a_restart_opens_no_gap_and_closes_none(network, lbd, number):
    start(lbd, network, rule("reject", "front", "db", "udp", [PORT]),
          rule("allow", "front", "plain"), rule("reject", "front"),
          groups=(FRONT, DB, group("plain", "container", "plain")),
          expected={**ALL, "plain": "plain"})
    script = LOOP.format(allowed=network.at["plain"], refused=network.at["db-near"], port=PORT)
    loop = network.edge.start("docker", "-H", f"unix://{network.runtime.socket}", "exec", "web-1",
                              "/bin/sh", "-c", script)

    def results():
        return [(line["way"], line["errno"]) for line in events(loop)]

    def more():
        count = len(results())
        wait_for(lambda: len(results()) > count + 30, "more attempts")
    for _ in range(2):
        more()
        lbd.stop(number)
        more()
        lbd.start()
        more()
    loop.end()
    for at, result in enumerate(results()):
        assert result == [("udp", None), ("tcp", None), ("udp", "ECONNREFUSED")][at % 3], at


# ---- a slice that services share -----------------------------------------------------------------


def test_a_container_is_new_from_its_first_moment_in_a_slice_that_services_share(network, lbd):
    """Its name says so: nobody else has looked at it yet."""
    start(lbd, network, rule("reject", "front", None, "tcp"))
    shared = f"/{network.runtime.shared}"
    network.server("anchor", "--cgroup-parent", shared)
    wait_groups(lbd, {"anchor": None})
    network.runtime.run("rm", "-f", "anchor")
    lbd.process.signal(signal.SIGSTOP)
    folder = cgroups.root() / shared[1:]
    service_of_host, made = folder / "some.service", folder / ("0123456789abcdef" * 4)
    command = ["nsenter", f"--net={network.edge.path}", REACH, "tcp", network.at["plain"],
               str(PORT)]
    try:
        for path, expected in ((service_of_host, None), (made, REJECTED)):
            path.mkdir()
            joined = ["sh", "-c", 'echo 0 >"$0" && exec "$@"', path / "cgroup.procs", *command]
            assert outcome(subprocess.run(joined, capture_output=True, check=False).stdout) == \
                expected, path
        network.server("web-9", "--cgroup-parent", shared)
        assert tell(network, "web-9", "tcp", "plain") == REJECTED
        network.server("other", "--cgroup-parent", shared)
        assert tell(network, "other", "tcp", "plain") == REJECTED
        lbd.process.signal(signal.SIGCONT)
        wait_groups(lbd, {"web-9": "front", "other": None})
        assert tell(network, "web-9", "tcp", "plain") == REJECTED
        assert tell(network, "web-9", "udp", "plain") is None
        assert tell(network, "other", "tcp", "plain") is None
        # What no runtime tells of is nobody's, after a while.
        joined = ["sh", "-c", 'echo 0 >"$0" && exec "$@"', made / "cgroup.procs", *command]
        wait_for(lambda: outcome(subprocess.run(joined, capture_output=True,
                                                check=False).stdout) is None, "a stranger")
    finally:
        lbd.process.signal(signal.SIGCONT)
        network.runtime.run("rm", "-f", "web-9", "other", check=False)
        for path in (service_of_host, made):
            if path.exists():
                cgroups.remove(path)
