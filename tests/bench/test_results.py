# SPDX-License-Identifier: GPL-2.0-or-later
"""What is made of a run's JSON lines: plots, and the page that keeps the table."""

import json
import pathlib
import subprocess
import xml.etree.ElementTree

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
MACHINE = {"machine": "A Processor", "processors": 2, "kernel": "Linux 6.1", "commit": "abc1234",
           "time": "2026-01-01T00:00:00Z"}


def lines_write(path, figures):
    lines = [{"name": name, "value": value} for name, value in {**MACHINE, **figures}.items()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def run(tool, *arguments):
    return subprocess.run([BENCH / tool, *arguments], capture_output=True, text=True, timeout=60)


def test_a_plot_says_what_its_axes_and_lines_are(tmp_path):
    figures = {f"cost.ipv4.dsr.{flows}.{subject}": 20 for flows in ("1", "64k", "1m")
               for subject in ("lb", "bare")}
    done = run("plot", lines_write(tmp_path / "bench.json", figures))
    assert done.returncode == 0, done.stderr
    text = " ".join(xml.etree.ElementTree.parse(tmp_path / "cost-flows.svg").getroot().itertext())
    for word in ("flows", "ns a packet", "lb, settled", "bare redirect", "64k"):
        assert word in text
    assert "LRU" not in text


def test_a_plot_without_figures_is_not_drawn(tmp_path):
    done = run("plot", lines_write(tmp_path / "bench.json", {"cost.ipv4.dsr.1m.lb": 20}))
    assert done.returncode == 0 and done.stdout.count("not drawn") == 3
    assert not list(tmp_path.glob("*.svg"))


def test_the_page_has_the_table_and_the_machine(tmp_path):
    (tmp_path / "bench.txt").write_text("a table\n")
    page = tmp_path / "RESULTS.md"
    done = run("results", tmp_path / "bench.txt", lines_write(tmp_path / "bench.json", {}), page)
    assert done.returncode == 0, done.stderr
    for word in ("a table", *map(str, MACHINE.values())):
        assert word in page.read_text()


def test_the_page_says_what_a_limit_was_measured_by_and_leaves_out_what_was_not(tmp_path):
    (tmp_path / "bench.txt").write_text("a table\n")
    page = tmp_path / "RESULTS.md"
    lines = lines_write(tmp_path / "bench.json", {"cost.line.owners": 21, "cost.line.backends": 12})
    done = run("results", tmp_path / "bench.txt", lines, page)
    assert done.returncode == 0, done.stderr
    assert "1,000 services" in page.read_text() and "21 and 12 ns" in page.read_text()
    assert "Upload" not in page.read_text()
