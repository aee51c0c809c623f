"""What EventBridge and its Scheduler could not deliver: DeadLetterConfig, and the lists in which it is kept."""
import json
import re

import pytest

from tests.api.test_events import ROLE, delivered, inputs, machine, refused, rule, send, to, unique
from tests.support.crash import killed_while
from tests.support.own_model import stillpoint
from tests.support.server import ACCOUNT, REGION, Server
from tests.support.signed import call_json
from tests.support.until import until

SQS = f"arn:aws:sqs:{REGION}:{ACCOUNT}"


@pytest.fixture
def events(server):
    return server.client("events")


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


@pytest.fixture
def own(server):
    return stillpoint(server)


def letters(own, queue, count=1):
    """All letters of a queue, once there are so many."""
    return until(lambda: (lambda got: got if len(got) >= count else None)(own.list_dead_letters(QueueName=queue)["Letters"]), 20, f"{count} letters in {queue}")


def to_gone(sfn, queue, **more):
    """A target that is not there (its state machine's name and the target)."""
    name = unique("gone")
    arn = machine(sfn, name=name)
    sfn.delete_state_machine(stateMachineArn=arn)
    return name, to(arn, DeadLetterConfig={"Arn": f"{SQS}:{queue}"}, **more)


def failed_events(events, sfn, queue, count):
    """So many letters of one rule; the rule, the machine's name and the events' ids."""
    source = unique("failing")
    name, target = to_gone(sfn, queue, InputPath="$.detail")
    rule_name = rule(events, {"source": [source]}, [target])
    return rule_name, name, [send(events, source, {"n": n}) for n in range(count)]


def test_an_event_that_cannot_be_delivered_is_kept(events, sfn, own):
    queue = unique("kept")
    rule_name, name, (id,) = failed_events(events, sfn, queue, 1)
    target = events.list_targets_by_rule(Rule=rule_name)["Targets"][0]
    assert target["DeadLetterConfig"] == {"Arn": f"{SQS}:{queue}"}
    letter, = letters(own, queue)
    attributes = letter["Attributes"]
    assert "does not exist" in attributes.pop("ERROR_MESSAGE").lower()
    assert attributes == {"RULE_ARN": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule_name}", "TARGET_ARN": target["Arn"], "ERROR_CODE": "NO_RESOURCE", "RETRY_ATTEMPTS": "0"}
    assert letter["QueueArn"] == f"{SQS}:{queue}" and "Message" not in letter
    whole = own.describe_dead_letter(QueueName=queue, LetterId=letter["LetterId"])
    event = json.loads(whole["Message"])
    assert (event["id"], event["detail"]) == (id, {"n": 0}) and set(event) == {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
    listed = [one for one in own.list_dead_letter_queues()["Queues"] if one["QueueName"] == queue]
    assert [(one["Letters"], one["Dropped"], one["Oldest"]) for one in listed] == [(1, 0, letter["Since"])]


def test_without_one_nothing_is_kept(events, sfn, own):
    queue = unique("none")
    name, target = to_gone(sfn, queue)
    del target["DeadLetterConfig"]
    source = unique("failing")
    rule(events, {"source": [source]}, [target, to_gone(sfn, queue)[1] | {"Id": "2"}])
    send(events, source, {})
    assert [one["Attributes"]["TARGET_ARN"] for one in letters(own, queue)] != [target["Arn"]]
    assert own.list_dead_letter_queues(MaxResults=1000)["Queues"] and len(own.list_dead_letters(QueueName=queue)["Letters"]) == 1


def test_what_ended_the_tries_is_told(tmp_path):
    (tmp_path / "config.toml").write_text("[executions]\nmost_open = 1\n")
    server = Server(tmp_path, args=["--config", str(tmp_path / "config.toml")]).start()
    try:
        sfn, events, own = server.client("stepfunctions"), server.client("events"), stillpoint(server)
        waiting = machine(sfn, {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 3600, "End": True}}}, "waiting")
        sfn.start_execution(stateMachineArn=waiting)
        rule(events, {"source": ["busy"]}, [to(machine(sfn), DeadLetterConfig={"Arn": f"{SQS}:q"}, RetryPolicy={"MaximumRetryAttempts": 1})])
        send(events, "busy", {})
        attributes = letters(own, "q")[0]["Attributes"]
        assert (attributes["ERROR_CODE"], attributes["EXHAUSTED_RETRY_CONDITION"], attributes["RETRY_ATTEMPTS"]) == ("RESOURCE_LIMIT_EXCEEDED", "MaximumRetryAttempts", "1")
    finally:
        server.close()


def test_letters_are_sent_again_once(events, sfn, own):
    queue = unique("again")
    _, name, _ = failed_events(events, sfn, queue, 3)
    first, second, third = letters(own, queue, 3)
    arn = machine(sfn, name=name)
    answer = own.redrive_dead_letters(QueueName=queue, LetterIds=[first["LetterId"], "none"])
    assert (answer["Count"], answer["Missing"]) == (1, ["none"])
    assert len(delivered(sfn, arn, 1)) == 1
    assert own.redrive_dead_letters(QueueName=queue, LetterIds=[first["LetterId"]])["Missing"] == [first["LetterId"]]
    assert [one["LetterId"] for one in own.list_dead_letters(QueueName=queue)["Letters"]] == [second["LetterId"], third["LetterId"]]
    assert own.redrive_dead_letters(QueueName=queue)["Count"] == 2
    assert sorted(one["n"] for one in delivered(sfn, arn, 3)) == [0, 1, 2]
    assert own.list_dead_letters(QueueName=queue)["Letters"] == []
    assert queue not in [one["QueueName"] for one in own.list_dead_letter_queues(MaxResults=1000)["Queues"]]


def test_a_letter_goes_to_its_target_as_it_stands_now(events, sfn, own):
    queue = unique("mended")
    rule_name, _, _ = failed_events(events, sfn, queue, 1)
    letters(own, queue)
    mended = machine(sfn)
    events.put_targets(Rule=rule_name, Targets=[to(mended, InputPath="$.detail.n", DeadLetterConfig={"Arn": f"{SQS}:{queue}"})])
    assert own.redrive_dead_letters(QueueName=queue)["Count"] == 1
    assert delivered(sfn, mended, 1) == [0]


def test_what_fails_again_comes_back(events, sfn, own):
    queue = unique("back")
    failed_events(events, sfn, queue, 2)
    before = [one["LetterId"] for one in letters(own, queue, 2)]
    answer = own.redrive_dead_letters(QueueName=queue)
    assert answer["Count"] == 2 and "NextToken" not in answer
    after = [one["LetterId"] for one in letters(own, queue, 2)]
    assert len(after) == 2 and not set(before) & set(after)


def test_pages_and_deletion(events, sfn, own):
    queue = unique("paged")
    source = unique("failing")
    rule(events, {"source": [source]}, [to_gone(sfn, queue)[1]])
    for _ in range(12):
        assert events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}] * 10)["FailedEntryCount"] == 0
    until(lambda: [one for one in own.list_dead_letter_queues(MaxResults=1000)["Queues"] if (one["QueueName"], one["Letters"]) == (queue, 120)], 20, "120 letters")
    first = own.list_dead_letters(QueueName=queue, MaxResults=70)
    rest = own.list_dead_letters(QueueName=queue, MaxResults=70, NextToken=first["NextToken"])
    ids = [one["LetterId"] for one in first["Letters"] + rest["Letters"]]
    assert len(set(ids)) == 120 and ids == sorted(ids) and "NextToken" not in rest
    answer = own.delete_dead_letters(QueueName=queue, LetterIds=ids[:2])
    assert (answer["Count"], answer["Missing"]) == (2, [])
    answer = own.delete_dead_letters(QueueName=queue)
    assert answer["Count"] == 100
    assert own.delete_dead_letters(QueueName=queue, NextToken=answer["NextToken"])["Count"] == 18
    assert own.list_dead_letters(QueueName=queue)["Letters"] == []
    queues = own.list_dead_letter_queues(MaxResults=1)
    assert len(queues["Queues"]) <= 1


def test_refusals(server, events, own):
    def ask(operation, **arguments):
        status, answer = call_json(server, "stillpoint", f"Stillpoint_20261101.{operation}", arguments, "1.1")
        return status, answer["__type"].split("#")[-1], answer.get("message", answer.get("Message", ""))

    for operation, arguments, words in [
            ("ListDeadLetterQueues", {"MaxResults": 0}, "MaxResults is 0"), ("ListDeadLetterQueues", {"NextToken": "x"}, "NextToken"), ("ListDeadLetterQueues", {"Queue": "x"}, "Queue"),
            ("ListDeadLetters", {}, "QueueName"), ("ListDeadLetters", {"QueueName": "a b"}, "QueueName is 'a b'"), ("ListDeadLetters", {"QueueName": "q", "MaxResults": 1001}, "MaxResults is 1001"),
            ("RedriveDeadLetters", {"QueueName": "q", "LetterIds": ["x"] * 101}, "at most 100"), ("RedriveDeadLetters", {"QueueName": "q", "NextToken": "x"}, "NextToken"),
            ("DeleteDeadLetters", {"QueueName": "q", "LetterIds": [1]}, "LetterIds"), ("DescribeDeadLetter", {"QueueName": "q"}, "LetterId")]:
        status, code, message = ask(operation, **arguments)
        assert (status, code) == (400, "ValidationException") and words in message, (operation, arguments, message)
    refused(own.describe_dead_letter, "ResourceNotFoundException", "no dead letter x in q", QueueName="q", LetterId="x")


@pytest.mark.parametrize("arn,words", [
    (f"arn:aws:sns:{REGION}:{ACCOUNT}:q", "is an SQS queue"), (f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q", "it is not of account"), (f"arn:aws:sqs:{REGION}:111122223333:q", "it is not of account"),
    (f"{SQS}:q.fifo", "FIFO"), (f"{SQS}:a.b", "letters, digits"), ("q", "not in correct format")])
def test_queues_that_cannot_be_named(server, events, sfn, arn, words):
    name = rule(events, {"source": ["never"]}, [])
    target = to(machine(sfn), DeadLetterConfig={"Arn": arn})
    refused(events.put_targets, "ValidationException", words, Rule=name, Targets=[target])
    assert events.list_targets_by_rule(Rule=name)["Targets"] == []
    scheduler = server.client("scheduler", parameter_validation=False)
    refused(scheduler.create_schedule, "ValidationException", words, Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": target["Arn"], "RoleArn": ROLE, "DeadLetterConfig": {"Arn": arn}})
    refused(scheduler.get_schedule, "ResourceNotFoundException", "does not exist", Name=name)


def test_a_schedule_s_target(server, sfn, own):
    scheduler = server.client("scheduler")
    queue, name = unique("scheduled"), unique("gone")
    arn = machine(sfn, name=name)
    sfn.delete_state_machine(stateMachineArn=arn)
    asked = {"Name": name, "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"},
             "Target": {"Arn": arn, "RoleArn": ROLE, "Input": '{"try":"<aws.scheduler.attempt-number>"}', "DeadLetterConfig": {"Arn": f"{SQS}:{queue}"}}}
    schedule = scheduler.create_schedule(**asked)["ScheduleArn"]
    assert scheduler.get_schedule(Name=name)["Target"]["DeadLetterConfig"] == {"Arn": f"{SQS}:{queue}"}
    letter, = letters(own, queue)
    attributes = letter["Attributes"]
    assert (attributes["SCHEDULE_ARN"], attributes["TARGET_ARN"], attributes["ERROR_CODE"], attributes["RETRY_ATTEMPTS"]) == (schedule, arn, "NO_RESOURCE", "0")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", attributes["SCHEDULED_TIME"])
    assert json.loads(own.describe_dead_letter(QueueName=queue, LetterId=letter["LetterId"])["Message"]) == {"try": "1"}
    machine(sfn, name=name)
    assert own.redrive_dead_letters(QueueName=queue)["Count"] == 1
    assert delivered(sfn, arn, 1) == [{"try": "1"}]


def test_by_the_program(server, events, sfn, own):
    queue = unique("people")
    rule_name, name, ids = failed_events(events, sfn, queue, 3)
    first, second, _ = letters(own, queue, 3)
    assert f"{queue}  3 letters" in server.cli(["events", "dead", "list"]).stdout
    listed = server.cli(["events", "dead", "list", queue]).stdout
    assert listed.count("NO_RESOURCE") == 3 and f":rule/{rule_name} -> " in listed
    shown = server.cli(["events", "dead", "show", queue, first["LetterId"]]).stdout
    assert len([id for id in ids if id in shown]) == 1 and "RETRY_ATTEMPTS  0" in shown
    assert [one["LetterId"] for one in json.loads(server.cli(["events", "dead", "list", queue, "--json"]).stdout)][0] == first["LetterId"]
    assert server.cli(["events", "dead", "delete", queue, second["LetterId"]]).stdout == "1 deleted\n"
    gone = server.cli(["events", "dead", "delete", queue, second["LetterId"]], check=False)
    assert gone.returncode == 1 and f"{second['LetterId']} is not there" in gone.stderr
    assert server.cli(["events", "dead", "send", queue], check=False).returncode == 2
    arn = machine(sfn, name=name)
    assert server.cli(["events", "dead", "send", queue, "--all"]).stdout == "2 sent again\n"
    assert len({one["n"] for one in delivered(sfn, arn, 2)}) == 2
    assert "nothing that could not be delivered" in server.cli(["events", "dead", "list", queue]).stdout


@pytest.mark.parametrize("point,count", [("events.dead", 2), ("store.before_commit", 9), ("store.after_commit", 9)])
def test_killed_when_it_is_given_up(tmp_path, point, count):
    """However the server dies, what was acknowledged and cannot be delivered stands among the dead letters, once."""
    server = Server(tmp_path).start()
    try:
        sfn, events = server.client("stepfunctions"), server.client("events")
        arn = machine(sfn, name="gone")
        rule(events, {"source": ["crash"]}, [to(arn, DeadLetterConfig={"Arn": f"{SQS}:q"})], name="crash")
        sfn.delete_state_machine(stateMachineArn=arn)
        acknowledged = killed_while(server, "events", point, count, 20, lambda client, n: send(client, "crash", {"n": n}))
        own = stillpoint(server)
        last = send(server.client("events"), "crash", {"n": 99})

        def kept():
            ids = [json.loads(own.describe_dead_letter(QueueName="q", LetterId=one["LetterId"])["Message"])["id"] for one in own.list_dead_letters(QueueName="q")["Letters"]]
            return ids if last in ids else None

        got = until(kept, 20, "the last event's letter")
        assert acknowledged and len(got) == len(set(got)) and set(acknowledged) <= set(got) and len(got) <= len(acknowledged) + 2, (got, acknowledged)
        assert own.list_dead_letter_queues()["Queues"][0]["Letters"] == len(got)
    finally:
        server.close()
