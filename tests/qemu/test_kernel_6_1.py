# SPDX-License-Identifier: GPL-2.0-or-later
"""On the oldest kernel that is supported, Debian 12's 6.1: every BPF object loads, the whole
tables of tests/prog hold, and lbd stands beside other XDP programs by libxdp's dispatcher, which
the kernel of a development machine may refuse."""

import pytest

from machine import boot, objects, program_tests, skip_without_machine


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    skip_without_machine()
    return boot(tmp_path_factory.mktemp("qemu"))


def test_the_guest_runs_6_1_and_comes_to_its_end(guest):
    assert guest.kernel() and guest.kernel().startswith("6.1."), guest.text[-4000:]
    assert guest.came_to_its_end(), guest.text[-4000:]


@pytest.mark.parametrize("name", objects())
def test_object_loads(guest, name):
    guest.assert_ok(f"load {name}")


@pytest.mark.parametrize("name", program_tests())
def test_program_tests_hold(guest, name):
    guest.assert_ok(f"run {name}")


@pytest.mark.parametrize("step", [
    "world",
    "lbd comes to another program",
    "programs for local clients stand",
    "lbd comes again after SIGTERM",
    "lbd comes again after SIGKILL",
    "a second lbd is refused",
    "another lbd takes over and back after SIGTERM",
    "another lbd takes over and back after SIGKILL",
    "the next lbd finishes what was cut short",
    "unload leaves the other program",
    "lbd stays when another program comes and goes",
])
def test_dispatcher(guest, step):
    guest.assert_ok(step)


@pytest.mark.parametrize("step", [
    "world of VLANs and tunnels",
    "decap attaches",
    "lbd sees VLANs and tunnels",
    "a tagged client reaches an untagged container",
    "a tagged client reaches a container in another VLAN",
    "a tagged client reaches a host in another VLAN of the front",
    "an ipip backend answers",
    "a gue backend answers",
    "explain names the backend",
    "a capture has both halves",
])
def test_ways(guest, step):
    guest.assert_ok(step)


@pytest.mark.parametrize("step", [
    "pktgen sends every packet of the matrix",
    "pktgen keeps to a rate until it is ended, and leaves nothing",
    "pktgen refuses to be started twice",
    "IPVS and lbd forward the same flows, dsr",
    "IPVS and lbd forward the same flows, nat",
    "IPVS and lbd forward the same flows, ipip",
    "IPVS and lbd forward the same flows, IPv6",
    "the comparison with IPVS makes its table",
])
def test_lab(guest, step):
    guest.assert_ok(step)
