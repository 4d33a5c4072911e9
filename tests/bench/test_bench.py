# SPDX-License-Identifier: GPL-2.0-or-later
"""The bench, in its quick mode: it measures everything that it names, the figures are possible
ones, and nothing of it stays, however it ends. What the figures are is not a test's business."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "build" / "lb-bench"
TIMEOUT_S = 120

FLOWS = [f"{family}.{forward}.{flows}" for family in ("ipv4", "ipv6")
         for forward in ("nat", "dsr") for flows in ("1", "64k", "1m")]
PASSES = ["ipv4.pass.1m", "ipv6.pass.1m", "ipv4.icmp", "arp"]
TEXTS = ["machine", "kernel", "commit", "time"]
COUNTS = ["processors", "cpu"]
EXPECTED = {
    "ns": [f"cost.{name}.{what}" for name in FLOWS for what in ("lb", "bare")]
          + [f"cost.{name}.lb" for name in PASSES]
          + [f"cost.{shape}.writing" for shape in ("ipv4", "ipv6", "fixed")],
    "Mpps": [f"mpps.{name}.{what}" for name in FLOWS for what in ("lbd", "bare")],
    "ratio": [f"cost.{name}.ratio" for name in FLOWS]
             + [f"mpps.{name}.{what}" for name in FLOWS for what in ("ratio", "lost")],
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="test runs and namespaces need root")


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run(["make", "-s", "build/lb-bench", "build/lbd"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)


def bench(*arguments):
    return subprocess.run([BENCH, *arguments], cwd=ROOT, capture_output=True, text=True,
                          timeout=TIMEOUT_S)


def left_behind():
    """What of the bench's ground can be seen from here: links, mounts, files, pins. (Not the whole
    world: other tests may be at work in it.)"""
    links = {link["ifname"] for link in
             json.loads(subprocess.check_output(["ip", "-j", "link"], text=True))}
    found = sorted(links & {"front-gen", "inside-end", "link-end", "barein-gen", "bareout-end"})
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    found += [mount for mount in mounts if " - tmpfs bench " in mount]
    paths = ("/run/lb.conf", "/run/lbd.sock", "/run/lbd.log", "/sys/fs/bpf/bench")
    return found + [path for path in paths if os.path.exists(path)]


@pytest.fixture(scope="module")
def lines():
    assert not left_behind()
    done = bench("--quick", "--json")
    assert done.returncode == 0, done.stderr
    assert not left_behind()
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_figure_has_its_name_and_unit_once(lines):
    names = {unit: sorted(line["name"] for line in lines if line["unit"] == unit)
             for unit in EXPECTED}
    assert names == {unit: sorted(wanted) for unit, wanted in EXPECTED.items()}
    assert len(lines) == sum(map(len, EXPECTED.values())) + len(TEXTS) + len(COUNTS)


def test_machine_and_commit_are_named(lines):
    values = {line["name"]: line["value"] for line in lines}
    assert all(isinstance(values[name], str) and values[name] for name in TEXTS)
    assert values["kernel"].startswith("Linux ")
    assert values["cpu"] < os.cpu_count() and values["processors"] >= 1


def test_figures_are_possible(lines):
    for line in lines:
        name, value = line["name"], line["value"]
        if name.startswith("cost.") and name.endswith((".lb", ".bare")):
            assert 0 < value < 5000, line
        elif line["unit"] == "Mpps":
            assert 0.01 < value < 100, line
        elif name.endswith(".lost"):
            assert 0 <= value <= 0.5, line
        elif name.endswith(".ratio"):
            assert 0 < value < 100, line
        if line["unit"] in EXPECTED:
            assert line["least"] <= value <= line["most"], line


@pytest.mark.parametrize("part, shown, other", [
    ("cost", ["ns a packet", "IPv4, no service", "ARP", "1M flows: lb costs at most"], "veth"),
    ("mpps", ["Over veth", "1M flows: lbd passes at least"], "ns a packet"),
])
def test_table_shows_the_part_that_was_measured_and_its_goal(tmp_path, part, shown, other):
    out = tmp_path / "bench.json"
    done = bench("--quick", "--only", part, "--out", str(out))
    assert done.returncode == 0, done.stderr
    for text in ["IPv4 nat", "IPv4 dsr", "IPv6 nat", "IPv6 dsr", *shown]:
        assert text in done.stdout
    assert other not in done.stdout
    names = [json.loads(line)["name"] for line in out.read_text().splitlines()]
    assert names[0] == "machine" and any(name.startswith(part) for name in names)


@pytest.mark.parametrize("arguments", [("--only", "speed"), ("--cpu", "x"), ("--fast",), ("now",)])
def test_wrong_usage_is_told(arguments):
    done = bench(*arguments)
    assert done.returncode == 2
    assert "Usage: bench" in done.stderr and not done.stdout


def children(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def is_lbd(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "lbd"
    except OSError:
        return False


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_when_it_is_ended(number):
    running = subprocess.Popen([BENCH, "--only", "mpps", "--json"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: any(map(is_lbd, children(running.pid))))
        started = children(running.pid)
    finally:
        running.send_signal(number)
        running.wait(timeout=30)
    assert wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in started))
    assert not left_behind()
