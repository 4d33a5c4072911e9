# SPDX-License-Identifier: GPL-2.0-or-later
"""lbctl flows, graph and show flows before a daemon that says what it wants: filters on their way,
forms of output, graphviz's reading of every name, following on a terminal and in a pipe."""

import fcntl
import html
import json
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import termios
import urllib.parse

import pytest

from lab import Process, wait_for
from stand_in import StandIn

ROOT = pathlib.Path(__file__).resolve().parents[2]
LBCTL = pathlib.Path(os.environ.get("LBCTL", ROOT / "build" / "lbctl"))

NO_FLOWS = (422, {"errors": [{"file": None, "line": 0, "text": "no flows are seen"}]})

HOSTILE = ['quo"te', 'back\\slash', "ends with \\", 'both \\"', "two\nlines", "größe → 名前 🐳",
           "a->b; c [label=x]", "<b>html</b>", "&lt;&amp;\"", "\\N\\G\\l", "node", "n0", "", " ",
           "//no comment", "/* neither */", "#nor this", "}", "a:b:c", "tab\there", "-7", "é" * 200]


def flow(name, state="established", **more):
    return {"container": name, "cgroup": f"docker/{name}", "group": None, "netns": None,
            "direction": "out", "protocol": "tcp", "local": f"10.1.0.2:{name}",
            "remote": "10.1.0.3:80", "service": None, "state": state, "packets_in": 1,
            "packets_out": 2, "bytes_in": 10, "bytes_out": 20,
            "start": "2026-01-01T00:00:00.000Z", "duration_s": 1.5, "rtt_us": 20,
            "min_rtt_us": 10, "retransmits": 0, **more}


def answer(*flows, other=0, forgotten=0):
    return {"flows": list(flows), "forgotten": forgotten,
            "other": {"flows": other, "packets_in": 0, "packets_out": 0, "bytes_in": 0,
                      "bytes_out": 0, "no_memory": 0}}


@pytest.fixture(name="daemon")
def fixture_daemon(tmp_path):
    stand_in = StandIn(tmp_path / "lbd.sock").start()
    yield stand_in
    stand_in.stop()


def lbctl(daemon, *args):
    return subprocess.run([LBCTL, "--socket", daemon.path, *args], capture_output=True, text=True,
                          timeout=60, check=False)


# ---- once -----------------------------------------------------------------------------------


def test_filters_reach_the_daemon_as_they_were_given(daemon):
    daemon.answers["/v1/flows"] = answer()
    name = 'a b&c=d?#%/"ü+'
    result = lbctl(daemon, "flows", "--container", name, "--peer=fd00::/64", "--port", "443",
                   "--since", "90s")
    assert (result.returncode, result.stdout, result.stderr) == (0, "no flows\n", "")
    (asked,) = daemon.asked
    assert dict(urllib.parse.parse_qsl(asked.partition("?")[2], strict_parsing=True)) == {
        "container": name, "peer": "fd00::/64", "port": "443", "since": "90"}
    lbctl(daemon, "flows")
    assert daemon.asked[1] == "/v1/flows"


def test_json_is_one_line_a_flow_and_the_daemons_own_words(daemon):
    flows = [flow(name, more={"nested": [1, None, "two\nlines"]}) for name in ("1", "2")]
    daemon.answers["/v1/flows"] = answer(*flows, other=3, forgotten=1204)
    result = lbctl(daemon, "flows", "--json")
    lines = result.stdout.splitlines()
    assert result.returncode == 0
    assert [json.loads(line) for line in lines] == flows
    assert [list(json.loads(line)) for line in lines] == [list(flow) for flow in flows]
    assert re.search(r"^lbctl: other: 3 flows ", result.stderr, re.M)
    assert re.search(r"^lbctl: forgotten: 1,204 flows ", result.stderr, re.M)


def test_text_ends_with_what_the_answer_lacks(daemon):
    daemon.answers["/v1/flows"] = answer(flow("1"), flow("2", bytes_out=10**6), other=1)
    lines = lbctl(daemon, "flows").stdout.splitlines()
    assert lines[0].split()[:2] == ["CONTAINER", "DIRECTION"]
    assert [line.split()[0] for line in lines[1:3]] == ["2", "1"]
    assert lines[3:5] == ["", "2 flows"]
    assert lines[5].startswith("other: 1 flow ")
    assert len(lines) == 6


@pytest.mark.parametrize("args, path", [
    (("flows",), "/v1/flows"), (("flows", "--json"), "/v1/flows"),
    (("flows", "-f"), "/v1/flows"), (("graph",), "/v1/graph"),
    (("graph", "--dot"), "/v1/graph"), (("show", "flows"), "/v1/containers"),
])
def test_a_daemon_that_sees_no_flows_is_a_refusal(daemon, args, path):
    daemon.answers.update({path: NO_FLOWS, "/v1/show": {"config": {}}})
    result = lbctl(daemon, *args)
    assert (result.returncode, result.stderr) == (1, "no flows are seen\n")
    if "--json" not in args:
        assert result.stdout == ""


@pytest.mark.parametrize("args", [("flows",), ("flows", "-f"), ("graph",), ("show", "flows")])
def test_a_daemon_of_before_is_a_refusal(daemon, args):
    daemon.answers["/v1/show"] = {"config": {}}
    result = lbctl(daemon, *args)
    assert (result.returncode, result.stdout) == (1, "")
    assert "there is nothing at " in result.stderr


@pytest.mark.parametrize("args", [("flows",), ("flows", "-f"), ("graph",), ("graph", "--dot")])
@pytest.mark.parametrize("body", [b"", b"hello", b"[1]", b'{"flows":[', b"\xff\xfe", b"null"])
def test_what_is_no_answer_fails(daemon, args, body):
    daemon.answers.update({"/v1/flows": body, "/v1/graph": body})
    result = lbctl(daemon, *args)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"what answers at {daemon.path} does not speak JSON: is it lbd?\n"


def test_show_flows_adds_up_containers_and_its_json_is_that_of_show(daemon):
    shown = {"config": {"file": "lb.conf", "loaded": "today", "source": "-c"}, "services": []}
    daemon.answers.update({"/v1/show": shown, "/v1/containers": {
        "containers": [{"name": "db", "flows": 2, "new_flows": 9, "bytes_in": 1},
                       {"name": "web", "flows": 1, "new_flows": 7, "bytes_in": 5}], "other": {}}})
    lines = lbctl(daemon, "show", "flows").stdout.splitlines()
    assert lines[0] == "config lb.conf, loaded today (the daemon's own)"
    assert [line.split()[0] for line in lines[2:]] == ["CONTAINER", "web", "db"]
    assert json.loads(lbctl(daemon, "--json", "show", "flows").stdout) == shown


# ---- the graph ------------------------------------------------------------------------------


def edge(source, target, port=80, connections=1, failures=0, size=0):
    (kind, name), (to_kind, to_name) = source, target
    return {"from": name, "from_kind": kind, "to": to_name, "to_kind": to_kind,
            "protocol": "tcp", "port": port, "connections": connections, "failures": failures,
            "bytes": size}


def graph_of(*edges):
    nodes = {(each[kind], each[end]) for each in edges
             for kind, end in (("from_kind", "from"), ("to_kind", "to"))}
    return {"nodes": [{"name": name, "kind": kind} for kind, name in sorted(nodes)],
            "edges": list(edges)}


def drawn(text):
    """What graphviz reads a label as: its own escapes, then entities of HTML."""
    return html.unescape(re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text))


def graphviz(dot, form):
    result = subprocess.run(["dot", f"-T{form}"], input=dot, capture_output=True, text=True,
                            timeout=120, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


SHAPES = {"container": "box", "service": "hexagon", "network": "ellipse"}


def test_graphviz_reads_every_name_as_it_is(daemon):
    service = ("service", "web")
    edges = [edge(service, ("container", "web"), failures=3, connections=12044, size=1200000)]
    edges += [edge((kind, name), service, port=port) for port, kind in enumerate(SHAPES, 1)
              for name in HOSTILE]
    daemon.answers["/v1/graph"] = graph_of(*edges)
    dot = lbctl(daemon, "graph", "--dot").stdout
    assert "<svg" in graphviz(dot, "svg")
    picture = json.loads(graphviz(dot, "json"))
    nodes = {node["_gvid"]: node for node in picture["objects"]}
    names = {(node["shape"], drawn(node["label"])): gvid for gvid, node in nodes.items()}
    tab = {"tab\there": "tab�here"}  # graphviz draws no such character
    wanted = {(SHAPES[node["kind"]], tab.get(node["name"], node["name"]))
              for node in daemon.answers["/v1/graph"]["nodes"]}
    assert set(names) == wanted
    assert len(nodes) == len(wanted)
    ends = {(each["tail"], each["head"]): drawn(each["label"]) for each in picture["edges"]}
    assert len(picture["edges"]) == len(edges)
    for each in edges:
        tail, head = (names[SHAPES[each[kind]], tab.get(each[end], each[end])]
                      for kind, end in (("from_kind", "from"), ("to_kind", "to")))
        assert ends[tail, head].startswith(f"tcp/{each['port']} · ")
    (failed,) = [each for each in picture["edges"] if each.get("color") == "red"]
    assert drawn(failed["label"]) == "tcp/80 · 12,044 · 3 failed · 1.2 MB"
    assert float(failed["penwidth"]) > max(float(each["penwidth"]) for each in picture["edges"]
                                           if each is not failed)


def test_a_large_graph_is_drawn_by_every_edge(daemon):
    edges = [edge(("container", f"c{i}"), ("container", f"c{j}"), port=1 + j)
             for i in range(40) for j in range(40) if i != j]
    daemon.answers["/v1/graph"] = graph_of(*edges)
    dot = lbctl(daemon, "graph", "--dot").stdout
    result = subprocess.run(["gvpr", 'BEG_G { printf("%d %d", nNodes($G), nEdges($G)) }'],
                            input=dot, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "40 1560"
    assert len(lbctl(daemon, "graph").stdout.splitlines()) == 1561


def test_graph_json_is_the_daemons_object(daemon):
    daemon.answers["/v1/graph"] = graph_of(edge(("container", "a"), ("network", "b")))
    result = lbctl(daemon, "graph", "--json", "--since", "1h")
    assert json.loads(result.stdout) == daemon.answers["/v1/graph"]
    assert daemon.asked == ["/v1/graph?since=3600"]


# ---- followed -------------------------------------------------------------------------------


@pytest.fixture(name="follow")
def fixture_follow(daemon, tmp_path):
    """lbctl that follows, with its two outputs in files."""
    started = []

    def start(*args):
        errors = tmp_path / f"stderr{len(started)}"
        command = 'exec 2>"$1"; shift; exec "$@"'
        process = Process(["sh", "-c", command, "sh", errors, LBCTL, "--socket", daemon.path,
                           "flows", "-f", *args], tmp_path / f"stdout{len(started)}")
        process.errors = errors
        started.append(process)
        return process

    yield start
    for process in started:
        process.end()


def asked_more(daemon, count):
    wanted = len(daemon.asked) + count
    wait_for(lambda: len(daemon.asked) >= wanted, "the next question")


def lines_of(process):
    return [(each["container"], each["state"])
            for each in map(json.loads, process.output().splitlines())]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_text_is_appended_until_it_is_interrupted(daemon, follow, number):
    daemon.answers["/v1/flows"] = [answer(flow("1")), answer(flow("2"))]
    process = follow("--port", "80")
    wait_for(lambda: process.output().count("CONTAINER") == 2, "two tables")
    process.signal(number)
    assert process.wait() == 0
    assert process.errors.read_text() == ""
    first, second = process.output().split("\n\nCONTAINER")
    assert "\n1 " in first and "\n2 " in second
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  1 flow$", first, re.M)
    assert "\033" not in process.output()
    assert set(daemon.asked) == {"/v1/flows?port=80"}


def test_json_tells_a_flow_when_it_appears_and_when_it_ends(daemon, follow):
    daemon.answers["/v1/flows"] = [
        answer(flow("1"), flow("past", "closed")),
        answer(flow("1", "close-wait"), flow("past", "closed"), flow("2", "syn-sent")),
        answer(flow("1", "closed"), flow("2", "refused"), flow("3", "reset")),
        answer(flow("1", "closed"), flow("2", "refused"), flow("4")),
    ]
    process = follow("--json")
    wait_for(lambda: len(lines_of(process)) >= 6, "six lines")
    asked_more(daemon, 2)
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    assert lines_of(process) == [("1", "established"), ("2", "syn-sent"), ("1", "closed"),
                                 ("2", "refused"), ("3", "reset"), ("4", "established")]
    sinces = [int(re.fullmatch(r"/v1/flows\?since=(\d+)", asked)[1]) for asked in daemon.asked]
    assert min(sinces) >= 5


def test_json_begins_with_the_past_where_it_is_asked_for(daemon, follow):
    daemon.answers["/v1/flows"] = answer(flow("1"), flow("past", "closed"))
    process = follow("--json", "--since", "10m")
    asked_more(daemon, 3)
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    assert sorted(lines_of(process)) == [("1", "established"), ("past", "closed")]
    assert daemon.asked[0] == "/v1/flows?since=600"
    assert int(daemon.asked[1].partition("=")[2]) < 60


def test_what_is_lacking_is_told_once_and_at_the_end(daemon, follow):
    daemon.answers["/v1/flows"] = [answer(), answer(other=1), answer(other=2), answer(other=3)]
    process = follow("--json")
    wait_for(lambda: len(daemon.asked) >= 5, "the last answer")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert [line.split()[2] for line in process.errors.read_text().splitlines()] == ["1", "3"]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_daemon_that_goes_is_waited_for(daemon, follow, form):
    daemon.answers["/v1/flows"] = answer(flow("1"))
    process = follow(*form)
    wait_for(lambda: "10.1.0.2:1" in process.output(), "the first answer")
    daemon.stop()
    wait_for(lambda: "waiting for the daemon" in process.errors.read_text(), "that it is missed")
    daemon.answers["/v1/flows"] = answer(flow("1"), flow("2"))
    daemon.start()
    wait_for(lambda: "10.1.0.2:2" in process.output(), "the answer of the next daemon")
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    assert process.errors.read_text().splitlines() == [
        f"no daemon at {daemon.path}: No such file or directory"
        if not daemon.path.exists() else f"no daemon at {daemon.path}: Connection refused",
        "lbctl: waiting for the daemon"]
    if form:
        assert lines_of(process) == [("1", "established"), ("2", "established")]


def test_a_daemon_that_sees_no_flows_any_more_ends_it(daemon, follow):
    daemon.answers["/v1/flows"] = [answer(flow("1")), NO_FLOWS]
    process = follow()
    assert process.wait() == 1
    assert process.errors.read_text() == "no flows are seen\n"


def test_output_that_cannot_be_written_ends_it(daemon):
    daemon.answers["/v1/flows"] = answer(flow("1"))
    for args in (("flows", "-f"), ("flows", "-f", "--json")):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([LBCTL, "--socket", daemon.path, *args], stdout=full,
                                    stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert result.returncode == 1
        assert "cannot write the output: No space left on device" in result.stderr


class Terminal:
    """A pseudo-terminal with lbctl behind it."""

    def __init__(self, daemon, rows, columns, *args):
        self.main, side = pty.openpty()
        os.set_blocking(self.main, False)
        self.resize(rows, columns)
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["setpriv", "--pdeathsig", "KILL", LBCTL, "--socket", daemon.path, *args],
            stdin=subprocess.DEVNULL, stdout=side, stderr=side)
        os.close(side)
        self.text = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        try:
            self.text += os.read(self.main, 1 << 16).decode(errors="replace")
        except (BlockingIOError, OSError):  # nothing yet; the other side is closed
            pass
        return self.text

    def frames(self):
        """What each whole drawing put on the screen, as lines."""
        whole = self.read().split("\033[H")[1:]
        return [frame.split("\033[J")[0].replace("\033[K", "").split("\r\n") for frame in whole
                if "\033[J" in frame]

    def frame(self, wanted, what):
        def found():
            frames = self.frames()
            return frames and wanted(frames[-1]) and frames[-1]
        return wait_for(found, what)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.main)


def test_a_terminal_is_drawn_in_place(daemon):
    daemon.answers["/v1/flows"] = [answer(*(flow(str(i)) for i in range(1, 31))),
                                   answer(flow("7"), flow("größe"))]
    terminal = Terminal(daemon, 12, 50, "flows", "--follow")
    try:
        first = terminal.frame(len, "the first drawing")
        assert len(first) <= 12
        assert all(len(line) <= 50 for line in first)
        assert first[0].startswith("CONTAINER  DIRECTION")
        assert first[-3] == "... 22 more"
        assert re.fullmatch(r"\d{4}-.*Z  30 flows", first[-1])
        second = terminal.frame(lambda frame: "2 flows" in frame[-2], "the second drawing")
        assert second[1].startswith("7 ") and second[2].startswith("größe ")
        terminal.resize(4, 20)
        small = terminal.frame(lambda frame: len(frame) <= 4, "the drawing of a small terminal")
        assert all(len(line) <= 20 for line in small)
        assert small[1] == "... 2 more"
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(10) == 0
        assert terminal.read().endswith("\r\n")
    finally:
        terminal.close()
