# SPDX-License-Identifier: GPL-2.0-or-later
"""GET /v1/events with `wait`: an answer that comes when something happens. Whoever waits, however
many, and however they end: nothing is held for them once they are gone, and nobody else waits."""

import json
import os
import socket
import struct
import time

import pytest

from balancer import backend, config, service
from lab import wait_for
from topology import VIPS

HTTP = ("127.0.0.1", 9181)
MANY = 200
WAITING_MAX = 256


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


@pytest.fixture(name="running", scope="module")
def fixture_running(network, make_module_balancer):
    return make_module_balancer(network.edge).start(config(
        service("web", VIPS, [backend(f"c{i}", *network.addresses(i)) for i in (1, 2, 3)]),
        extra='api: { http = "127.0.0.1:9181"; };\n'))


class Asking:
    """One connection whose answer is not there yet."""

    made = []

    def __init__(self, running, query, tcp=False, more=b""):
        if tcp:
            self.socket = running.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.socket.connect(HTTP)
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(str(running.socket))
        self.socket.settimeout(20)
        self.made.append(self.socket)
        self.received = b""
        self.ask(query, more)

    def ask(self, query, more=b""):
        self.socket.sendall(f"GET /v1/events{query} HTTP/1.1\r\nHost: lbd\r\n\r\n".encode() + more)

    def _until(self, condition):
        while not condition():
            data = self.socket.recv(65536)
            assert data, f"closed after {self.received!r}"
            self.received += data

    def answer(self):
        """(status, JSON) of the next answer."""
        self._until(lambda: b"\r\n\r\n" in self.received)
        head, rest = self.received.split(b"\r\n\r\n", 1)
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                      if line.lower().startswith(b"content-length:"))
        self.received = rest
        self._until(lambda: len(self.received) >= length)
        body, self.received = self.received[:length], self.received[length:]
        return int(head.split()[1]), json.loads(body)

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def now(running, query="?from=0"):
    """What is there at once."""
    asking = Asking(running, query)
    status, answer = asking.answer()
    asking.socket.close()
    assert status == 200
    return answer


def newest(running):
    answer = now(running)
    while answer["events"]:
        answer = now(running, f'?from={answer["next"]}')
    return answer["next"]


def happen(running, what=[0]):  # pylint: disable=dangerous-default-value
    """One event, and no other: an override that moves no slot, for the others weigh the same."""
    what[0] = what[0] % 60000 + 1
    running.ctl("weight", "web/c1", what[0])
    return f"weight {what[0]}"


def descriptors(running):
    return len(os.listdir(f"/proc/{running.process.pid}/fd"))


def cpu_ticks(running):
    with open(f"/proc/{running.process.pid}/stat", encoding="ascii") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


@pytest.fixture(name="at_rest", autouse=True)
def fixture_at_rest(running):
    """The daemon lives, and has as many descriptors as before."""
    before = descriptors(running)
    yield
    while Asking.made:
        Asking.made.pop().close()
    wait_for(lambda: descriptors(running) <= before, "the descriptors of those who are gone")
    assert running.process.running()


# ---- waiting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tcp", [False, True], ids=["socket", "http"])
def test_an_answer_comes_when_something_happens(running, tcp):
    end = newest(running)
    asking = Asking(running, f"?from={end}&wait=60", tcp)
    asking.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        asking.socket.recv(1)
    asking.socket.settimeout(20)
    weight = happen(running)
    status, answer = asking.answer()
    assert (status, answer["lost"]) == (200, 0)
    assert [event["seq"] for event in answer["events"]] == list(range(end, answer["next"]))
    assert weight in [event["to"] for event in answer["events"]]


def test_one_connection_asks_again_and_again(running):
    asking = Asking(running, f"?from={newest(running)}&wait=60")
    for _ in range(5):
        weight = happen(running)
        told = []
        while weight not in told:
            answer = asking.answer()[1]
            told += [event["to"] for event in answer["events"]]
            asking.ask(f'?from={answer["next"]}&wait=60')


def test_what_is_there_already_does_not_wait(running):
    begun = time.monotonic()
    answer = now(running, "?from=0&wait=60")
    assert answer["events"][0]["seq"] == 0
    assert time.monotonic() - begun < 20


def test_a_number_of_another_daemon_does_not_wait(running):
    end = newest(running)
    begun = time.monotonic()
    answer = now(running, f"?from={end + 1000}&wait=60")
    assert (answer["events"], answer["next"]) == ([], end)
    assert answer["started"] == now(running)["started"]
    assert time.monotonic() - begun < 20


def test_nothing_happens_for_as_long_as_was_asked(running):
    end = newest(running)
    begun = time.monotonic()
    answer = now(running, f"?from={end}&wait=1")
    assert 0.9 <= time.monotonic() - begun < 20
    assert (answer["events"], answer["next"]) == ([], end)


@pytest.mark.parametrize("query, sentence", [
    ("?from=x", '"from" is a number up to 18446744073709551615, not "x"'),
    ("?from=-1", '"from" is a number up to 18446744073709551615, not "-1"'),
    ("?from=18446744073709551616", "not \"18446744073709551616\""),
    ("?from=", 'not ""'),
    ("?wait=301", '"wait" is a number up to 300, not "301"'),
    ("?wait=1s", 'not "1s"'),
    ("?from&wait", "the query is"),
])
def test_odd_questions_are_refused(running, query, sentence):
    asking = Asking(running, query)
    status, answer = asking.answer()
    assert status == 422
    assert sentence in answer["errors"][0]["text"]


# ---- many, and their ends ------------------------------------------------------------------------


def test_many_wait_and_all_are_told(running):
    end = newest(running)
    askings = [Asking(running, f"?from={end}&wait=60", tcp=bool(i % 2)) for i in range(MANY)]
    weight = happen(running)
    for asking in askings:
        status, answer = asking.answer()
        assert status == 200
        assert answer["events"][0]["seq"] == end
        assert weight in [event["to"] for event in answer["events"]]


def test_more_than_can_wait_are_refused_and_the_others_are_told(running):
    end = newest(running)
    askings = [Asking(running, f"?from={end}&wait=60") for _ in range(WAITING_MAX + 5)]
    for asking in askings[WAITING_MAX:]:
        status, answer = asking.answer()
        assert status == 503
        assert answer["errors"][0]["text"] == \
            f'{WAITING_MAX} wait for events already: ask without "wait"'
    happen(running)
    for asking in askings[:WAITING_MAX]:
        assert asking.answer()[1]["events"]


@pytest.mark.parametrize("tcp", [False, True], ids=["socket", "http"])
@pytest.mark.parametrize("end", ["close", "shutdown", "reset"])
def test_who_goes_away_while_waiting_is_forgotten_at_once(running, tcp, end):
    before, number = descriptors(running), newest(running)
    askings = [Asking(running, f"?from={number}&wait=300", tcp) for _ in range(MANY)]
    wait_for(lambda: descriptors(running) >= before + MANY, "those who wait")
    for asking in askings:
        if end == "reset":
            asking.reset()
        elif end == "close":
            asking.socket.close()
        else:
            asking.socket.shutdown(socket.SHUT_WR)
            assert asking.answer()[1]["events"] == []
            asking.socket.close()
    wait_for(lambda: descriptors(running) <= before, "their end")
    assert newest(running) == number  # nobody was needed to find it out
    happen(running)


def test_who_waits_costs_nothing_meanwhile(running):
    """No busy loop, whatever state its connection is in."""
    end = newest(running)
    askings = [Asking(running, f"?from={end}&wait=60", tcp=bool(i % 2)) for i in range(MANY)]
    newest(running)
    ticks, begun = cpu_ticks(running), time.monotonic()
    wait_for(lambda: time.monotonic() - begun > 2, "two seconds")
    assert cpu_ticks(running) - ticks < 40  # of 200
    assert len(askings) == MANY


def test_who_talks_on_while_waiting_is_answered_in_order(running):
    end = newest(running)
    second = b"GET /v1/events?from=0 HTTP/1.1\r\nHost: lbd\r\n\r\n"
    together = Asking(running, f"?from={end}&wait=60", more=second)
    later = Asking(running, f"?from={end}&wait=60")
    wait_for(lambda: now(running)["events"], "an answer between")
    later.socket.sendall(second)
    status, answer = later.answer()
    assert (status, answer["events"]) == (200, [])
    assert later.answer()[1]["events"][0]["seq"] == 0
    happen(running)
    assert together.answer()[0] == 200
    assert together.answer()[1]["events"][0]["seq"] == 0


# ---- the daemon's end ----------------------------------------------------------------------------


def test_those_who_wait_hear_of_the_daemons_end(network, make_balancer):
    other = make_balancer(network.edge, "ends").start(config(
        service("other", ("203.0.113.50",), [backend("c1", "10.1.0.2", port=99)]),
        interfaces=('"front9"; optional = true;',)))
    end = newest(other)
    askings = [Asking(other, f"?from={end}&wait=300") for _ in range(MANY)]
    newest(other)
    begun = time.monotonic()
    assert other.stop() == 0
    assert time.monotonic() - begun < 10
    for asking in askings:
        status, answer = asking.answer()
        (event,) = answer["events"]
        assert (status, event["from"], event["to"]) == (200, "ready", "stopped")
        assert asking.socket.recv(1) == b""


def test_those_who_wait_hear_of_an_unload(network, make_balancer):
    other = make_balancer(network.edge, "ends").start(config(
        service("other", ("203.0.113.50",), [backend("c1", "10.1.0.2", port=99)]),
        interfaces=('"front9"; optional = true;',)))
    asking = Asking(other, f"?from={newest(other)}&wait=300")
    other.unload()
    assert asking.answer()[1]["events"][-1]["to"] == "unloaded"
