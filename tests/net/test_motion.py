# SPDX-License-Identifier: GPL-2.0-or-later
"""The promise: whatever is done to the balancer, no established connection to a live backend
breaks. 5,000 of them, every byte checked, while everything at once is done to it."""

import itertools
import random
import signal
import threading
import time

import pytest

from balancer import LBD, OTHER, config
from lab import Lab, wait_for
from live import FULL, Echoing, assert_untouched, flows, moving, unexplained
from topology import VIP4

LIVE, STILL = 7100, 7101
CONNECTIONS = 5000
KILLS, RELOADS = 100, 50
KILLS_MIN, REWEIGHTS = (KILLS, 150) if FULL else (10, 60)
SECONDS = 22  # for as many of the kills as fit
SEED = 20240607


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    lab = Lab(tmp_path_factory.mktemp("motion"))
    try:
        yield Echoing(lab, 8, (LIVE, STILL))
    finally:
        lab.close()


class Trouble:
    """Reloads, weights and kills, each at its own pace, none waiting for another."""

    def __init__(self, network, lbd):
        self.network, self.lbd = network, lbd
        self.reloads = self.reweights = self.kills = 0
        self.errors = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.repeat, args=args)
                        for args in ((self.reload, 0.2), (self.reweight, 0.2))]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def ctl(self, *words):
        """Whether it was done; nobody answers while the daemon is dead, or it dies meanwhile."""
        result = self.lbd.ctl(*words, check=False)
        if result.returncode == 1 and "hung up before" not in result.stderr:
            self.errors.append((words, result.stderr))
        return result.returncode == 0

    def repeat(self, step, pace):
        for turn in itertools.count():
            while not step(turn) and not self.over.is_set():
                time.sleep(0.02)
            if self.over.wait(pace):
                return

    def configure(self, turn):
        """Scale out 3 → 4 → 8, in by draining two, in by draining five, out again."""
        scale, draining = [(3, 0), (4, 0), (8, 0), (8, 2), (8, 5), (8, 0)][
            turn if turn < 3 else 2 + turn % 4]
        extras = {number: 'state = "drain"; drain = "1h"; '
                  for number in range(9 - draining, 9)}
        text = config(self.network.service(
            *range(1, scale + 1), extras=extras, port=LIVE,
            extra='check: { type = "tcp"; every = "1s"; timeout = "900ms"; };'))
        new = self.lbd.dir / "new.conf"
        new.write_text(text)
        new.rename(self.lbd.conf)

    def reload(self, turn):
        self.configure(turn)
        done = self.ctl("reload")
        self.reloads += done
        return done

    def reweight(self, turn):
        random_of = random.Random(SEED + turn)
        done = self.ctl("weight", f"live/c{random_of.randint(1, 3)}", random_of.randint(0, 300))
        self.reweights += done
        return done

    def kill(self):
        """Each is an upgrade or downgrade too: the other build's programs come in place."""
        assert self.lbd.process.running(), self.lbd.process.output()
        self.lbd.stop(signal.SIGKILL)
        self.lbd.program = (OTHER, LBD)[self.kills % 2]
        self.lbd.start()
        self.kills += 1
        # Long enough for something to be done to it.
        done = self.reloads + self.reweights
        wait_for(lambda: self.reloads + self.reweights >= done + 2, "changes between two kills")


def test_no_connection_breaks_whatever_is_done(network, lbd, capsys):
    trouble = Trouble(network, lbd)
    trouble.configure(0)
    lbd.start()
    for number in (1, 2, 3):
        lbd.wait_state(f"live/c{number}", "up")
    address = network.addresses(1)[0]
    with flows(network.client, VIP4, LIVE, CONNECTIONS, "--new", 20) as live, \
            flows(network.client, address, STILL, 200, "--interval", 200) as still:
        begin = time.monotonic()
        with trouble:
            while trouble.kills < KILLS and (
                    trouble.kills < KILLS_MIN or time.monotonic() < begin + SECONDS):
                trouble.kill()
            wait_for(lambda: trouble.reloads >= RELOADS and trouble.reweights >= REWEIGHTS,
                     "all reloads and new weights", 90)
        assert trouble.errors == []
        assert moving(lbd) > 0
        live.wait_more(2)
        seconds = time.monotonic() - begin
    told, control = live.end(), still.end()
    with capsys.disabled():
        print(f"\nmotion: {CONNECTIONS} connections, {seconds:.0f} s, {trouble.kills} kills, "
              f"{trouble.reloads} reloads, {trouble.reweights} weights: {told['bytes']} bytes, "
              f"{told['resets']} resets, longest stall {told['longest_stall_ms']} ms (control "
              f"{control['longest_stall_ms']} ms), new connections {told['new']}, failed "
              f"{told['new_failed']}")
    assert_untouched(told)
    assert_untouched(control)
    assert unexplained(told, control) == []
    assert lbd.plan_is_empty()
