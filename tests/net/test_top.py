# SPDX-License-Identifier: GPL-2.0-or-later
"""lbctl top as an operator has it: on a terminal, with keys, over a daemon that balances; and over
one that is not there, hangs, or tells of more than a screen holds."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from balancer import LBCTL, backend, config, service
from cgroups import Cgroup
from lab import wait_for
from stand_in import StandIn
from terminal import Terminal
from topology import VIP4, VIPS
from traffic import Requests

DOWN = re.compile(r"\x1b\[[0-9;]*31m")


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


@pytest.fixture(name="make_terminal")
def fixture_make_terminal(tmp_path):
    made = []

    def make(*size, **environment):
        place = tmp_path / f"terminal-{len(made)}"
        place.mkdir()
        made.append(Terminal(place, *size, **environment))
        return made[-1]

    yield make
    for terminal in made:
        terminal.close()


@pytest.fixture(name="terminal")
def fixture_terminal(make_terminal):
    return make_terminal()


def top(terminal, socket, *args):
    """Until its table stands on the screen."""
    terminal.run(LBCTL, "--socket", socket, "top", *args)
    terminal.wait("q quit")


def names(screen):
    """First words of the table's rows, which stand between its head and the last line."""
    lines = screen.splitlines()
    head = next((i for i, line in enumerate(lines)
                 if line.startswith(("SERVICE", "BACKEND", "CONTAINER"))), len(lines))
    return [line.split()[0] for line in lines[head + 1:] if line and not line.startswith("h help")]


def assert_shell(terminal):
    """The shell is there again, on the screen that it had, and shows what is typed."""
    terminal.wait(lambda screen: screen.splitlines()[-1:] != [] and
                  terminal.state("alternate_on") == "0")
    assert terminal.state("cursor_flag") == "1"
    terminal.run("stty", "-a")
    terminal.wait(lambda screen: re.search(r"[^-]icanon", screen) and
                  re.search(r"[^-]echo ", screen))


# ---- over a daemon that balances -----------------------------------------------------------------

@pytest.fixture(name="running")
def fixture_running(network, lbd):
    web = service("web", VIPS, [backend(f"c{i}", *network.addresses(i)) for i in (1, 2)])
    other = service("other", ["203.0.113.77"], [backend("c3", "10.1.0.4", port=8081)],
                    extra='check: { type = "tcp"; every = "200ms"; timeout = "200ms"; }; ')
    lbd.start(config(web, other))
    lbd.wait_state("other/c3", "down")
    return lbd


def test_rates_come_and_go_with_the_traffic(network, running, terminal):
    top(terminal, running.socket, "-d", "0.2")
    terminal.wait(lambda screen: re.search(r"^web +up +2 of 2 +0 +0 +0 +0 ", screen, re.M))
    with Requests(network.client, VIP4) as requests:
        screen = terminal.wait(lambda screen: re.search(
            r"^web +up +2 of 2 +0 +[1-9][\d.k]* +[1-9][\d.]*[kM] +[1-9][\d.k]* ", screen, re.M))
        assert re.search(r"^[1-9][\d.k]* packets/s, [1-9][\d.]*[kM] bit/s, [1-9][\d.k]* new flows/s; "
                         r"2 services, 1 down; 3 backends, 1 not up$", screen, re.M)
        assert names(screen) == ["web", "other"]
        terminal.keys("2")
        screen = terminal.wait(lambda screen: all(re.search(
            rf"^web/c{i} +10.1.0.{i + 1}:8080 +up +100 +[45]\d\.\d% +[1-9]", screen, re.M)
            for i in (1, 2)))
        assert re.search(r"^web/c2 +\[fd00::3\]:8080 +up +100 +[45]\d\.\d% +0 +0 +0 ", screen, re.M)
    assert not requests.failed
    terminal.wait(lambda screen: re.search(r"^0 packets/s, 0 bit/s, 0 new flows/s", screen, re.M))
    terminal.keys("q")
    assert_shell(terminal)


def test_the_rate_is_what_was_asked(network, running):
    """New flows as lbctl counts them are those that the client made."""
    with Requests(network.client, VIP4) as requests:
        before, begin = requests.done, time.monotonic()
        result = running.ctl("top", "--json", "-d", "2")
        took, done = time.monotonic() - begin, requests.done - before
    told = json.loads(result.stdout)
    assert 1.9 < told["interval_s"] < 3
    assert told["new_flows_per_s"] == pytest.approx(done / took, rel=0.35)
    by_name = {row["name"]: row for row in told["services"]}
    assert by_name["web"]["new_flows_per_s"] == told["new_flows_per_s"]
    rows = [row for row in told["backends"] if row["name"].startswith("web/")]
    assert sum(row["packets_per_s"] for row in rows) == pytest.approx(told["packets_per_s"])
    assert (by_name["other"]["state"], by_name["other"]["packets_per_s"]) == ("down", 0)
    assert (told["services_down"], told["backends_down"]) == (1, 1)


def test_an_answer_says_when_it_was_made(running):
    begin = time.monotonic_ns()
    times = [running.show()["monotonic_ns"] for _ in range(3)]
    times = [begin, *times, time.monotonic_ns()]
    assert times == sorted(times)


def test_states_have_colours_unless_somebody_wants_none(running, make_terminal):
    running.ctl("drain", "web/c1")
    terminal = make_terminal()
    top(terminal, running.socket, "backends")
    painted = terminal.painted()
    (down,) = [line for line in painted.splitlines() if "other/c3" in line]
    assert len(DOWN.findall(down)) == 2, down  # its name and its state
    drained = [line for line in painted.splitlines() if "web/c1" in line]
    assert drained and all(re.search(r"\x1b\[[0-9;]*33m", line) for line in drained)
    assert "drain*" in terminal.screen()
    plain = make_terminal(NO_COLOR="1")
    top(plain, running.socket, "backends")
    plain.wait("other/c3")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", plain.painted())


def test_a_daemon_that_ends_is_asked_until_it_is_back(network, running, terminal):
    top(terminal, running.socket, "-d", "0.2")
    with Requests(network.client, VIP4):
        terminal.wait(lambda screen: re.search(r"^[1-9]\S* packets/s", screen, re.M))
        running.stop(signal.SIGKILL)
        screen = terminal.wait("asking again for")
        assert f"no daemon at {running.socket}" in screen
        assert names(screen) == ["web", "other"]  # as they were last
        assert re.search(r"^\x1b\[0;2m(\x1b\[\d+m)*web", terminal.painted(), re.M)
        running.start()
        screen = terminal.wait(lambda screen: "asking again" not in screen and
                               re.search(r"^[1-9]\S* packets/s", screen, re.M))
        assert not re.search(r" -\d", screen)
    terminal.keys("q")
    assert_shell(terminal)


def test_without_flows_the_view_of_containers_says_what_to_add(running, terminal):
    top(terminal, running.socket, "containers")
    terminal.wait("flows: { };  in lb.conf")
    terminal.keys("1")
    terminal.wait("other")
    result = running.ctl("top", "containers", "--batch", "-d", "0.1", check=False)
    assert result.returncode == 1 and result.stderr
    assert running.json("top", "-d", "0.1")["containers"] is None


def test_flows_of_cgroups_are_rows_of_containers(network, lbd, terminal):
    parent = Cgroup(network.lab, "top")
    asking = parent.child("asking")
    web = service("web", VIPS, [backend(f"c{i}", *network.addresses(i)) for i in (1, 2)])
    lbd.start(config(web, extra=f'flows: {{ cgroups = [ "{parent.name}" ]; }};\n'))
    client = network.client.start("sh", "-c", f"while curl -s -o /dev/null http://{VIP4}/; do :; "
                                  "done", cgroup=asking)
    top(terminal, lbd.socket, "containers", "-d", "0.5")
    terminal.keys("/")
    terminal.text("/asking")
    terminal.keys("Enter")
    screen = terminal.wait(lambda screen: "1 of " in screen and re.search(
        rf"^\S*{asking.name} +\d+ +[1-9]\S* +[1-9]\S* +[1-9]\S* +[1-9]\S* +[1-9]\S* +0 ", screen,
        re.M))
    assert "by BIT OUT/S" in screen
    client.end()
    terminal.wait(lambda screen: re.search(
        rf"^\S*{asking.name} +0 +0 +0 +0 +0 +0 +0 ", screen, re.M))
    lbd.reload(config(web))
    terminal.wait("flows: { };  in lb.conf")


# ---- over one that tells what the test wants -----------------------------------------------------

class Told:
    """Services whose counters rise by their number a second; `skew` is added to all of them."""

    def __init__(self, path, services=3, containers=None):
        self.count, self.skew, self.begin = services, 0, time.monotonic()
        self.containers = containers
        self.daemon = StandIn(path, {"/v1/show": self.show, "/v1/containers": self.tell}).start()

    def counter(self, number):
        return max(0, int((time.monotonic() - self.begin) * number * 1000) + self.skew)

    def show(self):
        services = [{"name": f"s{i}", "state": "up", "reason": None, "slots_moving": 0,
                     "forward": "nat", "protocol": "tcp",
                     "backends": [{"name": "b", "address": f"10.0.{i // 250}.{i % 250}",
                                   "port": 80, "forward": "nat", "state": "up", "reason": None,
                                   "override": False, "effective_weight": 1, "share": 1,
                                   "packets": self.counter(i), "bytes": self.counter(i),
                                   "new_flows": self.counter(i), "local_connections": 0}]}
                    for i in range(1, self.count + 1)]
        return 200, {"config": {"file": "/etc/edgelb/lb.conf", "loaded": "2026-01-01T00:00:00Z"},
                     "services": services}

    def tell(self):
        if self.containers is None:
            return 422, {"errors": [{"file": None, "line": 0, "text": "flows is not in the config"}]}
        rows = [{"name": name, "cgroup": f"/test/{i}", "group": "front", "flows": i,
                 "new_flows": self.counter(i), "packets_in": self.counter(i), "packets_out": 0,
                 "bytes_in": 0, "bytes_out": self.counter(i), "failures": 0, "retransmits": 0,
                 "rtt_us": 1200} for i, name in enumerate(self.containers, 1)]
        return 200, {"containers": rows, "other": {"flows": 0}}


@pytest.fixture(name="tell")
def fixture_tell(tmp_path):
    made = []

    def tell(**told):
        made.append(Told(tmp_path / "lbd.sock", **told))
        return made[-1]

    yield tell
    for told in made:
        told.daemon.stop()


def test_the_table_is_sorted_by_any_column_either_way(tell, terminal):
    told = tell()
    top(terminal, told.daemon.path, "-d", "0.2")
    terminal.wait(lambda screen: "by PACKETS/S" in screen and names(screen) == ["s3", "s2", "s1"])
    terminal.keys("r")
    terminal.wait(lambda screen: "reversed" in screen and names(screen) == ["s1", "s2", "s3"])
    terminal.keys("<")
    terminal.wait("by MOVING, reversed")
    terminal.keys("r", "<", "<", "<", "<")  # one more than there are
    screen = terminal.wait("by SERVICE")
    assert names(screen) == ["s1", "s2", "s3"]
    terminal.keys("2")
    terminal.wait("by PACKETS/S")  # each view has its own
    terminal.keys("Tab", "Tab")
    terminal.wait("by SERVICE")
    terminal.keys(">")
    terminal.wait("by STATE")


def test_the_filter_is_typed_kept_and_cleared(tell, terminal):
    told = tell(services=40)
    top(terminal, told.daemon.path, "-d", "0.2")
    terminal.keys("/")
    terminal.text("S12q")
    terminal.wait(lambda screen: "filter: S12q" in screen and "no services with that text" in screen)
    terminal.keys("BSpace")
    terminal.wait(lambda screen: "filter: S12" in screen and names(screen) == ["s12"])
    terminal.keys("Enter")
    terminal.wait('"S12": 1 of 40')
    terminal.keys("2")
    terminal.wait(lambda screen: "BACKEND" in screen and names(screen) == ["s12/b"])
    terminal.keys("Escape")
    terminal.wait(lambda screen: "from 1 of 40" in screen and len(names(screen)) > 20)


def test_thousands_of_rows_are_scrolled_through(tell, terminal):
    told = tell(services=5000)
    top(terminal, told.daemon.path, "-d", "0.5")
    terminal.wait(lambda screen: names(screen)[:2] == ["s5000", "s4999"])
    terminal.keys("End")
    terminal.wait(lambda screen: names(screen)[-1] == "s1" and len(names(screen)) == 25)
    terminal.keys("Home", "Down", "Down")
    terminal.wait(lambda screen: names(screen)[0] == "s4998" and "from 3 of 5000" in screen)
    terminal.keys("NPage")
    terminal.wait("from 28 of 5000")
    terminal.keys("PPage", "Up", "Up", "Up")
    terminal.wait("from 1 of 5000")
    terminal.keys("q")
    assert_shell(terminal)


def test_columns_that_do_not_fit_are_reached_sideways(tell, make_terminal):
    told = tell()
    terminal = make_terminal(40, 12)
    top(terminal, told.daemon.path)
    assert "NEW/S" not in terminal.screen()
    terminal.keys("Right", "Right", "Right", "Right", "Right")
    screen = terminal.wait("NEW/S")
    assert "SERVICE" in screen and "MOVING" not in screen
    terminal.keys("Left", "Left", "Left", "Left", "Left", "Left")
    terminal.wait("MOVING")


def test_half_a_number_is_never_shown(tell, make_terminal):
    told = tell()
    terminal = make_terminal(40, 12)
    top(terminal, told.daemon.path, "-d", "0.2")
    for columns in range(38, 72):
        terminal.resize(columns, 12)
        # The clock stands at the right end.
        screen = terminal.wait(lambda screen, columns=columns:
                               len(screen.splitlines()[0]) == columns and len(names(screen)) == 3)
        head = next(line for line in screen.splitlines() if line.startswith("SERVICE"))
        assert head.split() == ["SERVICE", "STATE", "UP", "MOVING", "PACKETS/S", "BIT/S", "NEW/S",
                                "LOCAL/S"][:len(head.split())]


@pytest.mark.parametrize("columns, rows",
                         [(20, 5), (80, 24), (250, 60), (5, 2), (1, 1), (20, 3)])
def test_any_size_of_terminal_is_drawn_on(tell, terminal, columns, rows):
    told = tell(services=40)
    top(terminal, told.daemon.path, "-d", "0.2")
    terminal.resize(columns, rows)
    if columns >= 20 and rows > 3:
        screen = terminal.wait(lambda screen: "1 services" in screen and
                               names(screen)[:1] == ["s40"])
        assert all(len(line) <= columns for line in screen.splitlines())
    terminal.keys("2", "3", "h", "h", "/", "x", "Escape", "1", "End", "Home", "Right", "p", "p")
    terminal.resize(120, 30)
    terminal.wait(lambda screen: "h help" in screen and names(screen)[:2] == ["s40", "s39"])
    terminal.keys("q")
    assert_shell(terminal)


def test_names_in_utf_8_keep_the_columns_in_line(tell, make_terminal):
    told = tell(containers=["web", "äpfel", "漢字", "bad\u001b[31mname"])
    terminal = make_terminal(120, 20)
    top(terminal, told.daemon.path, "containers")
    screen = terminal.wait("äpfel")
    assert "漢字" in screen and "bad?[31mname" in screen
    lines = [line for line in screen.splitlines() if " front " in line]
    assert len(lines) == 4
    columns = {line.index("front") + sum(c in "漢字" for c in line) for line in lines}
    assert len(columns) == 1
    terminal.keys("/")
    terminal.text("ÄPFEL")
    terminal.keys("BSpace", "BSpace", "BSpace", "BSpace", "BSpace")
    terminal.text("äp")
    terminal.wait(lambda screen: names(screen) == ["äpfel"])


def test_containers_have_rates_of_their_own(tell, terminal):
    told = tell(containers=["web", "db", "cron"])
    top(terminal, told.daemon.path, "-d", "0.2")
    assert told.daemon.asked.count("/v1/containers") == 1  # nobody looks at them yet
    terminal.keys("3")
    screen = terminal.wait(lambda screen: re.search(
        r"^cron +front +3 +[23]\.\dk +[23]\.\dk +0 +0 +2\d\.\dk ", screen, re.M))
    assert names(screen) == ["cron", "db", "web"]
    assert "1.2ms" in screen


def test_counters_that_go_backwards_are_no_negative_rates(tell, terminal):
    told = tell()
    told.skew = 10**9
    top(terminal, told.daemon.path, "-d", "1")
    terminal.wait(lambda screen: re.search(r"^6\.0k packets/s", screen, re.M))
    told.skew = 0
    terminal.wait(lambda screen: re.search(r"^- packets/s, - bit/s", screen, re.M))
    screen = terminal.wait(lambda screen: re.search(r"^6\.0k packets/s", screen, re.M))
    assert not re.search(r" -\d", screen)


def pass_over(terminal, told, way):
    """A time for which the daemon is not asked, in which very much is counted."""
    if way == "away":
        told.daemon.stop()
        terminal.wait("asking again for")
    elif way == "paused":
        terminal.keys("p")
        terminal.wait("PAUSED")
    told.skew = 10**9
    if way == "away":
        told.daemon.start()
    elif way == "paused":
        terminal.keys("p")


@pytest.mark.parametrize("way", ["away", "paused"])
def test_the_mean_of_a_time_without_answers_is_no_rate(tell, terminal, way):
    told = tell()
    top(terminal, told.daemon.path, "-d", "1")
    terminal.wait(lambda screen: re.search(r"^6\.0k packets/s", screen, re.M))
    pass_over(terminal, told, way)
    terminal.wait(lambda screen: re.search(r"^- packets/s, - bit/s", screen, re.M))
    terminal.wait(lambda screen: re.search(r"^6\.0k packets/s", screen, re.M))


def test_what_containers_did_while_nobody_looked_is_no_rate(tell, terminal):
    told = tell(containers=["web"])
    top(terminal, told.daemon.path, "containers", "-d", "1")
    terminal.wait(lambda screen: re.search(r"^web +front +1 +1\.0k ", screen, re.M))
    terminal.keys("1")
    terminal.wait("SERVICE")
    asked = told.daemon.asked.count("/v1/show")
    wait_for(lambda: told.daemon.asked.count("/v1/show") > asked + 1, "polls without containers")
    told.skew = 10**9
    terminal.keys("3")
    terminal.wait(lambda screen: re.search(r"^web +front +1 +- ", screen, re.M))
    terminal.wait(lambda screen: re.search(r"^web +front +1 +1\.0k ", screen, re.M))


def test_keys_are_answered_while_the_daemon_is_not(tell, terminal):
    told = tell()
    top(terminal, told.daemon.path, "-d", "0.2")
    told.daemon.hang()
    terminal.wait("the daemon does not answer")
    terminal.keys("r")
    terminal.wait("reversed")
    told.daemon.hang(False)
    terminal.wait(lambda screen: "does not answer" not in screen)
    told.daemon.hang()
    asked = len(told.daemon.asked)
    wait_for(lambda: len(told.daemon.asked) > asked, "a question that hangs")
    terminal.keys("q")
    assert_shell(terminal)


def test_a_pause_asks_nothing_and_stays_as_it_is(tell, terminal):
    told = tell()
    top(terminal, told.daemon.path, "-d", "0.2")
    terminal.wait(lambda screen: names(screen) == ["s3", "s2", "s1"])
    terminal.keys("p")
    terminal.wait("PAUSED")
    asked, clock = len(told.daemon.asked), time.monotonic()
    rows = terminal.screen().splitlines()[3:]
    wait_for(lambda: time.monotonic() > clock + 1, "five intervals")
    assert len(told.daemon.asked) <= asked + 1  # one was on its way
    assert terminal.screen().splitlines()[3:] == rows
    terminal.keys("Space")
    terminal.wait(lambda screen: "PAUSED" not in screen)
    wait_for(lambda: len(told.daemon.asked) > asked + 2, "questions again")


def test_the_interval_is_changed_by_keys(tell, terminal):
    told = tell()
    top(terminal, told.daemon.path, "-d", "0.3")
    terminal.wait("every 0.3 s")
    terminal.keys("+")
    terminal.wait("every 0.5 s")
    terminal.keys("-", "-", "-", "-")
    terminal.wait("every 0.1 s")


def test_help_tells_the_keys_and_any_key_goes_back(tell, terminal):
    told = tell()
    top(terminal, told.daemon.path)
    terminal.keys("?")
    screen = terminal.wait("Any key goes back")
    for key in ("1 2 3, Tab", "< >", "r  ", "/  ", "p, space", "+ -", "q  "):
        assert f"\n{key}" in "\n" + screen
    terminal.keys("q")
    terminal.wait("h help")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(tell, terminal, number):
    told = tell()
    top(terminal, told.daemon.path)
    assert terminal.state("alternate_on") == "1"
    if number == signal.SIGINT:
        terminal.keys("C-c")
    else:
        os.kill(child_of(int(terminal.state("pane_pid"))), number)
    assert_shell(terminal)


def child_of(pid):
    children = wait_for(lambda: open(f"/proc/{pid}/task/{pid}/children", encoding="ascii").read(),
                        "the shell's child")
    return int(children.split()[0])


def test_a_stopped_one_goes_on_in_the_foreground(tell, terminal):
    told = tell()
    top(terminal, told.daemon.path, "-d", "0.2")
    terminal.keys("C-z")
    terminal.wait("Stopped")
    assert terminal.state("alternate_on") == "0"
    terminal.run("fg")
    terminal.wait("q quit")
    terminal.keys("q")
    assert_shell(terminal)


# ---- elsewhere than on a terminal ----------------------------------------------------------------

def lbctl(*args, **options):
    return subprocess.run([LBCTL, *map(str, args)], capture_output=True, text=True, timeout=60,
                          check=False, stdin=subprocess.DEVNULL, **options)


def test_a_terminal_that_cannot_be_drawn_on_is_told(tell, terminal):
    told = tell()
    for kind in ("dumb", "nonsense"):
        terminal.run("env", f"TERM={kind}", LBCTL, "--socket", told.daemon.path, "top")
        terminal.wait(f'TERM="{kind}" is no terminal to draw on; lbctl top --batch prints tables')


def test_batch_prints_as_many_tables_as_wanted(tell):
    told = tell()
    result = lbctl("--socket", told.daemon.path, "top", "-b", "-d", "0.2", "-n", "3")
    assert (result.returncode, result.stderr) == (0, "")
    tables = result.stdout.split("/etc/edgelb/lb.conf, loaded")[1:]
    assert len(tables) == 3
    for table in tables:
        assert names(table) == ["s3", "s2", "s1"]
        assert re.search(r"^[1-9]\.\dk packets/s", table, re.M)
    result = lbctl("--socket", told.daemon.path, "top", "backends", "--batch", "-d", "0.1")
    assert names(result.stdout) == ["s3/b", "s2/b", "s1/b"]


def test_json_is_one_object_a_line(tell):
    told = tell(containers=["web"])
    result = lbctl("--socket", told.daemon.path, "top", "--json", "-d", "1", "-n", "2")
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["time"] < second["time"]
    for told_then in (first, second):
        assert [row["name"] for row in told_then["services"]] == ["s1", "s2", "s3"]
        assert told_then["services"][1]["packets_per_s"] == pytest.approx(2000, rel=0.3)
        assert told_then["services"][1]["bits_per_s"] == pytest.approx(16000, rel=0.3)
        assert told_then["containers"][0]["packets_in_per_s"] == pytest.approx(1000, rel=0.3)
        assert told_then["containers"][0]["rtt_us"] == 1200


def test_a_reader_that_goes_away_ends_it(tell):
    told = tell()
    command = f"{LBCTL} --socket {told.daemon.path} top -b -d 0.1 -n 1000 | head -1"
    result = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True,
                            timeout=30, check=True)
    assert result.stdout.startswith("/etc/edgelb/lb.conf, loaded")


def test_a_full_disk_ends_it(tell):
    told = tell()
    with open("/dev/full", "wb") as full:
        result = subprocess.run([LBCTL, "--socket", told.daemon.path, "top", "-b", "-d", "0.1",
                                 "-n", "100000"], stdout=full, stderr=subprocess.PIPE, text=True,
                                stdin=subprocess.DEVNULL, timeout=30, check=False)
    assert result.returncode == 1
    assert "cannot write the output: No space left on device" in result.stderr


def test_a_daemon_that_goes_away_ends_a_batch(tell):
    told = tell()
    with subprocess.Popen([LBCTL, "--socket", told.daemon.path, "top", "--json", "-d", "0.1", "-n",
                           "1000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        assert json.loads(process.stdout.readline())
        told.daemon.stop()
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 3
        assert errors.startswith(f"no daemon at {told.daemon.path}")
