# SPDX-License-Identifier: GPL-2.0-or-later
"""lbd refuses to start: each time a sentence that says what and where, exit code 1 (2 for wrong
usage), and nothing attached."""

import pathlib
import shutil
import subprocess

import pytest

import foreign
from balancer import LBCTL, LBD, backend, config, service
from lab import passable
from topology import VIPS
from traffic import curl


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


@pytest.fixture(name="conf")
def fixture_conf(network):
    return config(service("web", VIPS, [backend(f"c{i}", *network.addresses(i))
                                        for i in (1, 2, 3)]))


@pytest.fixture(name="untouched", autouse=True)
def fixture_untouched(network):
    yield
    assert foreign.attached(network.edge, "front0") is None
    assert network.edge.run("tc", "filter", "show", "dev", "v1", "ingress").stdout == ""


@pytest.fixture(name="for_everybody")
def fixture_for_everybody(tmp_path_factory):
    """The two programs where a user without rights can run them."""
    place = tmp_path_factory.mktemp("bin")
    return [pathlib.Path(shutil.copy(program, place)) for program in (LBD, LBCTL)]


def as_nobody(program, *words):
    passable(program.parent)  # at the last moment: any pytest that starts closes what all have above
    command = [program, *words]
    return subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           *map(str, command)], capture_output=True, text=True, check=False,
                          timeout=30)


def test_not_being_root(for_everybody, lbd, conf):
    lbd.conf.write_text(conf)
    command = lbd.command()
    result = as_nobody(for_everybody[0], *command[1:])
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "lbd: must be started as root\n"
    assert not lbd.pin.exists()


def test_a_socket_that_the_user_may_not_use(for_everybody, network, lbd, conf):
    lbd.start(conf)
    lbd.dir.chmod(0o755)
    result = as_nobody(for_everybody[1], "--socket", lbd.socket, "drain", "web/c1")
    assert result.returncode == 1
    assert str(lbd.socket) in result.stderr and "Permission denied" in result.stderr
    assert lbd.rows("web/c1")[0]["state"] == "up"
    assert curl(network.client, VIPS[0])
    lbd.unload()


def test_pins_that_the_user_may_not_remove(for_everybody, network, lbd, conf):
    lbd.start(conf)
    lbd.stop()
    result = as_nobody(for_everybody[1], "--socket", lbd.socket, "--pin", lbd.pin, "unload")
    assert result.returncode == 1
    assert str(lbd.pin) in result.stderr
    assert curl(network.client, VIPS[0])
    lbd.unload()


def test_a_file_that_the_user_may_not_read(for_everybody, lbd, conf):
    lbd.dir.chmod(0o755)
    lbd.conf.write_text(conf)
    lbd.conf.chmod(0o600)
    result = as_nobody(for_everybody[1], "check", lbd.conf)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"{lbd.conf}: cannot read it: Permission denied\n"


@pytest.mark.parametrize("args, sentence", [
    (["--frobnicate"], "--frobnicate"), (["--pin"], "--pin"), (["extra"], "extra"),
    (["--log-level", "loud"], "loud"),
])
def test_wrong_usage(args, sentence):
    result = subprocess.run([LBD, *args], capture_output=True, text=True, check=False, timeout=30)
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr and "lbd --help" in result.stderr


def test_a_missing_file(lbd):
    assert lbd.start_refused() == \
        f"lbd: {lbd.conf}: cannot read it: No such file or directory\n"
    assert not lbd.pin.exists()


def test_a_file_that_is_a_directory(lbd):
    lbd.conf.mkdir()
    assert f"{lbd.conf}: " in lbd.start_refused()
    assert not lbd.pin.exists()


def test_every_error_of_a_file_at_once(lbd, conf):
    said = lbd.start_refused(conf.replace("forward =", "foward =")
                             .replace('"10.1.0.3"', '"10.1.0.300"'))
    assert f'{lbd.conf}:5: unknown key "foward" in service "web"' in said
    assert f'{lbd.conf}:6: ' in said and "10.1.0.300" in said
    assert not lbd.pin.exists()


def test_an_interface_that_does_not_exist(lbd, conf):
    said = lbd.start_refused(conf.replace('"front0"', '"nowhere0"'))
    assert f'{lbd.conf}:2: interface "nowhere0" does not exist (optional = true' in said


def test_a_native_mode_that_the_driver_does_not_have(network, lbd, conf):
    """lo has no XDP of its own."""
    said = lbd.start_refused(conf.replace('name = "front0"; ', 'name = "lo"; mode = "native"; '))
    assert "interface lo: cannot attach lb" in said
    assert foreign.attached(network.edge, "lo") is None


def test_slots_that_do_not_fit(lbd, conf):
    said = lbd.start_refused(conf.replace('forward = "nat"; ',
                                          'forward = "nat"; ring_size = 65537; '))
    assert f"{lbd.conf}:3: the rings of all services need 131074 slots" in said
    assert "tuning.max_slots is 65536" in said


def test_pins_on_an_ordinary_file_system(lbd, conf, tmp_path):
    kept, lbd.pin = lbd.pin, tmp_path / "pins"
    said = lbd.start_refused(conf)
    lbd.pin = kept
    assert f"pins {tmp_path}/pins: not on a BPF file system" in said


def test_a_state_directory_that_cannot_be_one(lbd, conf):
    (lbd.dir / "state").write_text("a file")
    assert str(lbd.dir / "state") in lbd.start_refused(conf)


def test_a_socket_path_that_is_too_long(lbd, conf):
    kept, lbd.socket = lbd.socket, lbd.dir / ("long" * 30)
    said = lbd.start_refused(conf)
    lbd.socket = kept
    assert f'socket {lbd.dir / ("long" * 30)}: the path is too long' in said
    lbd.unload()


def test_tables_of_another_size_stay_as_they_are(network, lbd, conf):
    lbd.start(conf)
    lbd.stop()
    said = lbd.start_refused(conf.replace("65536", "131072"))
    assert f"tuning.max_slots is 131072, but the tables under {lbd.pin} were made with 65536" \
        in said
    assert curl(network.client, VIPS[0])
    lbd.unload()


def test_tables_of_another_layout_stay_as_they_are(network, lbd, conf):
    lbd.start(conf)
    lbd.stop()
    layout = f"{lbd.pin}/lb_layout"
    words = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", layout],
                           capture_output=True, text=True, check=True).stdout
    assert '"value":["0x' in words
    value = words.split('"value":[')[1].split("]")[0].replace('"', "").split(",")
    subprocess.run(["bpftool", "map", "update", "pinned", layout, "key", "0", "0", "0", "0",
                    "value", "0x63", *value[1:]], check=True)
    said = lbd.start_refused(conf)
    assert f"pins {lbd.pin}: tables of layout 99, this lbd has layout " in said
    assert curl(network.client, VIPS[0])
    lbd.unload()
