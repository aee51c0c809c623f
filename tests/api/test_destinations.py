"""EventBridge's connections and API destinations; test_webhooks.py has the way of an event to them."""
import itertools
import json
import sqlite3

import pytest

from tests.api.test_events import ROLE, refused, rule, send, unique
from tests.support.own_model import stillpoint
from tests.support.receiver import Receiver
from tests.support.server import ACCOUNT, REGION, Server
from tests.support.until import until

SQS = f"arn:aws:sqs:{REGION}:{ACCOUNT}"
SECRET = "pa55w0rd-of-nobody"
BASIC = {"BasicAuthParameters": {"Username": "user", "Password": SECRET}}
API_KEY = {"ApiKeyAuthParameters": {"ApiKeyName": "X-Api-Key", "ApiKeyValue": SECRET}}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def events(server):
    return server.client("events")


@pytest.fixture
def own(server):
    return stillpoint(server)


@pytest.fixture
def receive():
    """Makes receivers that end with the test."""
    made = []

    def make(*arguments, **more):
        made.append(Receiver(*arguments, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def connection(events, auth=None, type=None, name=None):
    auth = auth or API_KEY
    type = type or next(kind for member, kind in [("BasicAuthParameters", "BASIC"), ("ApiKeyAuthParameters", "API_KEY"), ("OAuthParameters", "OAUTH_CLIENT_CREDENTIALS")] if member in auth)
    return events.create_connection(Name=name or unique("connection"), AuthorizationType=type, AuthParameters=auth)["ConnectionArn"]


def destination(events, url, connection_arn=None, method="POST", **more):
    return events.create_api_destination(Name=unique("destination"), ConnectionArn=connection_arn or connection(events), InvocationEndpoint=url, HttpMethod=method,
                                         **more)["ApiDestinationArn"]


def hooked(events, destination_arn, source=None, **target):
    """A rule for events of a source with that destination as its target; returns the source."""
    source = source or unique("hook")
    rule(events, {"source": [source]}, [{"Id": "1", "Arn": destination_arn, "RoleArn": ROLE, **target}])
    return source


def dead(queue, attempts=0):
    return {"DeadLetterConfig": {"Arn": f"{SQS}:{queue}"}, "RetryPolicy": {"MaximumRetryAttempts": attempts}}


def letters(own, queue, count=1):
    return until(lambda: (lambda got: got if len(got) >= count else None)(own.list_dead_letters(QueueName=queue, MaxResults=1000)["Letters"]), 30, f"{count} letters in {queue}")


def state(events, arn, wanted):
    name = arn.split("/")[1]
    return until(lambda: (lambda shown: shown if shown["ConnectionState"] == wanted else None)(events.describe_connection(Name=name)), 20, f"{name} {wanted}")


def oauth(url, **more):
    return {"OAuthParameters": {"ClientParameters": {"ClientID": "the-client", "ClientSecret": SECRET}, "AuthorizationEndpoint": url, "HttpMethod": "POST", **more}}


def giving(lives=3600):
    """An authorization endpoint's answers: tokens that are numbered."""
    numbers = itertools.count(1)
    return lambda request: (200, {"Content-Type": "application/json"}, json.dumps({"access_token": f"token-{next(numbers)}", "token_type": "Bearer", "expires_in": lives}).encode())


# Connections

def test_connections(events):
    name = unique("connection")
    made = events.create_connection(Name=name, Description="d", AuthorizationType="BASIC", AuthParameters={**BASIC, "InvocationHttpParameters": {
        "HeaderParameters": [{"Key": "X-A", "Value": SECRET, "IsValueSecret": True}, {"Key": "X-B", "Value": "plain"}]}})
    assert made["ConnectionState"] == "AUTHORIZED" and made["CreationTime"] == made["LastModifiedTime"]
    assert made["ConnectionArn"].startswith(f"arn:aws:events:{REGION}:{ACCOUNT}:connection/{name}/")
    shown = events.describe_connection(Name=name)
    assert (shown["Name"], shown["Description"], shown["AuthorizationType"], shown["ConnectionState"], shown["ConnectionArn"]) == (name, "d", "BASIC", "AUTHORIZED", made["ConnectionArn"])
    assert shown["AuthParameters"] == {"BasicAuthParameters": {"Username": "user"}, "InvocationHttpParameters": {
        "HeaderParameters": [{"Key": "X-A", "IsValueSecret": True}, {"Key": "X-B", "Value": "plain", "IsValueSecret": False}]}}
    assert shown["LastAuthorizedTime"] == made["CreationTime"] and shown["SecretArn"].startswith(f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:events!connection/{name}/")
    refused(events.create_connection, "ResourceAlreadyExistsException", f"Connection {name} already exists.", Name=name, AuthorizationType="BASIC", AuthParameters=BASIC)
    changed = events.update_connection(Name=name, AuthorizationType="API_KEY", AuthParameters=API_KEY)
    assert (changed["ConnectionArn"], changed["ConnectionState"]) == (made["ConnectionArn"], "AUTHORIZED")
    shown = events.describe_connection(Name=name)
    assert shown["AuthParameters"] == {"ApiKeyAuthParameters": {"ApiKeyName": "X-Api-Key"}} and shown["Description"] == "d"
    assert events.deauthorize_connection(Name=name)["ConnectionState"] == "DEAUTHORIZING"
    shown = events.describe_connection(Name=name)
    assert shown["ConnectionState"] == "DEAUTHORIZED" and "AuthParameters" not in shown
    assert events.update_connection(Name=name, AuthParameters=API_KEY)["ConnectionState"] == "AUTHORIZED"
    assert events.delete_connection(Name=name)["ConnectionState"] == "DELETING"
    refused(events.describe_connection, "ResourceNotFoundException", f"Connection '{name}' does not exist.", Name=name)


def test_lists_of_connections(events):
    prefix = unique("listed")
    arns = [connection(events, name=f"{prefix}-{i}") for i in range(3)]
    events.deauthorize_connection(Name=f"{prefix}-1")
    first = events.list_connections(NamePrefix=prefix, Limit=2)
    rest = events.list_connections(NamePrefix=prefix, Limit=2, NextToken=first["NextToken"])
    assert [one["ConnectionArn"] for one in first["Connections"] + rest["Connections"]] == arns and "NextToken" not in rest
    assert "AuthParameters" not in first["Connections"][0]
    assert [one["Name"] for one in events.list_connections(NamePrefix=prefix, ConnectionState="DEAUTHORIZED")["Connections"]] == [f"{prefix}-1"]
    refused(events.list_connections, "ValidationException", "NextToken", NextToken="x")


def test_connection_refusals(server):
    events = server.client("events", parameter_validation=False)
    name = unique("refused")

    def bad(words, **more):
        message = refused(events.create_connection, "ValidationException", words, **{"Name": name, "AuthorizationType": "BASIC", "AuthParameters": BASIC, **more})
        assert SECRET not in message

    bad("at 'name' failed", Name="a b")
    bad("enum value set", AuthorizationType="NONE")
    bad("BasicAuthParameters is required for authorization type BASIC", AuthParameters={})
    bad("ApiKeyAuthParameters is for authorization type API_KEY", AuthParameters={**BASIC, **API_KEY})
    bad("Password must be specified", AuthParameters={"BasicAuthParameters": {"Username": "u"}})
    bad("Value '***'", AuthParameters={"BasicAuthParameters": {"Username": "u", "Password": SECRET + "\n"}})
    bad("Value '***'", AuthParameters={"BasicAuthParameters": {"Username": "u", "Password": SECRET * 40}})
    bad("be a header's name", AuthorizationType="API_KEY", AuthParameters={"ApiKeyAuthParameters": {"ApiKeyName": "a b", "ApiKeyValue": "v"}})
    bad("HeaderParameters", AuthParameters={**BASIC, "InvocationHttpParameters": {"HeaderParameters": [{"Key": "a b", "Value": "v"}]}})
    bad("***", AuthParameters={**BASIC, "InvocationHttpParameters": {"HeaderParameters": [{"Key": "a", "Value": SECRET + "\n", "IsValueSecret": True}]}})
    bad("less than or equal to 100", AuthParameters={**BASIC, "InvocationHttpParameters": {"BodyParameters": [{"Key": "a", "Value": "v"}] * 101}})
    bad("at most 65536", AuthParameters={**BASIC, "InvocationHttpParameters": {"BodyParameters": [{"Key": "a", "Value": SECRET * 4000}]}})
    bad("HttpMethod must be specified", AuthorizationType="OAUTH_CLIENT_CREDENTIALS", AuthParameters={"OAuthParameters": {
        "ClientParameters": {"ClientID": "i", "ClientSecret": "s"}, "AuthorizationEndpoint": "https://a.test/"}})
    bad("begin with https://", AuthorizationType="OAUTH_CLIENT_CREDENTIALS", AuthParameters=oauth("ftp://a.test/"))
    refused(events.describe_connection, "ResourceNotFoundException", "does not exist", Name=name)
    for call in (events.update_connection, events.deauthorize_connection, events.delete_connection):
        refused(call, "ResourceNotFoundException", f"Connection '{name}' does not exist.", Name=name)
    arn = connection(events, BASIC)
    kept = events.describe_connection(Name=arn.split("/")[1])
    refused(events.update_connection, "ValidationException", "ApiKeyAuthParameters is required", Name=kept["Name"], AuthorizationType="API_KEY")
    assert {**events.describe_connection(Name=kept["Name"]), "ResponseMetadata": 0} == {**kept, "ResponseMetadata": 0}


# Destinations

def test_destinations(events):
    arn, other = connection(events), connection(events)
    name = unique("destination")
    made = events.create_api_destination(Name=name, Description="d", ConnectionArn=arn, InvocationEndpoint="https://example.test/*/x", HttpMethod="PUT")
    assert made["ApiDestinationArn"].startswith(f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/{name}/") and made["ApiDestinationState"] == "ACTIVE"
    shown = events.describe_api_destination(Name=name)
    assert (shown["Name"], shown["Description"], shown["ConnectionArn"], shown["InvocationEndpoint"], shown["HttpMethod"], shown["InvocationRateLimitPerSecond"], shown["ApiDestinationState"]) == (
        name, "d", arn, "https://example.test/*/x", "PUT", 300, "ACTIVE")
    refused(events.create_api_destination, "ResourceAlreadyExistsException", f"'{name}' already exists", Name=name, ConnectionArn=arn, InvocationEndpoint="https://a.test/", HttpMethod="GET")
    changed = events.update_api_destination(Name=name, ConnectionArn=other, InvocationEndpoint="http://10.1.2.3:8080/", InvocationRateLimitPerSecond=5)
    assert changed["ApiDestinationArn"] == made["ApiDestinationArn"] and changed["LastModifiedTime"] >= made["LastModifiedTime"]
    shown = events.describe_api_destination(Name=name)
    assert (shown["ConnectionArn"], shown["InvocationEndpoint"], shown["HttpMethod"], shown["InvocationRateLimitPerSecond"], shown["Description"]) == (other, "http://10.1.2.3:8080/", "PUT", 5, "d")
    events.deauthorize_connection(Name=other.split("/")[1])
    assert events.describe_api_destination(Name=name)["ApiDestinationState"] == "INACTIVE"
    events.delete_connection(Name=other.split("/")[1])
    assert events.describe_api_destination(Name=name)["ApiDestinationState"] == "INACTIVE"
    events.delete_api_destination(Name=name)
    refused(events.describe_api_destination, "ResourceNotFoundException", f"'{name}' does not exist", Name=name)


def test_lists_of_destinations(events):
    prefix, arn, other = unique("listed"), connection(events), connection(events)
    for i in range(3):
        events.create_api_destination(Name=f"{prefix}-{i}", ConnectionArn=other if i == 1 else arn, InvocationEndpoint="https://a.test/", HttpMethod="GET")
    first = events.list_api_destinations(NamePrefix=prefix, Limit=2)
    rest = events.list_api_destinations(NamePrefix=prefix, Limit=2, NextToken=first["NextToken"])
    assert [one["Name"] for one in first["ApiDestinations"] + rest["ApiDestinations"]] == [f"{prefix}-{i}" for i in range(3)] and "NextToken" not in rest
    assert [one["Name"] for one in events.list_api_destinations(ConnectionArn=other)["ApiDestinations"]] == [f"{prefix}-1"]
    refused(events.list_api_destinations, "ValidationException", "NextToken", NextToken="x")


def test_destination_refusals(server):
    events = server.client("events", parameter_validation=False)
    arn, name = connection(events), unique("refused")

    def bad(words, code="ValidationException", **more):
        refused(events.create_api_destination, code, words, **{"Name": name, "ConnectionArn": arn, "InvocationEndpoint": "https://a.test/", "HttpMethod": "GET", **more})

    bad("at 'name' failed", Name="a b")
    bad("enum value set", HttpMethod="TRACE")
    bad("greater than or equal to 1", InvocationRateLimitPerSecond=0)
    bad("less than or equal to 10000", InvocationRateLimitPerSecond=10001)
    for url in ("ftp://a.test/", "https://", "a.test", "https://a.test/ b", "https://a.test/%zz", "https://u:p@a.test/", "https://a.test/{x}"):
        bad("at 'invocationEndpoint' failed", InvocationEndpoint=url)
    for url in ("https://a.test:99999/", "https://a.test:0", "https://a.test:?q=1", "https://a.test:80:80/"):
        bad("have a port from 1 to 65535 after its host, or none", InvocationEndpoint=url)
    bad("at 'connectionArn' failed", ConnectionArn="nonsense")
    bad("does not exist", "ResourceNotFoundException", ConnectionArn=arn[:-1] + "x")
    refused(events.describe_api_destination, "ResourceNotFoundException", "does not exist", Name=name)
    refused(events.update_api_destination, "ResourceNotFoundException", "does not exist", Name=name)
    refused(events.delete_api_destination, "ResourceNotFoundException", "does not exist", Name=name)


def test_the_most_of_both(tmp_path):
    server = Server(tmp_path).start()
    try:
        events = server.client("events")
        arn = connection(events, name="one")
        destination(events, "https://a.test/", arn)
        server.stop()
        with sqlite3.connect(server.data / "store.db") as database:
            for kind in ("event_connection", "event_destination"):
                body, = database.execute("SELECT body FROM records WHERE kind = ?", (kind,)).fetchone()
                for i in range(2999):
                    database.execute("INSERT INTO records (kind, key, body) VALUES (?, ?, ?)", (kind, f"more-{i}".encode(), json.dumps({**json.loads(body), "Name": f"more-{i}"})))
        database.close()
        server.start()
        events = server.client("events")
        refused(events.create_connection, "LimitExceededException", "exceeds the maximum number allowed", Name="x", AuthorizationType="API_KEY", AuthParameters=API_KEY)
        refused(events.create_api_destination, "LimitExceededException", "exceeds the maximum number allowed", Name="x", ConnectionArn=arn, InvocationEndpoint="https://a.test/", HttpMethod="GET")
        events.delete_connection(Name="more-7")
        assert connection(events, name="x")
    finally:
        server.close()


def test_target_refusals(server, events):
    lenient = server.client("events", parameter_validation=False)
    arn = destination(events, "https://a.test/*")
    name = rule(events, {"source": ["never"]}, [])

    def bad(words, **more):
        refused(lenient.put_targets, "ValidationException", words, Rule=name, Targets=[{"Id": "1", "Arn": arn, "RoleArn": ROLE, **more}])

    bad("at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 1", RoleArn="")
    bad("targets are state machines", Arn=arn.rsplit("/", 1)[0])
    bad("is not of account", Arn=arn.replace(ACCOUNT, "111122223333"))
    bad("is blank", HttpParameters={"PathParameterValues": [" "]})
    bad("is not a valid path", HttpParameters={"PathParameterValues": ["$.a["]})
    bad("cannot be sent among HeaderParameters", HttpParameters={"HeaderParameters": {"a b": "v"}})
    bad("cannot be sent among HeaderParameters", HttpParameters={"HeaderParameters": {"a": "v\n"}})
    bad("cannot be sent among QueryStringParameters", HttpParameters={"QueryStringParameters": {"a": "\x01"}})
    bad("is for API destinations", Arn=f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default", HttpParameters={"PathParameterValues": ["x"]})
    assert events.list_targets_by_rule(Rule=name)["Targets"] == []
