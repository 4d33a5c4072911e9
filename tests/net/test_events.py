# SPDX-License-Identifier: GPL-2.0-or-later
"""lbctl events: whatever changes its state is told once, in the log and as an event, with its
cause; and whoever follows misses nothing, also beyond the daemon's end."""

import itertools
import re
import signal
import subprocess
import time

import pytest

import foreign
from balancer import LBCTL, backend, config, service
from lab import wait_for
from live import events as json_lines
from topology import VIPS
from traffic import nginx

CHECKED = 'defaults: { check: { type = "tcp"; every = "100ms"; timeout = "1s"; fall = 2; }; };\n'
KINDS = ("health", "plan", "denial", "flow", "interface", "container", "daemon")


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


def web(network, numbers=(1, 2, 3), **options):
    return config(service("web", VIPS[:1], [backend(f"c{i}", network.addresses(i)[0])
                                            for i in numbers]), **options)


@pytest.fixture(name="running")
def fixture_running(network, lbd):
    return lbd.start(web(network))


def parts(event):
    return tuple(event[key] for key in ("kind", "object", "from", "to", "cause"))


def last(balancer, kind, *args):
    return balancer.events("--kind", kind, *args)[-1]


class Follower:
    """`lbctl events -f` with its two outputs apart, as a script has it."""

    def __init__(self, balancer, *args):
        lab = balancer.namespace.lab
        self.errors = lab.tmp / f"events-{time.monotonic_ns()}.err"
        log = self.errors.with_suffix(".out")
        self.process = lab.process(balancer.namespace.command(
            "sh", "-c", 'exec 2>"$0" "$@"', self.errors, LBCTL, "--socket", balancer.socket,
            "events", "-f", *args), log)

    def lines(self):
        return self.process.output().splitlines()

    def wait(self, text, seconds=30):
        self.process.wait_output(text, seconds)

    def events(self):
        return json_lines(self.process)

    def wait_said(self, text):
        wait_for(lambda: text in self.errors.read_text(), text)

    def end(self, number=signal.SIGINT):
        self.process.signal(number)
        return self.process.wait()


# ---- what is told --------------------------------------------------------------------------------


def test_a_start_is_told_from_its_beginning(running):
    events = running.events()
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert all(event["kind"] in KINDS for event in events)
    assert parts(events[0])[:4] == ("daemon", "lbd", None, "starting")
    assert parts(events[-1]) == ("daemon", "lbd", "starting", "ready", None)
    assert ("interface", "interface front0", "detached", "attached", "native XDP") in \
        [parts(event) for event in events]
    for i in (1, 2, 3):
        assert ("health", f"backend web/c{i} 10.1.0.{i + 1}", "new", "up", None) in \
            [parts(event) for event in events]
    (applied,) = [event for event in events if event["kind"] == "plan"]
    assert applied["object"] == f"config {running.conf}"
    assert (applied["from"], applied["to"], applied["source"]) == (None, "applied", "-c")
    assert applied["services"] == 1
    assert applied["operations"]["added"] > 3 and applied["operations"]["removed"] == 0
    times = [event["time"] for event in events]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at) for at in times)


def test_the_log_has_the_sentence_of_every_change_of_health(network, lbd):
    lbd.start(web(network, defaults=CHECKED))
    server = nginx(network.servers[0], port=8090, name="short")
    text = lbd.conf.read_text().replace('"10.1.0.2" ]; port = 8080', '"10.1.0.2" ]; port = 8090')
    lbd.reload(text)
    lbd.wait_state("web/c1", "up")
    server.end()
    lbd.wait_state("web/c1", "down", "refused")
    events = lbd.events("--kind", "health")
    assert parts(events[-1])[1:4] == ("backend web/c1 10.1.0.2", "up", "down")
    assert "refused" in events[-1]["cause"]
    log = lbd.process.output().splitlines()
    for event in events:
        assert log.count(f'lbd: {event["text"]}') == \
            sum(other["text"] == event["text"] for other in events)


def test_a_service_without_backends_is_down_and_up_again(running):
    for i in (1, 2, 3):
        running.ctl("disable", f"web/c{i}")
    down = [event for event in running.events() if event["object"] == "service web"][-1]
    assert parts(down)[2:4] == ("up", "down") and down["cause"]
    running.ctl("reset", "--all")
    up = [event for event in running.events() if event["object"] == "service web"][-1]
    assert parts(up)[2:] == ("down", "up", None)


def test_overrides_are_told_with_what_stood_before(running):
    number = running.events()[-1]["seq"]
    running.ctl("drain", "web/c1")
    running.ctl("drain", "web/c1")  # changes nothing
    running.ctl("weight", "web/c1", 5)
    running.ctl("weight", "web/c2", 7)
    running.ctl("reset", "web/c1")
    running.ctl("reset", "--all")
    rows = [parts(event)[1:] for event in running.events("--kind", "plan")
            if event["seq"] > number]
    config_says = "as the config says"
    assert rows == [
        ("backend web/c1", config_says, "drain", "override"),
        ("backend web/c1", "drain", "drain, weight 5", "override"),
        ("backend web/c2", config_says, "weight 7", "override"),
        ("backend web/c1", "drain, weight 5", config_says, "override"),
        ("backend web/c2", "weight 7", config_says, "override"),
    ]
    assert ("health", "backend web/c1 10.1.0.2", "up", "drain") in \
        [parts(event)[:4] for event in running.events()]


def test_reloads_are_told_with_their_source_and_refusals_with_their_reasons(network, running,
                                                                            tmp_path):
    running.reload(web(network, (1, 2)))
    applied = last(running, "plan")
    assert (applied["to"], applied["source"]) == ("applied", "-c")
    assert applied["operations"]["removed"] >= 1
    once = tmp_path / "once.conf"
    once.write_text(web(network))
    running.ctl("reload", once)
    assert parts(last(running, "plan"))[1:4] == (f"config {once}", None, "applied")
    assert last(running, "plan")["source"] == "once"
    running.ctl("reload", "--previous")
    assert last(running, "plan")["source"] == "previous"

    running.conf.write_text(web(network).replace('"10.1.0.2"', '"10.1.0.2x"'))
    assert running.ctl("reload", check=False).returncode == 1
    refused = last(running, "plan")
    assert parts(refused)[1:4] == (f"config {running.conf}", None, "refused")
    assert re.match(rf"{re.escape(str(running.conf))}:\d+: ", refused["cause"])
    running.process.signal(signal.SIGHUP)
    wait_for(lambda: last(running, "plan")["seq"] > refused["seq"], "the refusal of SIGHUP")
    assert parts(last(running, "plan")) == parts(refused)

    running.conf.write_text(web(network).replace('"web"', '"renamed"'))
    running.ctl("reload", check=False)
    assert 'service "web": its live flows would break' in last(running, "plan")["cause"]


def test_a_refusal_with_many_reasons_names_the_first_of_them(network, running):
    running.conf.write_text(web(network) + "".join(f"wrong{i} = 1;\n" for i in range(20)))
    assert running.ctl("reload", check=False).returncode == 1
    refused = last(running, "plan")
    assert refused["cause"].count("wrong") == 8
    assert refused["cause"].endswith("; and 12 more")


def test_slots_that_settle_are_told_with_their_time(network, lbd):
    lbd.start(web(network).replace('forward = "nat"; ', 'forward = "nat"; idle_timeout = "1s"; '))
    lbd.ctl("disable", "web/c1")
    lbd.ctl("reset", "web/c1")
    settled = wait_for(lambda: [event for event in lbd.events() if event["to"] == "settled"],
                       "settled slots", 120)[0]
    assert parts(settled) == ("health", "service web", "moving", "settled", None)
    assert f'service web: moving → settled after {settled["seconds"]} s' in lbd.process.output()


def test_a_program_that_somebody_took_away_is_told_and_its_return(network, running):
    number = running.events()[-1]["seq"]
    foreign.detach(network.edge, "front0")
    rows = wait_for(lambda: len(found := [parts(event) for event in running.events()
                                          if event["seq"] > number and
                                          event["kind"] == "interface"]) >= 2 and found,
                    "the return")
    assert rows[:2] == [
        ("interface", "interface front0", "attached", "detached", "by somebody else"),
        ("interface", "interface front0", "detached", "attached", "native XDP")]
    assert "interface front0: lb attached → detached by somebody else" in running.process.output()


def test_trouble_and_its_end_are_told(network, lbd):
    """An optional interface that comes with somebody else's program on it."""
    lbd.start(web(network, interfaces=("front0", '"late0"; optional = true;')))
    network.edge.ip("link add late0 type veth peer name late1")
    try:
        foreign.attach(network.edge, "late0")
        network.edge.ip("link set late0 up")
        troubles = wait_for(lambda: [event for event in lbd.events("--kind", "daemon")
                                     if event["to"] == "in trouble"], "trouble")
        assert parts(troubles[0])[:4] == ("daemon", "lbd", "ready", "in trouble")
        assert "interface late0: an XDP program that is not ours" in troubles[-1]["cause"]
        foreign.detach(network.edge, "late0")
        network.edge.ip("link set late0 down")
        wait_for(lambda: parts(last(lbd, "daemon"))[1:] == ("lbd", "in trouble", "ready", None),
                 "its end")
    finally:
        network.edge.ip("link del late0")


# ---- the command ---------------------------------------------------------------------------------


def test_text_has_time_kind_and_sentence(running):
    lines = running.ctl("events").stdout.splitlines()
    events = running.events()
    assert lines == [f'{event["time"]}  {event["kind"]:9}  {event["text"]}' for event in events]


def test_kinds_and_times_choose(running):
    running.ctl("drain", "web/c1")
    every = running.events()
    assert running.events("--kind", "plan", "--kind", "daemon") == \
        [event for event in every if event["kind"] in ("plan", "daemon")]
    assert running.events("--kind", "denial") == []
    assert running.events("--since", "1h") == every
    seq = every[-1]["seq"]
    wait_for(lambda: running.events("--since", "1ms") == [], "that nothing is as young")
    running.ctl("reset", "web/c1")
    assert {event["seq"] for event in running.events("--since", "5s")} >= {seq + 1}


def test_a_follower_sees_what_happens_when_it_happens(running):
    text, script = Follower(running), Follower(running, "--json", "--kind", "plan")
    text.wait("lbd: starting → ready")
    wait_for(script.events, "the first plan")
    running.ctl("weight", "web/c1", 9)
    text.wait("backend web/c1: as the config says → weight 9: override", 5)
    wait_for(lambda: script.events()[-1]["to"] == "weight 9", "the line of JSON", 5)
    assert {event["kind"] for event in script.events()} == {"plan"}
    assert all(set(event) >= {"seq", "time", "kind", "object", "from", "to", "cause", "text"}
               for event in script.events())
    assert (text.end(), script.end(signal.SIGTERM)) == (0, 0)
    assert text.errors.read_text() == script.errors.read_text() == ""
    assert len(text.lines()) == len(set(text.lines()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_follower_goes_on_beyond_a_restart(running, number):
    follower = Follower(running, "--json")
    wait_for(lambda: follower.events() and follower.events()[-1]["to"] == "ready", "the start")
    before = len(follower.events())
    running.stop(number)
    follower.wait_said("; waiting for a daemon\n")
    running.start()
    running.ctl("weight", "web/c1", 3)
    wait_for(lambda: follower.events()[-1]["to"] == "weight 3", "what the new daemon told")
    old, new = follower.events()[:-1], []
    while old[-1]["seq"]:
        new.insert(0, old.pop())
    new.insert(0, old.pop())
    if number == signal.SIGTERM:
        assert parts(old[-1])[:4] == ("daemon", "lbd", "ready", "stopped")
        assert len(old) == before + 1
    else:
        assert len(old) == before
    assert [event["seq"] for event in new] == list(range(len(new)))
    assert (new[0]["to"], new[-1]["cause"]) == ("starting", None)
    said = follower.errors.read_text()
    assert said.count("waiting for a daemon") == 1
    assert said.count("another daemon answers, begun at ") == 1
    assert follower.end() == 0


def test_a_follower_sees_an_unload(running):
    follower = Follower(running, "--kind", "daemon")
    follower.wait("ready")
    running.unload()
    follower.wait("lbd: ready → unloaded: nothing is balanced any more")
    assert follower.end() == 0


def test_a_follower_whose_reader_goes_away_ends(running):
    command = [LBCTL, "--socket", running.socket, "events", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert b"starting" in process.stdout.readline()
        process.stdout.close()
        running.ctl("drain", "web/c1")
        assert process.wait(10) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_output_that_cannot_be_written_ends_a_follower(running):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([LBCTL, "--socket", running.socket, "events", "-f"], stdout=full,
                                stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert (result.returncode, result.stderr) == \
        (1, "lbctl: cannot write the output: No space left on device\n")


# ---- what is forgotten ---------------------------------------------------------------------------


def many(network, count, state):
    """Backends that nobody looks for: their next hop is given, and they are not checked."""
    rows = [backend(f"b{i}", f"10.9.{i // 250}.{i % 250 + 1}", port=None,
                    extra=f'state = "{state}"; mac = "02:00:00:00:00:09"; interface = "v1"; ')
            for i in range(count)]
    return config(service("many", VIPS[:1], rows, forward="dsr", extra="ring_size = 1021;"))


def test_what_was_forgotten_is_counted(network, lbd):
    count, limit = 1000, 4096
    lbd.start(many(network, count, "up"))
    follower = Follower(lbd, "--json")
    wait_for(follower.events, "the first events")
    for state in itertools.islice(itertools.cycle(("off", "up")), 4):
        lbd.reload(many(network, count, state))
    every = lbd.events()
    assert set(every[0]) == {"lost"}
    assert len(every) == 1 + limit
    assert every[1]["seq"] == every[0]["lost"]
    assert [event["seq"] for event in every[1:]] == \
        list(range(every[0]["lost"], every[0]["lost"] + limit))
    text = lbd.ctl("events").stdout.splitlines()
    assert text[0] == f'({every[0]["lost"]} events before the next one are forgotten already)'
    # Who asks for less than is there misses nothing; who followed has all of it.
    young = lbd.ctl("events", "--kind", "daemon", "--since", "1ms").stdout
    assert young == ""
    wait_for(lambda: follower.events()[-1].get("seq") == every[-1]["seq"], "the last event")
    followed = follower.events()
    assert sum(event.get("lost", 1) for event in followed) == every[-1]["seq"] + 1


def test_events_of_a_stopped_reader_are_counted_when_it_reads_again(network, lbd):
    """The daemon does not wait for it, and what it could not be told it learns as a number."""
    lbd.start(many(network, 1000, "up"))
    follower = Follower(lbd, "--json")
    wait_for(lambda: follower.events() and follower.events()[-1]["to"] == "ready", "the start")
    before = follower.events()[-1]["seq"]
    follower.process.signal(signal.SIGSTOP)
    for state in itertools.islice(itertools.cycle(("off", "up")), 6):
        lbd.reload(many(network, 1000, state))
    newest = lbd.events()[-1]["seq"]
    follower.process.signal(signal.SIGCONT)
    wait_for(lambda: follower.events()[-1].get("seq") == newest, "the newest event")
    after = follower.events()[before + 1:]
    lost = [line["lost"] for line in after if set(line) == {"lost"}]
    assert lost and sum(lost) + len(after) - len(lost) == newest - before
