"""A machine that is enrolled anew: what its former enrolment may have begun is never done a second time, and never told as what it was not."""
import json
import shutil

import pytest

from tests.api.test_backup import ROLE, moving, wait  # noqa: F401
from tests.support import enrolled_agents as agents
from tests.support.own_model import stillpoint
from tests.support.runs import finished, row, run_input, shell, start, statuses, upload_scripts
from tests.support.until import until

OPEN = {"Pending", "InProgress", "Delayed", "Cancelling"}


@pytest.fixture
def host(server, tmp_path):
    agent = agents.Agent(tmp_path / "host", server.agents, token=agents.token_of(server)["Token"]).start()
    agents.pinged(server, agent.id, "Online")
    yield agent
    agent.close()


def send(server, host, script):
    return server.client("ssm").send_command(InstanceIds=[host.id], DocumentName="AWS-RunShellScript",
                                             Parameters={"commands": [script]})["Command"]["CommandId"]


def shown(server, host, command):
    return server.client("ssm").get_command_invocation(CommandId=command, InstanceId=host.id)


def over(server, host, command):
    def ended():
        answer = shown(server, host, command)
        return answer if answer["Status"] not in OPEN else None
    return until(ended, 60, f"the end of {command}")


def under_way(server, host, command, file):
    until(lambda: shown(server, host, command)["Status"] == "InProgress" and file.exists() and file.read_text(), 30, "the script has begun")


def revoke(server, host):
    stillpoint(server).revoke_agent(InstanceId=host.id)
    agents.pinged(server, host.id, "ConnectionLost", 10)
    host.logged("the server refuses this agent")


def again(server, host, keep=True):
    """The same host by a new token: its agent started anew, or with all it knew gone."""
    token = agents.token_of(server, InstanceId=host.id)["Token"]
    name = host.id
    host.stop()
    if not keep:
        shutil.rmtree(host.state)
    host.start(token=token)
    agents.pinged(server, name, "Online")
    assert host.id == name


def unknown(answer, host):
    assert (answer["Status"], answer["StatusDetails"], answer["ResponseCode"]) == ("Failed", "Failed", -1), answer
    assert answer["StandardErrorContent"] == f"{host.id} was enrolled anew after this had been sent to it: its fate is unknown, and it is not done again"
    assert answer["StandardOutputContent"] == ""


def test_a_script_that_had_begun_is_not_run_again(server, host, tmp_path):
    file, go, later = tmp_path / "ran", tmp_path / "go", tmp_path / "later"
    command = send(server, host, f"echo begun >> {file}; while [ ! -e {go} ]; do sleep 0.05; done; echo ended >> {file}")
    under_way(server, host, command, file)
    host.kill()
    agents.pinged(server, host.id, "ConnectionLost", 10)
    # What never left waits for whoever the machine will be.
    waits = send(server, host, f"echo once >> {later}")
    go.touch()
    until(lambda: "ended" in file.read_text(), 20)
    again(server, host, keep=False)
    unknown(over(server, host, command), host)
    assert over(server, host, waits)["Status"] == "Success"
    assert shell(server, host.id, "echo still").strip() == "still"
    assert file.read_text() == "begun\nended\n" and later.read_text() == "once\n"


def test_its_cancellation_is_no_result(server, host, tmp_path):
    """It had ended by itself, which nobody heard: it was not cancelled, and its exit code is not known."""
    file, go = tmp_path / "ran", tmp_path / "go"
    command = send(server, host, f"echo begun >> {file}; while [ ! -e {go} ]; do sleep 0.05; done; echo ended >> {file}; exit 5")
    under_way(server, host, command, file)
    host.kill()
    agents.pinged(server, host.id, "ConnectionLost", 10)
    go.touch()
    until(lambda: "ended" in file.read_text(), 20)
    server.client("ssm").cancel_command(CommandId=command)
    assert shown(server, host, command)["Status"] == "Cancelling"
    again(server, host, keep=False)
    unknown(over(server, host, command), host)
    assert shell(server, host.id, "echo still").strip() == "still"
    assert file.read_text() == "begun\nended\n"


def test_the_same_machine_tells_how_it_ended(server, host, tmp_path):
    """Shut out while the script runs, and back by a token: it goes on with what it was asked."""
    file, go = tmp_path / "ran", tmp_path / "go"
    command = send(server, host, f"echo begun >> {file}; while [ ! -e {go} ]; do sleep 0.05; done; echo said; exit 5")
    under_way(server, host, command, file)
    revoke(server, host)
    again(server, host)
    host.logged("goes on with what the former identity was asked")
    assert shown(server, host, command)["Status"] == "InProgress"
    go.touch()
    answer = over(server, host, command)
    assert (answer["Status"], answer["ResponseCode"], answer["StandardOutputContent"]) == ("Failed", 5, "said\n"), answer
    assert file.read_text() == "begun\n"


def test_as_another_machine_it_ends_what_runs_first(server, host, tmp_path):
    file = tmp_path / "ran"
    command = send(server, host, f"echo begun >> {file}; while :; do sleep 0.05; done")
    under_way(server, host, command, file)
    revoke(server, host)
    before = host.id
    host.stop()
    host.start(token=agents.token_of(server)["Token"])
    until(lambda: (host.state / "agent.json").exists() and host.id != before, 30, "the new identity")
    # Before it was somebody else, not after.
    [ended] = host.state.glob(f"former-{before}-*/runs/cmd*/step-0/status")
    assert json.loads(ended.read_text())["reason"] == "cancelled"
    assert list(host.state.glob(f"former-{before}-*/journal"))
    agents.pinged(server, host.id, "Online")
    assert not (host.state / "former.json").exists()
    assert shell(server, host.id, "echo still").strip() == "still"


def test_a_journal_that_was_kept_answers(server, host, tmp_path):
    """Only its certificate was lost: what the same journal has is the true result, and there is one."""
    file, go = tmp_path / "ran", tmp_path / "go"
    command = send(server, host, f"echo begun >> {file}; while [ ! -e {go} ]; do sleep 0.05; done; echo said; exit 5")
    under_way(server, host, command, file)
    revoke(server, host)
    name = host.id
    token = agents.token_of(server, InstanceId=name)["Token"]
    host.stop()
    go.touch()
    for lost in ("agent.json", "cert.pem", "key.pem", "ca.pem", "endpoint", "rejected"):
        (host.state / lost).unlink(missing_ok=True)
    host.start(token=token)
    agents.pinged(server, name, "Online")
    answer = over(server, host, command)
    assert (answer["Status"], answer["ResponseCode"], answer["StandardOutputContent"]) == ("Failed", 5, "said\n"), answer
    assert "unknown" not in answer["StandardErrorContent"] and file.read_text() == "begun\n"


def test_an_agent_that_lost_its_journal_runs_nothing_again(server, host, tmp_path):
    """The same enrolment, and an agent that had accepted it and knows nothing of it."""
    file = tmp_path / "ran"
    command = send(server, host, f"echo begun >> {file}; sleep 600")
    under_way(server, host, command, file)
    host.kill()
    shutil.rmtree(host.state / "journal")
    host.start()
    answer = over(server, host, command)
    assert (answer["Status"], answer["ResponseCode"]) == ("Failed", -1), answer
    assert "knows nothing of it any more" in answer["StandardErrorContent"] and "its fate is unknown" in answer["StandardErrorContent"]
    assert shell(server, host.id, "echo still").strip() == "still"
    assert file.read_text() == "begun\n"


def test_a_thaw_waits_for_the_pre_script_of_the_former_enrolment(server, host, tmp_path):
    """It has not frozen yet when its machine comes back: it is still the run's pre-script, and nobody thaws before it has ended."""
    log, go = tmp_path / "log", tmp_path / "go"
    upload_scripts(server, pre=f"#!/bin/sh\necho pre >> {log}\nwhile [ ! -e {go} ]; do sleep 0.05; done\necho frozen >> {log}\nexit 1\n",
                   post=f"#!/bin/sh\necho post >> {log}\n")
    arn = start(server, f"anew-{tmp_path.name[-12:]}", run_input(5, ids=[host.id]))
    until(lambda: log.exists() and log.read_text() == "pre\n", 60, "the pre-script has begun")
    revoke(server, host)
    again(server, host)
    assert shell(server, host.id, "echo still").strip() == "still"
    assert log.read_text() == "pre\n"
    go.touch()
    assert finished(server, arn, 120)["status"] == "FAILED"
    assert "fate is unknown" not in json.dumps(row(server, arn)), row(server, arn)
    assert log.read_text() == "pre\nfrozen\npost\n"


def test_a_run_is_thawed_and_takes_no_backup(server, host, tmp_path):
    log, go = tmp_path / "log", tmp_path / "go"
    upload_scripts(server, pre=f"#!/bin/sh\necho pre >> {log}\nwhile [ ! -e {go} ]; do sleep 0.05; done\n", post=f"#!/bin/sh\necho post >> {log}\n")
    arn = start(server, f"anew-{tmp_path.name[-12:]}", run_input(5, ids=[host.id]))
    until(lambda: log.exists() and log.read_text() == "pre\n", 60, "the pre-script has begun")
    host.kill()
    agents.pinged(server, host.id, "ConnectionLost", 10)
    again(server, host, keep=False)
    assert finished(server, arn, 120)["status"] == "FAILED"
    go.touch()
    lane = statuses(server, arn)[host.id]
    assert "fate is unknown" in json.dumps(row(server, arn)), row(server, arn)
    assert log.read_text() == "pre\npost\n", lane
    assert server.client("backup").list_backup_jobs(ByResourceArn=f"arn:aws:ec2:us-east-1:000000000000:instance/{host.id}")["BackupJobs"] == []


def test_a_backup_is_not_taken_twice(server, host, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    with open(folder / "hole", "wb") as file:
        file.truncate(400 << 30)
    backup = server.client("backup")
    job = backup.start_backup_job(BackupVaultName="Default", ResourceArn=f"arn:aws:ec2:us-east-1:000000000000:instance/{host.id}", IamRoleArn=ROLE,
                                  BackupOptions={"Paths": str(folder)})["BackupJobId"]
    moving(backup, job)
    revoke(server, host)
    again(server, host)
    ended = wait(backup, job)
    assert ended["State"] == "FAILED", ended
    assert ended["StatusMessage"] == f"No backup: {host.id} was enrolled anew after this had been sent to it: its fate is unknown, and it is not done again"
    assert backup.list_recovery_points_by_resource(ResourceArn=ended["ResourceArn"])["RecoveryPoints"] == []
