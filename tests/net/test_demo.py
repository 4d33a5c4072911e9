# SPDX-License-Identifier: GPL-2.0-or-later
"""`make demo` is the first thing that anybody runs: it must tell its story with real packets, fit
one screen, and leave nothing behind."""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def left_behind(pid):
    """What a demo of that process id may have left: namespaces, pins, processes."""
    name = f"elbdemo{pid}"
    found = [f"namespace {path.name}" for path in pathlib.Path("/run/netns").glob(f"{name}-*")]
    found += [f"pin {path}" for path in pathlib.Path("/sys/fs/bpf").glob(name)]
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and name.encode() in (entry / "cmdline").read_bytes():
                found.append(f"process {entry.name}")
        except OSError:
            continue
    return found


def start_demo():
    return subprocess.Popen([ROOT / "tests" / "demo"], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)


def test_demo_tells_its_story_on_one_screen_and_leaves_nothing_behind():
    demo = start_demo()
    text, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, text
    assert len(text.splitlines()) <= 60
    answers = re.findall(r"(\d+) answers by nginx in (web-.), which saw the client as (\S+)", text)
    assert {who for _, who, _ in answers} == {"web-a", "web-b", "web-c", "web-d"}
    assert {client for _, _, client in answers} == {"192.0.2.10", "2001:db8:1::10"}
    assert sum(int(count) for count, _, _ in answers) == 60 + 30 + 60 + 60
    drained = text.split("4. ")[1].split("5. ")[0]
    assert "web-b," not in drained
    assert left_behind(demo.pid) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_leaves_nothing_behind(number):
    demo = start_demo()
    for line in demo.stdout:
        if line.lstrip("\x1b[1m").startswith("3."):
            break
    os.killpg(demo.pid, number)
    demo.communicate(timeout=60)
    assert demo.returncode in (130, 143)  # by its trap, or by the command that the signal ended
    deadline = time.monotonic() + 10
    while left_behind(demo.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left_behind(demo.pid) == []
