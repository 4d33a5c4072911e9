# SPDX-License-Identifier: GPL-2.0-or-later
"""README.md and docs/ say what the programs do: every example is taken, every verb, metric and
check is named, and every link leads somewhere. (tests/unit/test_docs.c has the tables.)"""

import pathlib
import re
import subprocess

import pytest

import cgroups
from balancer import LBCTL, LBD, backend, config, service
from cgroups import Cgroup
from seen import flows_part
from topology import VIPS

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


def examples():
    for path in PAGES:
        for number, text in enumerate(re.findall(r"^```libconfig\n(.*?)^```", path.read_text(),
                                                 re.M | re.S), 1):
            yield pytest.param(text, id=f"{path.name}-{number}")


@pytest.mark.parametrize("text", examples())
def test_every_example_of_a_config_is_taken(text, tmp_path):
    conf = tmp_path / "lb.conf"
    conf.write_text(text)
    result = subprocess.run([LBCTL, "check", conf], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def verbs_and_options(program):
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout


def verbs():
    return set(re.findall(r"^  ([a-z]+) ", verbs_and_options(LBCTL), re.M))


def test_every_verb_is_explained():
    """In README.md, docs/operate.md or docs/packet.md, as a command line that shows it."""
    text = "".join(path.read_text() for path in PAGES)
    for verb in verbs():
        assert re.search(rf"^ +lbctl {verb}\b", text, re.M), verb


def test_no_command_line_shows_a_verb_that_there_is_not():
    for path in PAGES:
        assert set(re.findall(r"^ +lbctl ([a-z]+)", path.read_text(), re.M)) <= verbs(), path.name


def test_every_option_of_the_daemon_is_explained():
    text = page("docs/operate.md")
    for option in re.findall(r"--[a-z-]+", verbs_and_options(LBD)):
        if option not in ("--config", "--version", "--help"):
            assert option in text, option


def test_every_metric_is_explained_and_no_other(network, lbd):
    if cgroups.missing():
        pytest.skip(cgroups.missing())
    parts = 'policy: { groups = ( { name = "nobody"; cgroup = "edgelb-test-nobody"; } ); };' + \
        flows_part(Cgroup(network.lab, "docs"), extra='influxdb = "http://[::1]:1/write?db=docs"; ')
    lbd.start(config(service("web", VIPS, [backend("c1", *network.addresses(1))])) + parts)
    text = network.edge.run("curl", "-sS", "--unix-socket", lbd.socket,
                            "http://localhost/metrics").stdout
    told = set(re.findall(r"^# HELP (\w+)", text, re.M))
    table = page("docs/operate.md").split("## Metrics")[1]
    assert told and set(re.findall(r"`(edgelb_\w+)`", table)) == told


def test_every_check_of_doctor_is_explained_and_no_other():
    """Their names stand in the source alone, so there they are looked for."""
    calls = [call for path in (ROOT / "lb" / "ctl").glob("doctor_*.c")
             for call in re.findall(r"findings_add\(findings,(.*?),\s", path.read_text(), re.S)]
    told = {name for call in calls for name in re.findall(r'"(\w+)"', call)}
    table = page("docs/operate.md").split("## lbctl doctor")[1].split("\n## ")[0]
    rows = "".join(re.findall(r"^\| (`.*?) \|", table, re.M))
    assert told and set(re.findall(r"`(\w+)`", rows)) == told


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(path):
    for target in re.findall(r"`((?:xdp|config|lb|tests|bench|docs)/[\w./]*)`", path.read_text()):
        assert (ROOT / target).exists(), target


def test_readme_names_every_command_of_the_door():
    """`make help` has them all; what the README shows must be among them."""
    known = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout
    for path in PAGES:
        for target in re.findall(r"(?:^ +|`|&& )make ([a-z]+)", path.read_text(), re.M):
            assert target == "help" or re.search(rf"^{target}\b", known, re.M), target
