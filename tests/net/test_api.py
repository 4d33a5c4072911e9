# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's socket against clients that are not lbctl: whatever they do, the next one is
served and nothing has changed."""

import contextlib
import json
import socket
import stat

import pytest

from balancer import backend, config, service
from topology import VIPS
from traffic import curl


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


@pytest.fixture(name="running", scope="module")
def fixture_running(network, make_module_balancer):
    return make_module_balancer(network.edge).start(config(
        service("web", VIPS, [backend(f"c{i}", *network.addresses(i)) for i in (1, 2, 3)]),
        extra='api: { http = "127.0.0.1:9180"; };\n'))


def ask(running, *args):
    """(status, JSON) of one request by curl over the socket."""
    text = running.namespace.run("curl", "-sS", "--max-time", 10, "--unix-socket", running.socket,
                                 "-w", "\n%{http_code}", *args).stdout
    body, status = text.rsplit("\n", 1)
    return int(status), json.loads(body)


def over_http(running, method, path):
    return running.namespace.run("curl", "-sS", "--max-time", 10, "-X", method, "-o", "/dev/null",
                                 "-w", "%{http_code}", f"http://127.0.0.1:9180{path}").stdout


@pytest.fixture(name="unchanged", autouse=True)
def fixture_unchanged(network, running):
    before = running.show()["services"]
    yield
    assert running.show()["services"] == before
    assert curl(network.client, VIPS[0])


def test_the_socket_is_roots_and_its_groups(running):
    mode = running.socket.stat()
    assert stat.S_IMODE(mode.st_mode) == 0o660
    assert mode.st_uid == 0


def test_clients_that_say_nothing_keep_nobody_waiting(running):
    with contextlib.ExitStack() as stack:
        for said in (b"", b"GET", b"POST /v1/reload HTTP/1.1\r\nContent-Length: 100000\r\n\r\n{"):
            for _ in range(20):
                sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                sock.settimeout(5)
                sock.connect(str(running.socket))
                sock.sendall(said)
        assert running.show()["services"]


@pytest.mark.parametrize("path", ["plan", "reload", "override"])
@pytest.mark.parametrize("body", ["{", "[]", "7", '"text"', "null", "\x01"])
def test_a_body_that_is_no_object_is_refused(running, path, body):
    status, answer = ask(running, "--data-binary", body, f"http://localhost/v1/{path}")
    assert status == 400
    assert answer == {"errors": [{"file": None, "line": 0,
                                  "text": "the body is not a JSON object"}]}


@pytest.mark.parametrize("body, sentence", [
    ({}, 'an override needs "service" and "backend"'),
    ({"service": "web", "backend": 7}, 'an override needs "service" and "backend"'),
    ({"service": "web", "backend": "c1"}, 'an override is "state"'),
    ({"service": "web", "backend": "c1", "state": "sideways"}, 'an override is "state"'),
    ({"service": "web", "backend": "c1", "weight": 65536}, 'an override is "state"'),
    ({"service": "web", "backend": "c1", "weight": -1}, 'an override is "state"'),
    ({"service": "web", "backend": "c1", "weight": "5"}, 'an override is "state"'),
    ({"service": "web", "backend": "c1", "weight": 4294967301}, 'an override is "state"'),
])
def test_an_override_that_makes_no_sense_is_refused(running, body, sentence):
    status, answer = ask(running, "--data-binary", json.dumps(body),
                         "http://localhost/v1/override")
    assert status == 422
    assert sentence in answer["errors"][0]["text"]


@pytest.mark.parametrize("body", [
    {"break": 7}, {"break": [None, 7, {}]}, {"previous": "yes"}, {"file": 7, "text": ["x"]},
    {"text": ""}, {"text": "version = 1;"}, {"text": "\u0000"}])
def test_plans_of_odd_bodies_answer_one_way_or_the_other(running, body):
    status, answer = ask(running, "--data-binary", json.dumps(body), "http://localhost/v1/plan")
    assert status in (200, 422)
    assert ("operations" in answer) == (status == 200)


def test_odd_names_of_services_to_break_allow_nothing(running):
    text = running.conf.read_text().replace('"web"', '"renamed"')
    status, answer = ask(running, "--data-binary",
                         json.dumps({"text": text, "break": [None, 7, {}, ["web"]]}),
                         "http://localhost/v1/reload")
    assert status == 422
    assert 'service "web": its live flows would break' in answer["errors"][0]["text"]


@pytest.mark.parametrize("method, path", [
    ("GET", "/"), ("GET", "/v1"), ("DELETE", "/v1/show"), ("GET", "/v1/unload"),
    ("GET", "/v1/../../etc/passwd"), ("PUT", "/v1/reload")])
def test_what_is_not_there_is_not_found(running, method, path):
    status, answer = ask(running, "-X", method, f"http://localhost{path}")
    assert status in (404, 501)
    assert "there is nothing at" in answer["errors"][0]["text"]


def test_a_body_beyond_all_measure_is_refused(running, tmp_path):
    (tmp_path / "large").write_bytes(b" " * (17 << 20))
    result = running.namespace.run(
        "curl", "-sS", "--max-time", 10, "--unix-socket", running.socket, "-o", "/dev/null", "-w",
        "%{http_code}", "--data-binary", f"@{tmp_path}/large", "http://localhost/v1/plan",
        check=False)
    assert result.stdout in ("413", "000")  # told, or cut off while it still sends


def test_http_is_for_reading_only(running):
    assert over_http(running, "GET", "/metrics") == "200"
    assert over_http(running, "GET", "/v1/show") == "200"
    for path in ("plan", "reload", "override", "unload"):
        assert over_http(running, "POST", f"/v1/{path}") == "404"


def test_a_busy_http_port_is_a_warning(network, running, make_balancer):
    second = make_balancer(network.edge, "second").start(config(
        service("other", ("203.0.113.50",), [backend("c1", "10.1.0.2", port=99)]),
        interfaces=('"front9"; optional = true;',),
        extra='api: { http = "127.0.0.1:9180"; };\n'))
    assert "api.http 127.0.0.1:9180: Address already in use" in second.process.output()
    assert running.process.running() and second.process.running()
