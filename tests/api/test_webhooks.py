"""EventBridge's webhooks: the way of an event to an API destination."""
import base64
import concurrent.futures
import json
import random
import select
import socket
import sqlite3
import time
import urllib.parse

import pytest

from tests.api.test_destinations import API_KEY, BASIC, SECRET, connection, dead, destination, events, giving, hooked, letters, no_proxy, oauth, own, receive, state  # noqa: F401
from tests.api.test_events import ROLE, rule, send, unique
from tests.support.crash import killed_while
from tests.support.own_model import stillpoint
from tests.support.receiver import Receiver, Silent, Talker, authority
from tests.support.server import BINARY, Server
from tests.support.until import until

ID = "Stillpoint-Delivery-Id"


# Events on their way

def test_an_event_is_sent(events, receive):
    receiver = receive()
    arn = destination(events, f"{receiver.url}/of/*/now/*?own=1", connection(events, {**API_KEY, "InvocationHttpParameters": {
        "HeaderParameters": [{"Key": "X-Both", "Value": "connection"}], "QueryStringParameters": [{"Key": "secret", "Value": SECRET, "IsValueSecret": True}],
        "BodyParameters": [{"Key": "from", "Value": "connection"}]}}))
    source = unique("hook")
    transformer = {"InputPathsMap": {"who": "$.detail.who"}, "InputTemplate": '{"text":"<who> failed"}'}
    target = {"Id": "1", "Arn": arn, "RoleArn": ROLE, "InputTransformer": transformer, "HttpParameters": {
        "PathParameterValues": ["a b", "$.detail.n"], "HeaderParameters": {"X-Both": "target", "X-Who": "$.detail.who"}, "QueryStringParameters": {"q": "$.source"}}}
    name = rule(events, {"source": [source]}, [target])
    assert events.list_targets_by_rule(Rule=name)["Targets"] == [target]
    id = send(events, source, {"who": "web", "n": 7})
    request, = receiver.got(1)
    parts = urllib.parse.urlsplit(request.target)
    assert (request.method, parts.path) == ("POST", "/of/a%20b/now/7")
    assert urllib.parse.parse_qs(parts.query) == {"own": ["1"], "q": [source], "secret": [SECRET]}
    assert request.json() == {"text": "web failed", "from": "connection"}
    assert {key: request.headers[key] for key in ("X-Both", "X-Who", "X-Api-Key", "User-Agent", "Content-Type", "Range", "Connection")} == {
        "X-Both": "connection", "X-Who": "web", "X-Api-Key": SECRET, "User-Agent": "Amazon/EventBridge/ApiDestinations", "Content-Type": "application/json; charset=utf-8",
        "Range": "bytes=0-1048575", "Connection": "close"}
    assert request.headers[ID].startswith(id + "_")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods(events, receive, method):
    receiver = receive()
    source = hooked(events, destination(events, receiver.url, connection(events, BASIC), method), InputPath="$.detail")
    send(events, source, {"n": 1})
    request, = receiver.got(1)
    assert request.method == method and request.headers["Authorization"] == "Basic " + base64.b64encode(f"user:{SECRET}".encode()).decode()
    assert request.body == (b"" if method in ("GET", "HEAD") else b'{"n":1}')


def test_the_whole_event_without_an_input(events, receive):
    receiver = receive()
    source = hooked(events, destination(events, receiver.url))
    id = send(events, source, {"n": 1})
    event = receiver.got(1)[0].json()
    assert (event["id"], event["source"], event["detail"]) == (id, source, {"n": 1})


@pytest.mark.parametrize("first", [401, 407, 409, 429, 500, 503])
def test_what_is_tried_again_carries_the_same_id(events, receive, first):
    answers = iter([first])
    receiver = receive(lambda request: next(answers, 200))
    send(events, hooked(events, destination(events, receiver.url)), {"n": 1})
    one, two = receiver.got(2)
    assert one.headers[ID] == two.headers[ID] and one.body == two.body


@pytest.mark.parametrize("status,code", [(400, "ERROR_FROM_TARGET"), (403, "NO_PERMISSIONS"), (404, "ERROR_FROM_TARGET"), (302, "ERROR_FROM_TARGET")])
def test_what_is_not_tried_again(events, own, receive, status, code):
    receiver = receive(lambda request: (status, {"Location": "/elsewhere"}, f"no {request.headers['X-Api-Key']}".encode()))
    queue = unique("final")
    arn = destination(events, receiver.url)
    send(events, hooked(events, arn, **dead(queue, 5)), {})
    attributes = letters(own, queue)[0]["Attributes"]
    assert (attributes["TARGET_ARN"], attributes["ERROR_CODE"], attributes["RETRY_ATTEMPTS"]) == (arn, code, "0") and "EXHAUSTED_RETRY_CONDITION" not in attributes
    assert f"status {status}" in attributes["ERROR_MESSAGE"] and SECRET not in attributes["ERROR_MESSAGE"]
    assert len(receiver.all()) == 1


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Transfer-Encoding": "chunked"}])
def test_an_answer_with_an_odd_body_is_an_answer(events, own, receive, headers):
    """A 200 is delivered, a 404 is final: neither is called again for its body."""
    receiver = receive(lambda request: (404 if request.target == "/no" else 200, headers, b"not that"))
    queue = unique("odd")
    send(events, hooked(events, destination(events, f"{receiver.url}/yes"), **dead(queue, 5)), {})
    send(events, hooked(events, destination(events, f"{receiver.url}/no"), **dead(queue, 5)), {})
    letter, = letters(own, queue)
    assert "status 404" in letter["Attributes"]["ERROR_MESSAGE"] and letter["Attributes"]["RETRY_ATTEMPTS"] == "0"
    assert "Accept-Encoding" not in receiver.all()[0].headers
    assert sorted(request.target for request in receiver.all()) == ["/no", "/yes"]


ENDS = {
    "at once": (b"", 0, "CONNECTION_FAILURE"),
    "within the status line": (b"HTTP/1.1 2", 0, "CONNECTION_FAILURE"),
    "with what is no HTTP": (b"220 mail.example.org ESMTP\r\n" * 100, 0, "CONNECTION_FAILURE"),
    "after announcing answers without end": (b"HTTP/1.1 100 Continue\r\n\r\n", None, "CONNECTION_FAILURE"),
    "after the head of a failure": (b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhalf", 0, "ERROR_FROM_TARGET"),
    "in a failure without end": (b"HTTP/1.1 500 No\r\n\r\n" + b"x" * 65536, None, "ERROR_FROM_TARGET"),
    "after a head": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 0, None),
    "in a body without end": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 65536, None, None),
    "in chunks without end": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n", None),
    "in headers without end": (b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 1000 + b"\r\n", None),
}


@pytest.mark.parametrize("end", ENDS)
def test_answers_that_end_too_early_or_never(events, own, end):
    """A status that has come counts, whatever follows; without one it is a failure. Neither is read to its end, nor called twice."""
    first, again, code = ENDS[end]
    talker = Talker(first, again if again is not None else first)
    try:
        queue, own_queue = unique("ends"), unique("last")
        send(events, hooked(events, destination(events, talker.url), **dead(queue)), {})
        until(lambda: talker.over, 20, "the end of the call")
        # What is delivered leaves nothing; a letter of another delivery comes behind it.
        gone = Receiver()
        gone.close()
        send(events, hooked(events, destination(events, gone.url), **dead(own_queue)), {})
        letters(own, own_queue)
        found = [one["Attributes"]["ERROR_CODE"] for one in (letters(own, queue) if code else own.list_dead_letters(QueueName=queue)["Letters"])]
        assert found == ([code] if code else []) and talker.over == 1
    finally:
        talker.close()


def test_tries_end(events, own, receive):
    receiver = receive(lambda request: 503)
    queue = unique("tries")
    send(events, hooked(events, destination(events, receiver.url), **dead(queue, 1)), {})
    attributes = letters(own, queue)[0]["Attributes"]
    assert (attributes["EXHAUSTED_RETRY_CONDITION"], attributes["RETRY_ATTEMPTS"], attributes["ERROR_CODE"]) == ("MaximumRetryAttempts", "1", "ERROR_FROM_TARGET")
    assert len(receiver.all()) == 2


def test_retry_after(events, own, receive):
    """One that lies behind the event's end ends it, as a negative one does; one of 4 seconds is waited for."""
    first = []

    def answer(request):
        if request.target == "/negative":
            return 503, {"Retry-After": "-1"}
        if request.target == "/late":
            return 429, {"Retry-After": "7200"}
        first.append(time.monotonic())
        return (503, {"Retry-After": "4"}) if len(first) == 1 else 200

    receiver = receive(answer)
    queue = unique("after")
    send(events, hooked(events, destination(events, f"{receiver.url}/negative"), **dead(queue, 5)), {})
    assert letters(own, queue)[0]["Attributes"]["ERROR_MESSAGE"].endswith("a negative Retry-After.")
    late = {**dead(queue, 5), "RetryPolicy": {"MaximumRetryAttempts": 5, "MaximumEventAgeInSeconds": 3600}}
    send(events, hooked(events, destination(events, f"{receiver.url}/late"), **late), {})
    assert letters(own, queue, 2)[1]["Attributes"]["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"
    send(events, hooked(events, destination(events, f"{receiver.url}/soon")), {})
    receiver.got(4)
    # Without Retry-After it would be tried again after a second and a half at most.
    assert first[1] - first[0] > 3.5


def test_nobody_there(events, own):
    gone = Receiver()
    gone.close()
    queue = unique("nobody")
    send(events, hooked(events, destination(events, gone.url), **dead(queue)), {})
    assert letters(own, queue)[0]["Attributes"]["ERROR_CODE"] == "CONNECTION_FAILURE"
    send(events, hooked(events, destination(events, "http://nobody.invalid/"), **dead(queue)), {})
    assert [one["Attributes"]["ERROR_CODE"] for one in letters(own, queue, 2)] == ["CONNECTION_FAILURE"] * 2


def test_a_destination_that_hangs_slows_nothing_else(events, own, receive):
    """200 events for one that never answers: few connections to it are open at once, and all others go on meanwhile."""
    silent, receiver = Silent(), receive()
    try:
        queue = unique("silent")
        hanging = hooked(events, destination(events, silent.url), **dead(queue))
        for _ in range(20):
            assert events.put_events(Entries=[{"Source": hanging, "DetailType": "t", "Detail": "{}"}] * 10)["FailedEntryCount"] == 0
        until(lambda: silent.open == 16, 20, "sixteen connections to the one that hangs")
        source = hooked(events, destination(events, receiver.url), InputPath="$.detail.n")
        for n in range(50):
            send(events, source, {"n": n})
        receiver.got(50)
        # None of the 5 seconds that each waits is over, or few are: the others did not wait for them.
        assert silent.taken < 200 and len(own.list_dead_letters(QueueName=queue)["Letters"]) < 200
        assert letters(own, queue)[0]["Attributes"]["ERROR_CODE"] == "TIMEOUT"
        until(lambda: len(own.list_dead_letters(QueueName=queue)["Letters"]) >= 16, 20, "the end of the first sixteen")
        until(lambda: silent.open == 1, 20, "one connection to it")
        assert silent.most == 16
    finally:
        silent.close()


def test_a_name_server_that_hangs_slows_nothing_else(tmp_path, receive, monkeypatch):
    """The name is looked for half a minute: the call ends after its 5 seconds, and others go on meanwhile."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Name servers are asked at port 53; an address that nobody else has is ours alone.
    address = f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}"
    silent.bind((address, 53))
    (tmp_path / "resolv.conf").write_text(f"nameserver {address}\noptions timeout:30 attempts:1\n")
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f"""#!/bin/sh\nexec unshare -m sh -c 'mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && exec "$0" "$@"' {BINARY} "$@"\n""")
    wrapper.chmod(0o755)
    monkeypatch.setattr("tests.support.server.BINARY", str(wrapper))
    server, receiver = Server(tmp_path).start(), receive()
    try:
        events = server.client("events")
        send(events, hooked(events, destination(events, "http://hangs.example.org/"), **dead("q")), {})
        until(lambda: select.select([silent], [], [], 0)[0], 10, "the question for the name")
        source = hooked(events, destination(events, receiver.url))
        send(events, source, {})
        receiver.got(1, 10)
        assert until(lambda: stillpoint(server).list_dead_letters(QueueName="q")["Letters"], 15, "its end")[0]["Attributes"]["ERROR_CODE"] == "TIMEOUT"
        send(events, source, {})
        receiver.got(2, 10)
        assert server.stop(15) == 0
    finally:
        silent.close()
        server.close()


def test_the_rate_is_kept(events, receive):
    arrived = []
    receiver = receive(lambda request: arrived.append(time.monotonic()) or 200)
    source = hooked(events, destination(events, receiver.url, InvocationRateLimitPerSecond=2))
    assert events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}] * 8)["FailedEntryCount"] == 0
    receiver.got(8)
    # The seventh leaves three seconds after the first.
    assert arrived[6] - arrived[0] > 2, arrived


def test_a_burst_is_sent_once_each(events, receive):
    receiver = receive()
    source = hooked(events, destination(events, receiver.url), InputPath="$.detail.n")
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        calls = [[{"Source": source, "DetailType": "t", "Detail": json.dumps({"n": n})} for n in range(first, first + 10)] for first in range(0, 300, 10)]
        assert sum(answer["FailedEntryCount"] for answer in threads.map(lambda entries: events.put_events(Entries=entries), calls)) == 0
    got = receiver.got(300)
    assert sorted(int(one.body) for one in got) == list(range(300)) and len({one.headers[ID] for one in got}) == 300


def test_a_destination_that_is_deleted(events, own, receive):
    receiver = receive(lambda request: (503, {"Retry-After": "1"}))
    queue = unique("deleted")
    arn = destination(events, receiver.url)
    source = hooked(events, arn, **dead(queue, 185))
    send(events, source, {})
    receiver.got(1)
    events.delete_api_destination(Name=arn.split("/")[1])
    attributes = letters(own, queue)[0]["Attributes"]
    assert attributes["ERROR_CODE"] == "NO_RESOURCE" and arn in attributes["ERROR_MESSAGE"]
    # Another one of its name is not the same.
    events.create_api_destination(Name=arn.split("/")[1], ConnectionArn=connection(events), InvocationEndpoint=receiver.url, HttpMethod="POST")
    send(events, source, {})
    assert [one["Attributes"]["ERROR_CODE"] for one in letters(own, queue, 2)] == ["NO_RESOURCE"] * 2


def test_a_connection_without_authorization(events, own, receive):
    receiver = receive()
    queue = unique("deauthorized")
    arn = connection(events)
    events.deauthorize_connection(Name=arn.split("/")[1])
    send(events, hooked(events, destination(events, receiver.url, arn), **dead(queue, 5)), {})
    attributes = letters(own, queue)[0]["Attributes"]
    assert (attributes["ERROR_CODE"], attributes["RETRY_ATTEMPTS"]) == ("NO_PERMISSIONS", "0") and receiver.all() == []
    # Sent again once it is authorised.
    events.update_connection(Name=arn.split("/")[1], AuthParameters=API_KEY)
    assert own.redrive_dead_letters(QueueName=queue)["Count"] == 1
    assert receiver.got(1)[0].headers["X-Api-Key"] == SECRET


# OAuth

def test_a_token_is_fetched_once_and_again_when_it_is_refused(events, receive):
    issuer = receive(giving())
    refused_tokens = []
    receiver = receive(lambda request: 401 if request.headers["Authorization"] in refused_tokens else 200)
    arn = connection(events, oauth(f"{issuer.url}/token?v=1", OAuthHttpParameters={"BodyParameters": [{"Key": "scope", "Value": "hooks"}]}))
    assert "LastAuthorizedTime" in state(events, arn, "AUTHORIZED")
    asked, = issuer.all()
    assert (asked.method, asked.target, asked.headers["Content-Type"]) == ("POST", "/token?v=1", "application/x-www-form-urlencoded")
    assert urllib.parse.parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["hooks"]}
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(f"the-client:{SECRET}".encode()).decode()
    source = hooked(events, destination(events, receiver.url, arn))
    for n in range(3):
        send(events, source, {"n": n})
    assert {one.headers["Authorization"] for one in receiver.got(3)} == {"Bearer token-1"} and len(issuer.all()) == 1
    refused_tokens.append("Bearer token-1")
    send(events, source, {"n": 3})
    last = receiver.got(5)[3:]
    assert [one.headers["Authorization"] for one in last] == ["Bearer token-1", "Bearer token-2"] and last[0].headers[ID] == last[1].headers[ID]
    send(events, source, {"n": 4})
    assert receiver.got(6)[5].headers["Authorization"] == "Bearer token-2" and len(issuer.all()) == 2


def test_a_token_ends(events, receive):
    """It lasts one second, half of which it is used for: each event of the next second has another."""
    issuer, receiver = receive(giving(lives=1)), receive()
    arn = connection(events, oauth(issuer.url))
    state(events, arn, "AUTHORIZED")
    source = hooked(events, destination(events, receiver.url, arn))

    def another():
        send(events, source, {})
        receiver.got(1)
        return len({one.headers["Authorization"] for one in receiver.all()}) >= 3

    until(another, 30, "a third token", every=0.2)
    assert len(issuer.all()) >= 3


def test_an_endpoint_that_gives_no_token(events, own, receive):
    answers = iter([403])
    issuer, receiver = receive(lambda request: next(answers, 500)), receive()
    arn = connection(events, oauth(issuer.url))
    shown = state(events, arn, "DEAUTHORIZED")
    assert shown["StateReason"] == "The authorization endpoint gave no token: it answered with status 403." and "LastAuthorizedTime" not in shown
    assert events.describe_api_destination(Name=destination(events, receiver.url, arn).split("/")[1])["ApiDestinationState"] == "INACTIVE"
    good = receive(giving())
    changed = events.update_connection(Name=arn.split("/")[1], AuthParameters={"OAuthParameters": {"AuthorizationEndpoint": good.url}})
    assert changed["ConnectionState"] == "AUTHORIZING"
    assert "StateReason" not in state(events, arn, "AUTHORIZED")
    # The secret that the update did not name is still there.
    assert good.all()[0].headers["Authorization"] == "Basic " + base64.b64encode(f"the-client:{SECRET}".encode()).decode()


def test_a_connection_is_authorised_after_a_restart(tmp_path, receive):
    """The server dies while the authorization endpoint thinks; the next one asks again."""
    silent = Silent()
    server = Server(tmp_path).start()
    try:
        arn = connection(server.client("events"), oauth(silent.url))
        until(lambda: silent.taken, 20, "the question for a token")
        server.kill()
        server.start()
        until(lambda: silent.taken == 2, 20, "the same question again")
        events = server.client("events")
        assert events.describe_connection(Name=arn.split("/")[1])["ConnectionState"] == "AUTHORIZING"
        assert "within 5 seconds" in state(events, arn, "DEAUTHORIZED")["StateReason"]
    finally:
        server.close()
        silent.close()


# TLS, secrets and kills

def test_certificates(tmp_path, receive):
    ca, tls = authority(tmp_path)
    receiver = receive(tls=tls)
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server").start()
    try:
        events, own = server.client("events"), stillpoint(server)
        source = hooked(events, destination(events, receiver.url), **dead("q"))
        send(events, source, {"n": 1})
        attributes = letters(own, "q")[0]["Attributes"]
        assert attributes["ERROR_CODE"] == "CONNECTION_FAILURE" and "certificate" in attributes["ERROR_MESSAGE"] and receiver.all() == []
        server.stop()
        config = tmp_path / "config.toml"
        config.write_text(f'[events]\nca_file = "{ca}"\n')
        server.args = ["--config", str(config)]
        server.start()
        assert stillpoint(server).redrive_dead_letters(QueueName="q")["Count"] == 1
        assert receiver.got(1)[0].json()["detail"] == {"n": 1}
        server.stop()
        config.write_text(f'[events]\nca_file = "{tmp_path / "none.pem"}"\n')
        with pytest.raises(AssertionError, match="events.ca_file"):
            server.start()
    finally:
        server.close()


def test_secrets_are_told_nowhere(tmp_path, receive):
    """Passwords, keys, client secrets, secret values and tokens: not in answers, the log, events or dead letters."""
    issuer = receive(lambda request: (200, {}, json.dumps({"access_token": SECRET + "-token"}).encode()))
    echo = receive(lambda request: (500, {"X-Echo": str(request.headers).replace("\n", " ").replace("\r", "")}, str(request.headers).encode() + request.target.encode()))
    (tmp_path / "config.toml").write_text('[log]\nlevel = "debug"\n')
    server = Server(tmp_path, args=["--config", str(tmp_path / "config.toml")]).start()
    try:
        events, own = server.client("events"), stillpoint(server)
        secret_parameters = {"InvocationHttpParameters": {kind: [{"Key": "k", "Value": SECRET, "IsValueSecret": True}] for kind in ("HeaderParameters", "QueryStringParameters", "BodyParameters")}}
        bus_rule = rule(events, {"source": ["stillpoint.events"]}, [{"Id": "1", "Arn": destination(events, echo.url + "/told", connection(events, BASIC)), "RoleArn": ROLE}])
        for auth in (BASIC, API_KEY, oauth(issuer.url)):
            arn = connection(events, {**auth, **secret_parameters})
            state(events, arn, "AUTHORIZED")
            send(events, hooked(events, destination(events, echo.url, arn), **dead("q")), {})
        events.update_connection(Name=arn.split("/")[1], Description="again")
        found = letters(own, "q", 3)
        told = [json.dumps(found), json.dumps([own.describe_dead_letter(QueueName="q", LetterId=one["LetterId"]) for one in found], default=str)]
        told += [json.dumps(events.list_connections(), default=str), json.dumps(events.list_api_destinations(), default=str)]
        told += [json.dumps(events.describe_connection(Name=one["Name"]), default=str) for one in events.list_connections()["Connections"]]
        # What the default bus was told of the failures was sent to the receiver.
        reports = until(lambda: [one for one in echo.all() if one.target == "/told"][:3], 20, "the reports")
        told += [one.body.decode() for one in reports] + [server.log_path.read_text(errors="replace")]
        assert [text for text in told if SECRET in text] == [] and all(told) and bus_rule
        with sqlite3.connect(server.data / "store.db") as database:
            kinds = {kind for kind, body in database.execute("SELECT kind, body FROM records") if SECRET in (body if isinstance(body, str) else bytes(body).decode(errors="replace"))}
        database.close()
        assert kinds == {"event_connection_secret"}
    finally:
        server.close()


@pytest.mark.parametrize("point,count", [("events.hook_sending", 3), ("events.hook_answered", 3), ("store.before_commit", 14), ("store.after_commit", 14)])
def test_killed_on_the_way(tmp_path, receive, point, count):
    """However the server dies, an acknowledged event arrives; what arrives twice has the same id."""
    receiver = receive()
    server = Server(tmp_path).start()
    try:
        events = server.client("events")
        hooked(events, destination(events, receiver.url), source="crash", InputPath="$.detail.n")
        acknowledged = range(len(killed_while(server, "events", point, count, 30, lambda client, n: send(client, "crash", {"n": n}))))
        send(server.client("events"), "crash", {"n": 99})
        wanted = {*acknowledged, 99}
        until(lambda: wanted <= {int(one.body) for one in receiver.all()}, 20, "all that was acknowledged")
        ids = {}
        for one in receiver.all():
            ids.setdefault(int(one.body), set()).add(one.headers[ID])
        assert acknowledged and all(len(each) == 1 for each in ids.values()), ids
        assert set(ids) <= {*wanted, acknowledged[-1] + 1}
    finally:
        server.close()


def test_by_the_cli(server, receive):
    receiver = receive()
    name = unique("slack")
    server.aws(["events", "create-connection", "--name", name, "--authorization-type", "API_KEY", "--auth-parameters", f"ApiKeyAuthParameters={{ApiKeyName=Authorization,ApiKeyValue={SECRET}}}"])
    arn = server.aws(["events", "describe-connection", "--name", name])["ConnectionArn"]
    made = server.aws(["events", "create-api-destination", "--name", name, "--connection-arn", arn, "--invocation-endpoint", f"{receiver.url}/services/*", "--http-method", "POST"])
    server.aws(["events", "put-rule", "--name", name, "--event-pattern", json.dumps({"source": [name]})])
    server.aws(["events", "put-targets", "--rule", name, "--targets", json.dumps([{"Id": "1", "Arn": made["ApiDestinationArn"], "RoleArn": ROLE, "HttpParameters": {"PathParameterValues": ["T0"]},
                                                                                 "InputTransformer": {"InputPathsMap": {"job": "$.detail.job"}, "InputTemplate": '{"text":"job <job> failed"}'}}])])
    server.aws(["events", "put-events", "--entries", json.dumps([{"Source": name, "DetailType": "t", "Detail": '{"job":"x"}'}])])
    request = receiver.got(1)[0]
    assert (request.target, request.headers["Authorization"], request.json()) == ("/services/T0", SECRET, {"text": "job x failed"})
