# SPDX-License-Identifier: GPL-2.0-or-later
"""What isolation does, as events: who was refused what by which rule, who is in which group, and
what became of the policy itself."""

import pytest

from balancer import TUNING
from isolated import THERE4, THERE6, balancer_of, line_of, network_made, policy, refused, rule
from lab import wait_for
from reach import PORT


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    yield from network_made(tmp_path_factory.mktemp("events"))


@pytest.fixture(name="lbd", scope="module")
def fixture_lbd(network, make_module_balancer):
    yield from balancer_of(network, make_module_balancer)


@pytest.fixture(name="since")
def fixture_since(lbd):
    """Gives the events of a kind that came since the test began."""
    before = lbd.events()[-1]["seq"]

    def since(kind):
        return [event for event in lbd.events("--kind", kind) if event["seq"] > before]
    return since


def test_a_denial_has_its_parts_and_the_sentence_of_the_log(network, lbd, since):
    lbd.reload(policy({"here": network.group()}, rule("deny", "here", None, "tcp", [PORT])))
    number = line_of(lbd, f"ports = [ {PORT} ]")
    assert refused(network.reach("tcp", THERE4)) == ("EPERM", "connect")
    event = wait_for(lambda: since("denial"), "the denial")[-1]
    name = network.cgroup.name
    wanted = {"object": name, "from": None, "to": "refused", "container": name, "groups": "here",
              "cause": f"{lbd.conf}:{number} (here → any, deny)", "rule": event["cause"],
              "file": str(lbd.conf), "line": number, "hook": "connect", "protocol": "tcp",
              "local": None, "remote": f"{THERE4}:{PORT}", "passed": False, "untold": 0}
    assert {key: event[key] for key in wanted} == wanted
    assert event["text"].startswith(f"refused: tcp to {THERE4}:{PORT}; {name} (here), ")
    assert f'lbd: policy: {event["text"]}' in lbd.process.output().splitlines()
    assert f'denial     {event["text"]}\n' in lbd.ctl("events").stdout


def test_what_audit_lets_pass_would_be_refused(network, lbd, since):
    lbd.reload(policy({"here": network.group()}, rule("deny", "here", None, "udp"), mode="audit"))
    assert network.reach("udp", THERE6)["ok"]
    events = wait_for(lambda: since("denial"), "what was let pass")
    assert {(event["to"], event["passed"]) for event in events} == {("would be refused", True)}


def test_break_glass_is_told_once_each_way(network, lbd, since):
    lbd.reload(policy({"here": network.group()}))
    for mode in ("audit", "audit", "enforce", "enforce"):
        lbd.ctl("policy", mode)
    rows = [(event["object"], event["from"], event["to"], event["cause"])
            for event in since("plan")][1:]
    assert rows == [("policy", "enforce", "audit", "by lbctl"),
                    ("policy", "audit", "enforce", "by lbctl")]


def test_groups_that_change_and_a_policy_that_comes_and_goes_are_told(network, lbd, since):
    name = network.cgroup.name
    lbd.reload(policy({"one": network.group()}))
    lbd.reload(policy({"two": network.group()}))
    moved = [(event["from"], event["to"]) for event in since("container")
             if event["object"] == name]
    assert moved[-1] == ("one", "two")
    assert f"policy: {name}: one → two" in lbd.process.output()
    lbd.reload(f"version = 1;\n{TUNING}")
    lbd.reload(policy({"here": network.group()}))
    rows = [(event["from"], event["to"]) for event in since("plan")
            if event["object"] == "policy"]
    assert rows == [("in force", "none"), ("none", "in force")]
    plans = [event["policy"] for event in since("plan") if event["to"] == "applied"]
    assert plans[1] and plans[2] == "policy: in force → none"
