# SPDX-License-Identifier: GPL-2.0-or-later
"""Points to a real InfluxDB, and to targets that are down, slow, full or wrong: bounded, counted
exactly, told in one line, and nothing else in the same loop waits for it."""

import random
import re
import socket
import ssl
import subprocess
import threading

import pytest

import influx
from influx import PORT, WRITTEN, InfluxDB, Points, StandIn, answer, held, raw, silent
from lab import Lab, wait_for

BASE = f"http://127.0.0.1:{PORT}"
WRITE = f"{BASE}/write?db=edgelb"
NAME = f"influxdb {BASE}/write"
BUFFER_MAX = 8 << 20
POST_POINTS, POST_BYTES = 5000, 1 << 20
# The loop's timer may be late on a busy machine, but not by anything like a request's ten seconds.
LATE_MS = 3000


@pytest.fixture(name="lab", scope="module")
def fixture_lab(ground, tmp_path_factory):  # pylint: disable=unused-argument
    lab = Lab(tmp_path_factory.mktemp("influx"))
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture(name="database", scope="module")
def fixture_database(lab):
    lacking = influx.missing()
    if lacking:
        pytest.skip(lacking)
    database = InfluxDB(lab.namespace("database")).start()
    database.ask("CREATE DATABASE edgelb")
    return database


@pytest.fixture(name="host", scope="module")
def fixture_host(lab):
    """Where a stand-in listens, or nobody."""
    return lab.namespace("host")


def point(number=0, measurement="m", **more):
    return {"measurement": measurement, "tags": {}, "counts": {"n": number}, "numbers": {},
            "time": [1700000000 + number, 0], **more}


# ---- a real InfluxDB -----------------------------------------------------------------------------

def test_points_are_read_back_as_they_were_written(database):
    points = Points(database.namespace, WRITE)
    points.say([point(5, "read back", tags={"host": "edge-1", "path": r"a.slice/b\x2dc.scope",
                                            "none": ""},
                      counts={"most": 2**64 - 1, "bytes": 12345678901234},
                      numbers={"share": 0.1, "large": 1e300}, time=[1700000005, 123456789])])
    points.wait(written=1, waiting=0, failed=0)
    assert database.ask('SELECT * FROM "read back"', "edgelb") == [
        {"measurement": "read back", "time": 1700000005123456789, "host": "edge-1",
         "path": r"a.slice/b\x2dc.scope",
         "most": 2**63 - 1, "bytes": 12345678901234, "share": 0.1, "large": 1e300}]


def random_name(numbers):
    """Of all that names can be made of, and above all of what has a meaning in the protocol."""
    special = ",= \"'\\#/:{}()[]$%&;|`\t\n\r\x01\x1f\x7f"
    letters = "abcXYZ019-_.äß€値😀\u0301"
    return "".join(numbers.choice(special if numbers.random() < 0.5 else letters)
                   for _ in range(numbers.randint(1, 24)))


def stored(name):
    """What the protocol cannot say is another character."""
    name = re.sub(r"[\x00-\x1f\x7f]", "_", name)
    return re.sub(r"\\(?=[,= \"]|$)", "_", name)


def test_any_name_is_read_back(database):
    """A name that escaped wrongly would be another one, or spoil its line and the others."""
    seed = random.randrange(1 << 32)
    numbers = random.Random(seed)
    names = sorted({random_name(numbers) for _ in range(2000)})
    points = Points(database.namespace, WRITE)
    points.say([point(index, "names", tags={"name": name, f"k{name}": "v"},
                      counts={f"f{name}": index}) for index, name in enumerate(names)])
    points.wait(written=len(names), refused=0, waiting=0)
    tags = {row["value"] for row in
            database.ask('SHOW TAG VALUES FROM "names" WITH KEY = "name"', "edgelb")}
    assert tags == {stored(name) for name in names}, f"seed {seed}"
    keys = {row["tagKey"] for row in database.ask('SHOW TAG KEYS FROM "names"', "edgelb")}
    assert keys == {"name"} | {stored(f"k{name}") for name in names}, f"seed {seed}"
    fields = {row["fieldKey"]: row["fieldType"] for row in
              database.ask('SHOW FIELD KEYS FROM "names"', "edgelb")}
    assert set(fields) == {stored(f"f{name}").replace('"', "_") for name in names}, f"seed {seed}"
    assert set(fields.values()) == {"integer"}


def test_any_measurement_is_read_back(database):
    seed = random.randrange(1 << 32)
    numbers = random.Random(seed)
    names = sorted({stored(random_name(numbers)) for _ in range(500)})
    database.ask('CREATE DATABASE "measured"')
    points = Points(database.namespace, WRITE.replace("edgelb", "measured"))
    points.say([point(index, name) for index, name in enumerate(names)])
    points.wait(written=len(names), refused=0, waiting=0)
    found = {row["name"] for row in database.ask("SHOW MEASUREMENTS", "measured")}
    assert found == {re.sub("^#", "_", name) for name in names}, f"seed {seed}"


def test_a_large_batch_arrives_whole(database):
    points = Points(database.namespace, WRITE)
    points.say(23456)
    points.wait(written=23456, requests=5, failed=0, waiting=0)
    rows = database.ask('SELECT COUNT("number"), SUM("number") FROM "many"', "edgelb")
    assert (rows[0]["count"], rows[0]["sum"]) == (23456, 23456 * 23457 // 2)


def test_what_was_made_while_it_was_away_is_written_when_it_is_back(database):
    database.ask("CREATE DATABASE away")
    points = Points(database.namespace, WRITE.replace("edgelb", "away"))
    points.say([point(1)])
    points.wait(written=1)
    database.stop()
    for number in range(2, 10):
        points.say([point(number)])
    wait_for(lambda: points.counts()["failed"] > 1, "attempts that failed")
    assert points.counts()["waiting"] > 0
    database.start()
    points.wait(written=9, refused=0, dropped=0, waiting=0)
    assert database.ask('SELECT COUNT("n") FROM "m"', "away")[0]["count"] == 9
    assert points.lines() == [
        f"{NAME}: new → written",
        f"{NAME}: written → away: Connection refused",
        f"{NAME}: away → written: 0 points were lost meanwhile"]
    events = points.say("events")["events"]
    assert [event["text"] for event in events] == points.lines()
    assert [(event["kind"], event["object"], event["to"]) for event in events] == [
        ("daemon", NAME, state) for state in ("written", "away", "written")]


def test_a_database_that_is_not_there_refuses(database):
    points = Points(database.namespace, WRITE.replace("edgelb", "nobody"))
    points.say([point(1), point(2)])
    points.wait(refused=2, written=0, waiting=0, failed=1)
    assert points.lines() == [
        f'{NAME}: new → refused: status 404: database not found: "nobody"']


def test_a_field_of_another_type_is_refused_and_later_ones_are_written(database):
    points = Points(database.namespace, WRITE)
    points.say([point(1, "typed")])
    points.wait(written=1)
    points.say([point(2, "typed", counts={}, numbers={"n": 0.5})])
    points.wait(refused=1, waiting=0)
    points.say([point(3, "typed")])
    points.wait(written=2, refused=1, waiting=0)
    first, wrong, right = points.lines()
    assert first == f"{NAME}: new → written"
    assert wrong.startswith(f"{NAME}: written → refused: status 400: partial write: field type")
    assert right == f"{NAME}: refused → written: 1 points were lost meanwhile"


def test_a_user_of_the_url_writes_and_is_told_to_nobody(lab):
    lacking = influx.missing()
    if lacking:
        pytest.skip(lacking)
    database = InfluxDB(lab.namespace("guarded"), "guarded", auth=True).start()
    database.ask("CREATE USER admin WITH PASSWORD 'word of admin' WITH ALL PRIVILEGES")
    database.ask("CREATE DATABASE edgelb", user="admin:word of admin")
    wrong = Points(database.namespace, WRITE.replace("://", "://admin:hunter2@"))
    wrong.say([point(1)])
    wrong.wait(refused=1, waiting=0)
    assert wrong.lines() == [f"{NAME}: new → refused: status 401: authorization failed"]
    right = Points(database.namespace, WRITE.replace("://", "://admin:word%20of%20admin@"))
    right.say([point(2)])
    right.wait(written=1, waiting=0)
    assert right.lines() == [f"{NAME}: new → written"]
    assert [row["n"] for row in database.ask('SELECT "n" FROM "m"', "edgelb",
                                             "admin:word of admin")] == [2]


# ---- the request ---------------------------------------------------------------------------------

def test_what_2_x_gets(host, tmp_path):
    """Debian has no InfluxDB 2: the request is what its API asks for."""
    token = tmp_path / "token"
    token.write_text("a-token==\n")
    with StandIn(host, WRITTEN) as target:
        points = Points(host, f"{BASE}/api/v2/write?org=my%20org&bucket=b%26c", token)
        points.say([point(1, tags={"a b": "c,d"})])
        points.wait(written=1, waiting=0)
        asked = target.asked[0]
    assert (asked.method, asked.path) == ("POST", "/api/v2/write")
    assert asked.query == {"org": "my org", "bucket": "b&c", "precision": "ns"}
    assert asked.headers["authorization"] == "Token a-token=="
    assert asked.headers["content-type"] == "text/plain; charset=utf-8"
    assert "expect" not in asked.headers
    assert asked.body == "m,a\\ b=c\\,d n=1i 1700000001000000000\n"


@pytest.mark.parametrize("given, expected", [
    ("db=e", {"db": "e", "precision": "ns"}),
    ("db=e&precision=ns", {"db": "e", "precision": "ns"}),
    ("u=a%2Bb&p=c%20d&db=e&rp=week", {"u": "a+b", "p": "c d", "db": "e", "rp": "week",
                                      "precision": "ns"})])
def test_the_query_is_kept_and_says_the_precision(host, given, expected):
    with StandIn(host, WRITTEN) as target:
        points = Points(host, f"{BASE}/write?{given}")
        points.say([point(1)])
        points.wait(written=1)
        assert target.asked[0].query == expected
        assert "authorization" not in target.asked[0].headers
    assert points.lines() == [f"{NAME}: new → written"]


def test_no_proxy_stands_between(host):
    with StandIn(host, WRITTEN) as target:
        points = Points(host, WRITE, around=["env", "http_proxy=http://127.0.0.1:1",
                                             "all_proxy=http://127.0.0.1:1"])
        points.say([point(1)])
        points.wait(written=1, failed=0)
        assert len(target.asked) == 1


def test_one_request_at_a_time_and_small_batches_together(host):
    go = threading.Event()
    with StandIn(host, held(go), WRITTEN) as target:
        points = Points(host, WRITE)
        points.say([point(0)])
        wait_for(lambda: target.asked, "the first request")
        for number in range(1, 101):
            points.say([point(number)])
        assert len(target.asked) == 1
        go.set()
        points.wait(written=101, requests=2, waiting=0)
        assert [asked.points for asked in target.asked] == [1, 100]


def test_a_request_has_a_bounded_size(host):
    with StandIn(host, WRITTEN) as target:
        points = Points(host, WRITE)
        points.say(12345)
        points.say([point(number, tags={"long": "x" * 5000}) for number in range(1000)])
        points.wait(written=13345, waiting=0)
        for asked in target.asked:
            assert asked.points <= POST_POINTS
            assert len(asked.body) <= POST_BYTES
            assert asked.body.endswith("\n")
        assert sum(asked.points for asked in target.asked) == 13345


# ---- a target that behaves badly -----------------------------------------------------------------

@pytest.mark.parametrize("bad, cause", [
    (answer(500, '{"error":"timeout"}'), "status 500: timeout"),
    (answer(503, '{"code":"unavailable","message":"later"}'), "status 503: later"),
    (answer(429, "<h1>slow down</h1>"), "status 429: <h1>slow down</h1>"),
    (answer(408), "status 408: no reason given"),
    (raw(""), "it closes without an answer"),
    (raw("HTTP/1.1 204 No Content\r\nX-Influx"),
     "it closes before the end of its answer's headers"),
    (raw("HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\n{\"error\":\"cut"),
     'status 500: {"error":"cut'),
    (raw("SSH-2.0-nobody\r\n"), "its answer is not HTTP")])
def test_what_may_go_well_later_is_tried_again(host, bad, cause):
    with StandIn(host, bad, WRITTEN) as target:
        points = Points(host, WRITE)
        points.say([point(1), point(2)])
        points.wait(written=2, refused=0, dropped=0, requests=2, failed=1, waiting=0)
        first, second = target.asked
        assert first.body == second.body
    assert points.lines() == [f"{NAME}: new → away: {cause}",
                              f"{NAME}: away → written: 0 points were lost meanwhile"]


@pytest.mark.parametrize("bad, cause", [
    (answer(400, '{"error":"unable to parse"}'), "status 400: unable to parse"),
    (answer(401, '{"error":"authorization failed"}'), "status 401: authorization failed"),
    (answer(403, "no"), "status 403: no"),
    (answer(413, '{"message":"too large"}'), "status 413: too large"),
    (answer(307, Location=f"{BASE}/elsewhere"), "status 307, and redirects are not followed"),
    (raw("HTTP/1.1 400 No\r\nContent-Length: 99\r\n\r\nshort"), "status 400: short")])
def test_what_would_fail_again_is_given_up(host, bad, cause):
    with StandIn(host, bad, bad, WRITTEN) as target:
        points = Points(host, WRITE)
        points.say([point(1), point(2)])
        points.wait(refused=2, written=0, waiting=0)
        points.say([point(3)])
        points.wait(refused=3, written=0, waiting=0)
        points.say([point(4)])
        points.wait(refused=3, written=1, requests=3, failed=2, waiting=0)
        assert [asked.path for asked in target.asked] == ["/write"] * 3
    assert points.lines() == [f"{NAME}: new → refused: {cause}",
                              f"{NAME}: refused → written: 3 points were lost meanwhile"]


def test_a_target_that_is_alternately_well_says_so_once_each(host):
    with StandIn(host, WRITTEN, WRITTEN, answer(400), answer(400), WRITTEN):
        points = Points(host, WRITE)
        for number in range(1, 6):
            points.say([point(number)])
            points.wait(requests=number, waiting=0)
    assert [line.removeprefix(f"{NAME}: ") for line in points.lines()] == [
        "new → written", "written → refused: status 400: no reason given",
        "refused → written: 2 points were lost meanwhile"]


def pauses(target, count):
    """The seconds between so many requests and one more."""
    wait_for(lambda: len(target.asked) > count, f"{count + 1} requests")
    times = [asked.time for asked in target.asked]
    return [later - earlier for earlier, later in zip(times, times[1:])]


def test_pauses_grow(host):
    with StandIn(host, answer(500)) as target:
        points = Points(host, WRITE)
        points.say([point(1)])
        first, second, third = pauses(target, 3)
        assert points.counts()["waiting"] > 0
    assert first >= 0.95 and second >= 1.95 and third >= 3.95


def test_retry_after_is_kept(host):
    """Also where it is shorter than the pause would be."""
    later = answer(429, Retry_After="3"), answer(503, Retry_After="1"), WRITTEN
    with StandIn(host, *later) as target:
        points = Points(host, WRITE)
        points.say([point(1)])
        points.wait(written=1)
        first, second = pauses(target, 2)
    assert first >= 2.95
    assert 0.95 <= second < 1.9


def test_a_target_that_hangs_holds_up_nothing(host):
    """Its request ends after ten seconds; all the while the loop goes on and points are taken."""
    with StandIn(host, silent, WRITTEN) as target:
        points = Points(host, WRITE)
        points.say([point(1)])
        wait_for(lambda: target.asked, "the request")
        for number in range(2, 52):
            points.say([point(number)], seconds=LATE_MS / 1000)
        wait_for(lambda: points.counts()["failed"], "the end of the request")
        counts = points.wait(written=51, failed=1, dropped=0, waiting=0)
        assert counts["late_ms"] < LATE_MS
    assert points.lines()[0] == f"{NAME}: new → away: no answer in time"


def test_nobody_there_holds_up_nothing(host):
    """An address from which not even a refusal comes."""
    host.ip("link add dead0 type veth peer name dead1", "addr add 192.0.2.1/24 dev dead0",
            "link set dead0 up", "link set dead1 up",
            "neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev dead0")
    points = Points(host, f"http://192.0.2.2:{PORT}/write?db=edgelb")
    points.say([point(1)])
    counts = wait_for(lambda: points.counts()["failed"] and points.counts(), "the end of it")
    assert counts["late_ms"] < LATE_MS
    assert points.lines() == [f"influxdb http://192.0.2.2:{PORT}/write: new → away: "
                              "no answer in time"]


def behind(path, over):
    """A command that sees the file there instead, in a mount namespace of its own."""
    return ["unshare", "-m", "sh", "-c", f'mount --bind "{path}" "{over}" && exec "$@"', "-"]


def test_a_name_that_nobody_resolves_holds_up_nothing(host, tmp_path):
    """A resolver that is silent for longer than a request lives: neither its end nor that of the
    daemon waits for the answer."""
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:2\n")
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.1", 53))
        points = Points(host, f"http://influx.example:{PORT}/write?db=edgelb",
                        around=behind(resolv, "/etc/resolv.conf"))
        points.say([point(1)])
        resolver.settimeout(10)
        assert b"influx" in resolver.recv(512)
        counts = wait_for(lambda: points.counts()["failed"] and points.counts(), "the end of it")
        assert counts["late_ms"] < LATE_MS
        assert points.lines() == [f"influxdb http://influx.example:{PORT}/write: new → away: "
                                  "no answer in time"]
        resolver.settimeout(10)
        resolver.recv(512)  # it looks the name up again
        assert points.say("close", seconds=5) == {}


def line_size(number):
    return len(f"many number={number}i {1000000000 + number}000000000\n")


def expected_drops(batches, size):
    """Of batches of so many points each: those that the oldest ones of make room, exactly."""
    sizes = [sum(line_size(number) for number in range(batch * size + 1, (batch + 1) * size + 1))
             for batch in range(batches)]
    waiting, dropped = 0, 0
    for batch in range(batches):
        waiting += sizes[batch]
        while waiting > BUFFER_MAX:
            waiting -= sizes[dropped]
            dropped += 1
    return dropped, waiting


def test_the_buffer_is_bounded_and_the_oldest_go(host):
    """Down for long: what is counted as dropped is exactly what does not arrive in the end, and
    what arrives are the youngest points without a gap."""
    size, batches = 1000, 300
    points = Points(host, WRITE)
    for _ in range(batches):
        counts = points.say(size)
        assert counts["waiting"] <= BUFFER_MAX
    dropped, waiting = expected_drops(batches, size)
    assert dropped > 50
    assert (counts["dropped"], counts["waiting"]) == (dropped * size, waiting)
    assert points.wait_lines(1) == [f"{NAME}: new → away: Connection refused"]
    with StandIn(host, WRITTEN) as target:
        counts = points.wait(60, waiting=0)
        numbers = [int(number) for asked in target.asked
                   for number in re.findall(r"number=(\d+)i", asked.body)]
    assert numbers == list(range(dropped * size + 1, batches * size + 1))
    assert (counts["written"], counts["dropped"]) == (len(numbers), dropped * size)
    assert counts["refused"] == 0
    assert points.lines()[1:] == [f"{NAME}: away → written: {dropped * size} points were lost "
                                  "meanwhile"]


def test_what_a_slow_target_is_being_sent_is_not_dropped(host):
    """Its request is under way while the buffer overflows: those points arrive once."""
    go = threading.Event()
    with StandIn(host, held(go), WRITTEN) as target:
        points = Points(host, WRITE)
        points.say(5000)
        wait_for(lambda: target.asked, "the request")
        for _ in range(250):
            counts = points.say(1000)
            assert counts["waiting"] <= BUFFER_MAX
        go.set()
        counts = points.wait(60, waiting=0)
        numbers = [int(number) for asked in target.asked
                   for number in re.findall(r"number=(\d+)i", asked.body)]
    assert numbers[:5000] == list(range(1, 5001))
    assert counts["dropped"] > 0
    assert numbers[5000:] == list(range(5001 + counts["dropped"], 255001))
    assert counts["written"] == len(numbers)


# ---- tokens, certificates, what is told ----------------------------------------------------------

def test_a_token_that_was_refused_is_read_again(host, tmp_path):
    """Points are not to blame for it: they wait."""
    token = tmp_path / "token"
    token.write_text("old\n")
    refused = answer(401, '{"code":"unauthorized","message":"unauthorized access"}')

    def judge(stand_in, handler):
        good = handler.headers["Authorization"] == "Token new"
        (WRITTEN if good else refused)(stand_in, handler)

    with StandIn(host, judge) as target:
        points = Points(host, f"{BASE}/api/v2/write?org=o&bucket=b", token)
        points.say([point(1)])
        wait_for(lambda: points.counts()["failed"], "the refusal")
        token.write_text("new\n")
        points.wait(written=1, refused=0, waiting=0)
        token.unlink()  # it is not read while it is good
        points.say([point(2)])
        points.wait(written=2)
        assert {asked.headers["authorization"] for asked in target.asked} == {"Token old",
                                                                             "Token new"}
    name = f"influxdb {BASE}/api/v2/write"
    assert points.lines() == [f"{name}: new → away: status 401: unauthorized access",
                              f"{name}: away → written: 0 points were lost meanwhile"]


@pytest.mark.parametrize("text, cause", [
    (None, "No such file or directory"), ("", "its first line is no token"),
    ("two words\n", "its first line is no token"), ("line\x01end", "its first line is no token")])
def test_without_a_token_nothing_is_sent(host, tmp_path, text, cause):
    token = tmp_path / "token"
    if text is not None:
        token.write_text(text)
    with StandIn(host, WRITTEN) as target:
        points = Points(host, f"{BASE}/api/v2/write?org=o&bucket=b", token)
        points.say([point(1)])
        name = f"influxdb {BASE}/api/v2/write"
        assert points.wait_lines(1) == [f"{name}: new → away: cannot read its token: {token}: "
                                        f"{cause}"]
        assert not target.asked
        token.write_text("a-token")
        points.wait(written=1, requests=1, waiting=0)
        assert target.asked[0].headers["authorization"] == "Token a-token"


@pytest.fixture(name="certificate", scope="module")
def fixture_certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                    folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


def test_a_certificate_that_nobody_vouches_for_gets_no_points(host, certificate):
    with StandIn(host, WRITTEN, context=certificate[1]) as target:
        points = Points(host, f"https://127.0.0.1:{PORT}/write?db=edgelb")
        points.say([point(1)])
        line = points.wait_lines(1)[0]
        assert line.startswith(f"influxdb https://127.0.0.1:{PORT}/write: new → away: SSL")
        assert not target.asked
        assert points.counts()["waiting"] > 0


def test_a_certificate_of_the_systems_authorities_is_good(host, certificate):
    """The system's list of them is ours here, for this one process."""
    with StandIn(host, WRITTEN, context=certificate[1]) as target:
        points = Points(host, f"https://127.0.0.1:{PORT}/write?db=edgelb",
                        around=behind(certificate[0], "/etc/ssl/certs/ca-certificates.crt"))
        points.say([point(1)])
        points.wait(written=1, failed=0)
        assert target.asked[0].points == 1


def test_metrics_are_what_promtool_is_content_with(host):
    with StandIn(host, WRITTEN, answer(400), answer(500)) as target:
        points = Points(host, WRITE)
        for number in range(1, 4):
            points.say([point(number), point(number + 10)])
            points.wait(requests=number)
        text = points.say("metrics")
        waiting = points.counts()["waiting"]
        assert len(target.asked) == 3
    values = dict(re.findall(r"^edgelb_influxdb_(\S+) (\d+)$", text, re.M))
    assert values == {
        'points_total{result="written"}': "2", 'points_total{result="refused"}': "2",
        'points_total{result="dropped"}': "0", 'requests_total{result="written"}': "1",
        'requests_total{result="refused"}': "1", 'requests_total{result="away"}': "1",
        "buffer_bytes": str(waiting)}
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                             capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
