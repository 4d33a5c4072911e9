# SPDX-License-Identifier: GPL-2.0-or-later
"""Upgrade and downgrade: another lbd, with other programs over the same tables (`make other`), in
the place of the running one. Each direction, while connections live and slots are in motion."""

import contextlib
import json
import signal
import socket
import subprocess
import time

import pytest

from balancer import LBD, OTHER, backend, config, service
from lab import Lab, wait_for
from live import FULL, PORT, Echoing, assert_untouched, flows, moving, operations, unexplained
from rtnetlink import RTM_NEWLINK, RTM_NEWTFILTER, Watch
from topology import DSRS, VIPS, vip_on_lo

CONTAINERS = 4
STILL = 7101
EXCHANGES = 40 if FULL else 6
KILLED_STARTS = 100 if FULL else 24
CONNECTIONS = 400  # to each vip
LOSSES = ("lb_lost_in_batch", "lb_lost_at_once")
# Without getpeername, which looks nothing up: it is the same program in both.
LOCAL = tuple(f"local_{hook}{family}" for family in (4, 6)
              for hook in ("connect", "sendmsg", "recvmsg"))


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    assert OTHER.exists(), "build the other lbd first: make other"
    lab = Lab(tmp_path_factory.mktemp("upgrade"))
    try:
        network = Echoing(lab, CONTAINERS, (PORT, STILL))
        for host in network.servers:
            vip_on_lo(host, *DSRS)
        with network.edge.entered():
            network.front = socket.if_nametoindex("front0")
        yield network
    finally:
        lab.close()


@pytest.fixture(name="conf")
def fixture_conf(network):
    def backends(port):
        return [backend(f"c{number}", *network.addresses(number), port=port)
                for number in range(1, CONTAINERS + 1)]
    return config(service("live", VIPS, backends(PORT), ports=[PORT]),
                  service("direct", DSRS, backends(None), ports=[PORT], forward="dsr"))


# ---- what stands in the kernel --------------------------------------------------------------


def bpftool(*words):
    return json.loads(subprocess.run(["bpftool", "-j", *map(str, words)], capture_output=True,
                                     text=True, check=True).stdout)


def tables(lbd):
    """{name: id} of what is pinned, without the links."""
    return {path.rsplit("/", 1)[1]: found["id"] for found in bpftool("-f", "map", "show")
            for path in found.get("pinned", []) if path.startswith(f"{lbd.pin}/")}


def programs(network, lbd):
    """{where: (id, tag)} of all that runs over these tables: lb, each lb_reply, the counters of
    losses, those for local clients. One place has one program."""
    link = json.loads(network.edge.run("ip", "-d", "-j", "link", "show", "dev", "front0").stdout)
    ids = {"lb": link[0]["xdp"]["prog"]["id"]}
    for dev in (f"v{number}" for number in range(1, CONTAINERS + 1)):
        rows = json.loads(network.edge.run("tc", "-j", "filter", "show", "dev", dev,
                                           "ingress").stdout)
        (ids[f"lb_reply on {dev}"],) = [row["options"]["prog"]["id"] for row in rows
                                        if "options" in row]
    for name in LOSSES + LOCAL:
        ids[name] = bpftool("link", "show", "pinned", lbd.pin / name)["prog_id"]
    tag_of = {found["id"]: found["tag"] for found in bpftool("prog", "show")}
    return {where: (number, tag_of[number]) for where, number in ids.items()}


def tags(standing):
    return {where: tag for where, (_, tag) in standing.items()}


def counters_of_losses(lbd):
    """Ids of the programs that count into this lbd's table of losses, pinned or not."""
    table = tables(lbd)["lb_losses"]
    return {found["id"] for found in bpftool("prog", "show")
            if found.get("type") == "tracing" and table in found.get("map_ids", [])}


def packets(lbd):
    return {(row["name"], found["name"], row["address"]): row["packets"]
            for found in lbd.show()["services"] for row in found["backends"]}


# ---- the exchange ---------------------------------------------------------------------------


def exchange(network, lbd, program, number=signal.SIGTERM):
    """Ends the daemon that runs, and starts `program` in its place. The programs before and after,
    and what the kernel told meanwhile. All else is as it was."""
    before, maps, counted, motion = (programs(network, lbd), tables(lbd), packets(lbd),
                                     moving(lbd))
    with Watch(network.edge) as watch:
        lbd.stop(number)
        lbd.program = program
        lbd.start()
    assert operations(lbd) == [] and lbd.plan_is_empty()
    assert tables(lbd) == maps
    assert moving(lbd) == motion
    now = packets(lbd)
    assert now.keys() == counted.keys() and all(now[name] >= counted[name] for name in now)
    return before, programs(network, lbd), watch


def assert_replaced_in_place(network, before, after, watch):
    """Every program is another one, and took its place by a single exchange: nothing was detached,
    nothing was attached beside it, the link did not go down."""
    assert before.keys() == after.keys()
    for where, (number, tag) in after.items():
        assert (number, tag) != before[where] and tag != before[where][1], where
    (told,) = watch.of_link(network.front)
    assert (told.kind, told.up, told.xdp) == (RTM_NEWLINK, True, after["lb"][0])
    assert {told.kind for told in watch.filters} == {RTM_NEWTFILTER}
    assert len(watch.filters) == CONTAINERS
    return told.carrier_changes


@contextlib.contextmanager
def live_flows(network, count):
    """To each vip, with new ones beside them, and some that the balancer has no part in. What
    happened to each, in the end: nothing."""
    told = {}
    with contextlib.ExitStack() as stack:
        live = {vip: stack.enter_context(flows(network.client, vip, PORT, count, "--interval", 500,
                                               "--new", 20)) for vip in (*VIPS, *DSRS)}
        still = stack.enter_context(flows(network.client, network.addresses(1)[0], STILL, 100,
                                          "--interval", 200))
        yield told
        for one in live.values():
            one.wait_more()
        told.update((vip, one.end()) for vip, one in live.items())
        control = still.end()
    for one in told.values():
        assert_untouched(one)
        assert one["new_failed"] == 0
        assert unexplained(one, control) == []


def test_another_lbd_and_back_with_live_flows_and_slots_in_motion(network, lbd, conf, capsys):
    lbd.start(conf)
    seen, carrier = {LBD: None, OTHER: None}, set()
    with live_flows(network, CONNECTIONS) as told:
        for turn in range(EXCHANGES):
            lbd.ctl("weight", f"live/c{1 + turn % CONTAINERS}", 20 + 60 * (turn % 3))
            assert moving(lbd) > 0
            program = (OTHER, LBD)[turn % 2]
            before, after, watch = exchange(network, lbd, program,
                                            (signal.SIGTERM, signal.SIGKILL)[turn // 2 % 2])
            carrier.add(assert_replaced_in_place(network, before, after, watch))
            assert seen[program] in (None, tags(after))
            seen[program] = tags(after)
            wait_for(lambda: counters_of_losses(lbd) ==
                     {after[name][0] for name in LOSSES}, "the older counters' end")
    assert len(carrier) == 1
    with capsys.disabled():
        print(f"\nupgrade: {EXCHANGES} exchanges, {len(told)} x {CONNECTIONS} connections: "
              f"{sum(one['resets'] for one in told.values())} resets, "
              f"{sum(one['wrong_bytes'] for one in told.values())} wrong bytes, longest stall "
              f"{max(one['longest_stall_ms'] for one in told.values())} ms, new connections "
              f"{sum(one['new'] for one in told.values())}, failed "
              f"{sum(one['new_failed'] for one in told.values())}")


@pytest.mark.parametrize("program", [LBD, OTHER], ids=["this", "other"])
def test_the_same_lbd_leaves_its_programs_alone(network, lbd, conf, program):
    lbd.program = program
    lbd.start(conf)
    for number in (signal.SIGTERM, signal.SIGKILL):
        before, after, watch = exchange(network, lbd, program, number)
        assert before == after
        assert watch.of_link(network.front) == [] and watch.filters == []


def test_an_upgrade_that_is_killed_at_any_moment_is_taken_up_by_the_next(network, lbd, conf):
    """Each start is killed a little later than the one before it, the last one when it is done."""
    lbd.start(conf)
    lbd.stop()
    begin = time.monotonic()
    lbd.start()
    whole = time.monotonic() - begin
    with live_flows(network, 50):
        for turn in range(KILLED_STARTS):
            lbd.stop(signal.SIGKILL)
            lbd.program = (OTHER, LBD)[turn % 2]
            lbd.process = network.edge.start(*lbd.command())
            with contextlib.suppress(subprocess.TimeoutExpired):
                lbd.process.wait(whole * (turn + 1) / KILLED_STARTS)
            assert lbd.process.running(), lbd.process.output()
        lbd.stop(signal.SIGKILL)
        lbd.start()
        assert operations(lbd) == []
        before, after, watch = exchange(network, lbd, OTHER)
        assert_replaced_in_place(network, before, after, watch)
    wait_for(lambda: counters_of_losses(lbd) == {after[name][0] for name in LOSSES},
             "the older counters' end")


# ---- refused --------------------------------------------------------------------------------


def pins(lbd):
    return sorted(path.name for path in lbd.pin.iterdir())


@contextlib.contextmanager
def another_table(lbd, name, version, size):
    """A table that another version of lbd may have made: its first word is `version`, its elements
    have `size` bytes."""
    path, kept = lbd.pin / name, lbd.pin / f"{name}_kept"
    path.rename(kept)
    subprocess.run(["bpftool", "map", "create", path, "type", "array", "key", "4", "value",
                    str(size), "entries", "1", "name", name, "flags", "0x400"], check=True)
    value = [version, *[0] * (size - 1)]
    subprocess.run(["bpftool", "map", "update", "pinned", path, "key", "0", "0", "0", "0", "value",
                    *map(str, value)], check=True)
    try:
        yield
    finally:
        kept.rename(path)


@pytest.mark.parametrize("first, second", [(LBD, OTHER), (OTHER, LBD)],
                         ids=["upgrade", "downgrade"])
@pytest.mark.parametrize("table, version, size, sentence", [
    ("lb_layout", 99, 24, "tables of layout 99, this lbd has layout "),
    ("lb_layout", 1, 8, "tables of layout 1, this lbd has layout "),
    ("lb_layout", 99, 32768, "tables of layout 99, this lbd has layout "),
    ("lb_service_info", 0, 64, "is not the table that this lbd knows by that name"),
    ("lb_losses", 0, 64, "is not the table that this lbd knows by that name"),
])
def test_tables_that_it_does_not_know_are_refused_untouched(  # pylint: disable=too-many-arguments
        network, lbd, conf, first, second, table, version, size, sentence):
    lbd.program = first
    lbd.start(conf)
    standing, maps = programs(network, lbd), tables(lbd)
    with live_flows(network, 20):
        lbd.stop()
        with another_table(lbd, table, version, size):
            before = pins(lbd), tables(lbd)
            lbd.program = second
            with Watch(network.edge) as watch:
                said = lbd.start_refused()
            assert sentence in said and str(lbd.pin) in said
            assert (pins(lbd), tables(lbd)) == before
            assert watch.of_link(network.front) == [] and watch.filters == []
        assert (programs(network, lbd), tables(lbd)) == (standing, maps)
        lbd.program = first
        lbd.start()
        assert operations(lbd) == []
        assert programs(network, lbd) == standing
