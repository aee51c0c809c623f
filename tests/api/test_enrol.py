"""Hosts that become agents: tokens, certificates, what is refused and what survives. Real agents as processes of this host."""
import base64
import datetime
import hashlib
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import uuid

import pytest

from tests.support import enrolled_agents as agents
from tests.support.machines import refused
from tests.support.own_model import stillpoint
from tests.support.runs import launch, shell
from tests.support.server import BINARY, Server
from tests.support.until import elapsed, until


@pytest.fixture
def host(server, tmp_path):
    """Makes agents; each ends with the test."""
    made = []

    def make(name="host", **more):
        agent = agents.Agent(tmp_path / name, more.pop("server", server.agents), **more)
        made.append(agent)
        return agent

    yield make
    for agent in made:
        agent.close()


def enrolled(server, host, name="host", **token):
    agent = host(name, token=agents.token_of(server, **token)["Token"]).start()
    agents.pinged(server, agent.id, "Online")
    return agent


def request_body(token, **more):
    return json.dumps({"token": token, "request": agents.certificate_request(), "facts": {"hostname": "by-hand"}, **more}).encode()


def agent_of(server, instance):
    return stillpoint(server).list_agents(InstanceId=instance)["Agents"][0]


# Tokens

def test_a_token_and_what_it_tells(server):
    made = agents.token_of(server, Name="db1", Tags=[{"Key": "role", "Value": "db"}], Uses=3, ExpiresInSeconds=60)
    token_id, secret, pin = made["Token"].split(".")
    assert token_id == made["TokenId"] and len(secret) == 64
    authority = (server.data / "ca" / "ca.pem").read_text()
    key = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=authority, capture_output=True, text=True, check=True).stdout
    der = base64.b64decode("".join(line for line in key.splitlines() if "-----" not in line))
    assert pin == made["AuthorityKeySha256"] == hashlib.sha256(der).hexdigest()
    assert made["AgentsEndpoint"] == server.agents
    listed = {one["TokenId"]: one for one in stillpoint(server).list_enrolment_tokens()["Tokens"]}[token_id]
    assert (listed["Name"], listed["Tags"], listed["Uses"], listed["Used"], listed["Usable"]) == ("db1", {"role": "db"}, 3, 0, True)
    assert "Token" not in listed
    stored = b"".join(path.read_bytes() for path in server.data.glob("store.db*"))
    assert token_id.encode() in stored and secret.encode() not in stored


def test_token_refusals(server):
    client = stillpoint(server)
    for wrong in ({"Uses": 0}, {"Uses": 1001}, {"ExpiresInSeconds": 0}, {"ExpiresInSeconds": 2592001}, {"Name": "x" * 257},
                  {"Tags": [{"Key": "aws:x", "Value": "y"}]}, {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
                  {"Tags": [{"Key": "", "Value": "1"}]}):
        refused("ValidationException", client.create_enrolment_token, **wrong)
    refused("ResourceNotFoundException", client.create_enrolment_token, InstanceId="i-0123456789abcdef0")
    refused("ResourceNotFoundException", client.delete_enrolment_token, TokenId="et-000000000000")
    refused("ValidationException", client.delete_enrolment_token)


def test_the_verbs(server, host):
    made = server.cli(["enrol", "--name", "web1", "--tag", "role=web", "--expires", "2h", "--uses", "2"])
    token = made.stdout.strip()
    assert "stillpoint agent --server" in made.stderr and token not in made.stderr
    agent = host("verbs", token=token).start()
    machine = server.client("ec2").describe_instances(InstanceIds=[agent.id])["Reservations"][0]["Instances"][0]
    assert {tag["Key"]: tag["Value"] for tag in machine["Tags"]} == {"Name": "web1", "role": "web"}
    token_id = token.split(".")[0]
    assert f"{token_id}  usable  used 1 of 2" in server.cli(["enrol", "list"]).stdout
    server.cli(["enrol", "revoke", token_id])
    assert token_id not in server.cli(["enrol", "list"]).stdout
    as_json = json.loads(server.cli(["enrol", "--json", "--instance", agent.id]).stdout)
    assert as_json["InstanceId"] == agent.id and as_json["Uses"] == 1
    for wrong in ("soon", "5", "0m", "-5s"):
        refused = server.cli(["enrol", "--expires", wrong], check=False)
        assert refused.returncode == 2 and f"'{wrong}'" in refused.stderr and "s, m, h or d" in refused.stderr, refused.stderr
    assert server.cli(["enrol", "revoke", "et-000000000000"], check=False).returncode == 1
    assert server.cli(["instance", "revoke", agent.id]).returncode == 0
    agent.logged("the server refuses this agent")


# Enrolling

def test_a_host_enrols_and_runs_scripts(server, host):
    agent = enrolled(server, host, "first", Name="first", Tags=[{"Key": "role", "Value": "enrolled"}])
    assert shell(server, agent.id, "echo hello from $AWS_SSM_INSTANCE_ID").strip() == f"hello from {agent.id}"
    assert stat.S_IMODE((agent.state / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(agent.state.stat().st_mode) == 0o700
    machine = server.client("ec2").describe_instances(InstanceIds=[agent.id])["Reservations"][0]["Instances"][0]
    assert machine["State"]["Name"] == "running"
    # Its key stays with it, and the token is nowhere.
    key = (agent.state / "key.pem").read_text()
    stored = b"".join(path.read_bytes() for path in server.data.glob("store.db*"))
    assert key.splitlines()[1].encode() not in stored
    secret = agent.token.split(".")[1]
    assert secret not in agent.log() + server.log()
    assert not any(secret.encode() in path.read_bytes() for path in agent.state.rglob("*") if path.is_file())


def test_the_token_does_not_reach_scripts(server, host):
    agent = enrolled(server, host)
    assert "STILLPOINT_ENROL_TOKEN" not in shell(server, agent.id, "env; cat /proc/$PPID/environ 2>/dev/null | tr '\\0' '\\n'")


def test_enrolled_once_for_all(server, host):
    agent = enrolled(server, host)
    first = agent.id
    agent.stop()
    agent.start(token=agents.token_of(server)["Token"])
    agents.pinged(server, first, "Online")
    assert agent.id == first
    agent.logged("already enrolled")
    agent.stop()
    agent.server = "192.0.2.1:4749"
    assert agent.start().wait() == 1
    assert "another --state-dir" in agent.log()
    agent.server = None
    agent.start()
    agents.pinged(server, first, "Online")


def test_a_token_is_used_once(server, host):
    token = agents.token_of(server)["Token"]
    host("one", token=token).start().id  # noqa: B018
    second = host("two", token=token)
    assert second.start().wait() == 5
    assert "was used by 1 of 1 machines" in second.log()
    assert not (second.state / "agent.json").exists()


def test_a_token_of_several_uses(server, host):
    made = agents.token_of(server, Uses=2)
    ids = {host(f"many-{i}", token=made["Token"]).start().id for i in range(2)}
    assert len(ids) == 2
    listed = {one["TokenId"]: one for one in stillpoint(server).list_enrolment_tokens()["Tokens"]}[made["TokenId"]]
    assert listed["Used"] == 2 and not listed["Usable"]


def test_expired_revoked_and_wrong_tokens(server):
    status, answer, _ = agents.post(server, "/enrol", request_body(agents.token_of(server, ExpiresInSeconds=1)["Token"] + "x"), method="POST")
    short = agents.token_of(server, ExpiresInSeconds=1)
    until(lambda: not {one["TokenId"]: one for one in stillpoint(server).list_enrolment_tokens()["Tokens"]}[short["TokenId"]]["Usable"], 10)
    status, answer, _ = agents.post(server, "/enrol", request_body(short["Token"]))
    assert (status, answer["error"]) == (403, "token_spent") and "expired at" in answer["message"]
    gone = agents.token_of(server)
    stillpoint(server).delete_enrolment_token(TokenId=gone["TokenId"])
    status, answer, _ = agents.post(server, "/enrol", request_body(gone["Token"]))
    assert (status, answer["error"]) == (403, "token_invalid")
    good = agents.token_of(server)["Token"].split(".")
    status, answer, _ = agents.post(server, "/enrol", request_body(".".join([good[0], "0" * 64, good[2]])))
    assert (status, answer["error"]) == (403, "token_invalid")


def test_the_same_key_and_token_get_the_same_certificate(server):
    body = request_body(agents.token_of(server)["Token"])
    first = agents.post(server, "/enrol", body)
    assert first[0] == 200, first
    assert agents.post(server, "/enrol", body)[1] == first[1]
    # Another key is another machine, and there is no second use.
    status, answer, _ = agents.post(server, "/enrol", request_body(json.loads(body)["token"]))
    assert (status, answer["error"]) == (403, "token_spent")


def test_a_lost_answer_after_a_kill_of_the_server(fresh_server):
    body = request_body(agents.token_of(fresh_server)["Token"])
    first = agents.post(fresh_server, "/enrol", body)
    fresh_server.kill()
    fresh_server.start()
    assert agents.post(fresh_server, "/enrol", body)[1] == first[1]


def test_an_agent_killed_before_it_knew(server, host):
    """The server has enrolled it, and it died before that was on its disk: with the same token it becomes the same machine."""
    agent = enrolled(server, host, "killed-early")
    first = agent.id
    agent.kill()
    for name in ("agent.json", "cert.pem", "endpoint"):
        (agent.state / name).unlink()
    agent.start()
    agents.pinged(server, first, "Online")
    assert agent.id == first


def test_another_server_gets_nothing(server, fresh_server, host):
    impostor = host("misled", server=fresh_server.agents, token=agents.token_of(server)["Token"])
    assert impostor.start().wait() == 5
    assert "is not the server that the token is of" in impostor.log() and "Nothing was sent to it" in impostor.log()
    assert not (impostor.state / "key.pem").exists()
    assert stillpoint(fresh_server).list_agents()["Agents"] == []


def test_what_a_stranger_may_do(server):
    for path in ("/vault/x/y/config", "/commands/c/source/k", "/renew"):
        status, answer, _ = agents.post(server, path)
        assert (status, answer["error"]) == (401, "no_certificate"), path
    assert agents.post(server, "/enrol", method="GET")[0] == 405
    assert agents.post(server, "/enrol", b"x" * 20000)[0] == 413
    for body in (b"", b"[]", b"{", b'{"token":"x"}', json.dumps({"token": "x", "request": "no pem"}).encode(),
                 json.dumps({"token": "x", "request": agents.certificate_request("secp384r1")}).encode()):
        status, answer, headers = agents.post(server, "/enrol", body)
        assert (status, answer["error"]) == (400, "request"), body


def test_a_forged_request_is_refused(fresh_server):
    body = json.loads(request_body(agents.token_of(fresh_server)["Token"]))
    lines = body["request"].splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[-3] ^= 1
    body["request"] = "\n".join([lines[0], base64.b64encode(bytes(der)).decode(), lines[-1]])
    status, answer, _ = agents.post(fresh_server, "/enrol", json.dumps(body).encode())
    assert status == 400 and "not signed by its own key" in answer["message"]


def test_guessing_is_slowed_down(fresh_server):
    good = agents.token_of(fresh_server)["Token"]
    wrong = request_body("et-000000000000." + "0" * 64 + "." + good.split(".")[2])
    statuses = [agents.post(fresh_server, "/enrol", wrong)[0] for _ in range(12)]
    assert statuses[:10] == [403] * 10 and statuses[10:] == [429] * 2
    status, answer, headers = agents.post(fresh_server, "/enrol", request_body(good))
    assert status == 429 and answer["error"] == "too_many_attempts" and int(headers["Retry-After"]) > 0


def test_enrolling_a_machine_that_is_known(server, host):
    agent = enrolled(server, host, "known", Name="known")
    again = agents.token_of(server, InstanceId=agent.id)["Token"]
    successor = host("known-again", token=again).start()
    assert successor.id == agent.id
    agent.logged("the server refuses this agent")
    assert "superseded" in agent.log()
    agents.pinged(server, agent.id, "Online")
    assert shell(server, agent.id, "echo still").strip() == "still"
    assert agents.post(server, "/renew", state=agent.state)[1]["error"] == "superseded"
    refused("ValidationException", stillpoint(server).create_enrolment_token, InstanceId=agent.id, Uses=2)
    refused("ValidationException", stillpoint(server).create_enrolment_token, InstanceId=agent.id, Name="x")


def test_it_waits_for_a_server_that_is_away(fresh_server, host):
    token = agents.token_of(fresh_server)["Token"]
    fresh_server.stop()
    agent = host("early", server=fresh_server.agents, token=token).start()
    agent.logged("not enrolled yet")
    fresh_server.start()
    agents.pinged(fresh_server, agent.id, "Online")


def test_a_token_that_is_cut(server, host):
    agent = host("cut", token="et-0123.abc")
    assert agent.start().wait() == 5
    assert "cut short" in agent.log()


def test_no_token_no_agent(server, host):
    agent = host("none")
    assert agent.start().wait() == 1
    assert "stillpoint enrol" in agent.log()


def test_the_token_from_a_file(server, host):
    agent = host("file")
    file = agent.folder / "token"
    file.write_text(agents.token_of(server)["Token"] + "\n")
    agent.start("--token-file", str(file))
    agents.pinged(server, agent.id, "Online")
    first = agent.id
    file.unlink()
    agent.stop()
    agent.start("--token-file", str(file))
    agents.pinged(server, first, "Online")


# Being shut out

def test_revoking_cuts_off_at_once(server, host):
    agent = enrolled(server, host, "revoked")
    command = server.client("ssm").send_command(InstanceIds=[agent.id], DocumentName="AWS-RunShellScript", Parameters={"commands": ["sleep 600"]})
    until(lambda: server.client("ssm").list_command_invocations(CommandId=command["Command"]["CommandId"])["CommandInvocations"][0]["Status"] == "InProgress")
    stillpoint(server).revoke_agent(InstanceId=agent.id)
    agents.pinged(server, agent.id, "ConnectionLost", 5)
    agent.logged("the server refuses this agent")
    assert agent.log().count("the server refuses this agent") == 1
    assert agent_of(server, agent.id)["Status"] == "Revoked"
    assert stillpoint(server).list_instances(InstanceId=agent.id)["Instances"][0]["Agent"] == "Revoked"
    assert "Revoked" in next(line for line in server.cli(["instance", "list"]).stdout.splitlines() if agent.id in line)
    # Who waits for what its script prints is told that nothing may come.
    told = tail_says(server, command["Command"]["CommandId"])
    assert f"the agent of {agent.id} is revoked" in told, told
    for path in ("/renew", "/commands/c/source/k"):
        assert agents.post(server, path, state=agent.state)[:2][1]["error"] == "revoked"
    line = agents.Line(server, agent.state)
    line.say({"type": "hello", "agent": agent.id})
    assert line.hear()["code"] == "revoked"
    assert line.hear() is None
    line.close()
    # Again is no error, and it holds over a restart of the server.
    stillpoint(server).revoke_agent(InstanceId=agent.id)
    server.restart()
    assert agents.post(server, "/renew", state=agent.state)[1]["error"] == "revoked"


def tail_says(server, command):
    """The first line that tail says on standard error while it waits."""
    with subprocess.Popen([BINARY, "tail", command, "--data-dir", str(server.data)], stderr=subprocess.PIPE, text=True) as waiting:
        said = waiting.stderr.readline()
        waiting.kill()
    return said


def test_tail_tells_that_the_agent_is_away(server, host):
    agent = enrolled(server, host, "away")
    agent.stop()
    agents.pinged(server, agent.id, "ConnectionLost", 10)
    command = server.client("ssm").send_command(InstanceIds=[agent.id], DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]})["Command"]["CommandId"]
    assert f"the agent of {agent.id} is not connected: this waits" in tail_says(server, command)
    agent.start()
    done = server.cli(["tail", command])
    assert done.returncode == 0 and "not connected" not in server.cli(["tail", command]).stderr


def test_tail_tells_when_the_agent_goes_away_and_comes_back(server, host):
    agent = enrolled(server, host, "comes-and-goes")
    command = server.client("ssm").send_command(InstanceIds=[agent.id], DocumentName="AWS-RunShellScript",
                                                Parameters={"commands": ["printf began", f"until [ -e {agent.folder}/go ]; do sleep 0.1; done", "exit 7"]})["Command"]["CommandId"]
    with subprocess.Popen([BINARY, "tail", command, "--data-dir", str(server.data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout.read(5) == "began"
        agent.stop()
        assert f"the agent of {agent.id} is not connected: this waits until it is" in waiting.stderr.readline()
        agent.start()
        assert f"the agent of {agent.id} is connected again" in waiting.stderr.readline()
        (agent.folder / "go").touch()
        assert "Failed on" in waiting.stderr.readline() and waiting.wait(60) == 7


def test_back_by_a_new_token(server, host):
    agent = enrolled(server, host, "back")
    stillpoint(server).revoke_agent(InstanceId=agent.id)
    agent.logged("the server refuses this agent")
    before = agent.id
    agent.stop()
    agent.start(token=agents.token_of(server, InstanceId=before)["Token"])
    agents.pinged(server, before, "Online")
    assert agent.id == before
    agent.logged("set aside")


def test_revoke_refusals(server):
    refused("ResourceNotFoundException", stillpoint(server).revoke_agent, InstanceId="i-0123456789abcdef0")
    refused("ValidationException", stillpoint(server).revoke_agent)
    refused("ResourceNotFoundException", stillpoint(server).list_agents, InstanceId="i-0123456789abcdef0")


def test_a_terminated_host_is_shut_out(server, host):
    agent = enrolled(server, host, "ended")
    server.client("ec2").terminate_instances(InstanceIds=[agent.id])
    agent.logged("unknown_agent")
    assert agent.id not in agents.pings(server)
    assert agents.post(server, "/renew", state=agent.state)[1]["error"] == "unknown_agent"
    # The host itself is as it was.
    assert agent.process.poll() is None


def test_a_host_without_power_driver(server, host):
    agent = enrolled(server, host, "powerless")
    ec2 = server.client("ec2")
    for call in (ec2.stop_instances, ec2.start_instances, ec2.reboot_instances):
        refused("UnsupportedOperation", call, InstanceIds=[agent.id])
    assert agents.pings(server)[agent.id] == "Online"


def test_a_demo_machine_can_be_revoked(fresh_server):
    machine = launch(fresh_server, 1)[0]
    agents.pinged(fresh_server, machine, "Online", 60)
    stillpoint(fresh_server).revoke_agent(InstanceId=machine)
    agents.pinged(fresh_server, machine, "ConnectionLost", 10)
    fresh_server.restart()
    assert agents.pings(fresh_server)[machine] == "ConnectionLost"


# Certificates

@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """Its agents' certificates last seconds."""
    folder = tmp_path_factory.mktemp("hasty")
    (folder / "config.toml").write_text("[agents]\ncertificate_seconds = 6\n")
    running = Server(folder, args=["--config", str(folder / "config.toml")]).start()
    if os.environ.get("STILLPOINT_DUMMY"):
        yield running
        return
    yield running
    running.close()


def expiry(agent):
    return subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", str(agent.state / "cert.pem")], capture_output=True, text=True, check=True).stdout


def test_certificates_are_renewed(hasty, host):
    agent = host("hasty", server=hasty.agents, token=agents.token_of(hasty)["Token"]).start()
    agents.pinged(hasty, agent.id, "Online")
    certificate = (agent.state / "cert.pem").read_text()
    key = (agent.state / "key.pem").read_text()
    for _ in range(2):
        until(lambda: (agent.state / "cert.pem").read_text() != certificate, 20, "a new certificate")
        certificate = (agent.state / "cert.pem").read_text()
    assert (agent.state / "key.pem").read_text() == key
    assert "server lost" not in agent.log()
    agent.stop()
    agent.start()
    agents.pinged(hasty, agent.id, "Online")


def test_an_expired_certificate_renews_and_nothing_else(hasty, host):
    agent = host("sleepy", server=hasty.agents, token=agents.token_of(hasty)["Token"]).start()
    agents.pinged(hasty, agent.id, "Online")
    agent.kill()
    status = until(lambda: (lambda answer: answer if answer[0] == 403 else None)(agents.post(hasty, "/commands/c/source/k", state=agent.state)), 20)
    assert status[1]["error"] == "certificate_expired"
    line = agents.Line(hasty, agent.state)
    line.say({"type": "hello", "agent": agent.id})
    assert line.hear()["code"] == "certificate_expired"
    line.close()
    agent.start()
    agents.pinged(hasty, agent.id, "Online")
    assert "certificate renewed" in agent.log()


def test_a_revoked_certificate_is_not_renewed(hasty, host):
    agent = host("barred", server=hasty.agents, token=agents.token_of(hasty)["Token"]).start()
    agents.pinged(hasty, agent.id, "Online")
    agent.kill()
    stillpoint(hasty).revoke_agent(InstanceId=agent.id)
    until(lambda: agents.post(hasty, "/renew", state=agent.state)[1]["error"] == "revoked", 10)
    agent.start()
    agent.logged("the server refuses this agent")


def test_the_servers_own_agents_renew(hasty):
    own = hasty.data / "host-agent" / "cert.pem"
    before = own.read_text()
    until(lambda: own.read_text() != before, 20, "the host agent's new certificate")
    machine = launch(hasty, 1)[0]
    agents.pinged(hasty, machine, "Online", 60)
    inside = hasty.data / "machines" / machine / "root" / "var" / "lib" / "stillpoint-agent" / "cert.pem"
    first = inside.read_text()
    until(lambda: inside.read_text() != first, 20, "the machine's new certificate")
    assert shell(hasty, machine, "echo on").strip() == "on"


# Copies, doubles, versions

def test_a_copy_on_other_hardware_does_nothing(server, host, tmp_path):
    agent = enrolled(server, host, "original")
    agent.stop()
    copy = host("copy", hardware="other hardware")
    subprocess.run(["cp", "-a", str(agent.state), str(copy.folder)], check=True)
    assert copy.start().wait() == 4
    assert "a copy of that machine, which does nothing" in copy.log()
    # A new token makes it a machine of its own, with nothing of what the other was asked.
    copy.start(token=agents.token_of(server)["Token"])
    until(lambda: json.loads((copy.state / "agent.json").read_text())["agent"] != agent.id if (copy.state / "agent.json").exists() else None)
    assert list(copy.state.glob("former-*/journal"))
    agents.pinged(server, copy.id, "Online")
    agent.start()
    agents.pinged(server, agent.id, "Online")


def test_a_copy_that_cannot_tell_its_hardware_does_nothing(server, host):
    agent = enrolled(server, host, "told")
    agent.stop()
    copy = host("untold")
    subprocess.run(["cp", "-a", str(agent.state), str(copy.folder)], check=True)
    copy.hardware_file.unlink()
    assert copy.start().wait() == 1
    assert str(copy.hardware_file) in copy.log() and "--machine-id-file" in copy.log()
    copy.hardware_file.write_text("\n")
    assert copy.start().wait() == 1
    assert "is empty" in copy.log()
    # Without the flag it is the name of this host's own hardware, if there is one: not the bound one.
    bare = subprocess.run([BINARY, "agent", "--state-dir", str(copy.state)], capture_output=True, text=True, timeout=20)
    assert bare.returncode == 4 and "does nothing" in bare.stderr, bare
    agent.start()
    agents.pinged(server, agent.id, "Online")


def test_the_server_knows_a_copy_too(server, host):
    agent = enrolled(server, host, "genuine")
    agent.stop()
    line = agents.Line(server, agent.state)
    line.say({"type": "hello", "agent": agent.id, "machine": "0" * 64})
    answer = line.hear()
    assert answer["code"] == "cloned_machine" and f"--instance {agent.id}" in answer["message"]
    line.close()
    # One that names no hardware may be a copy as well.
    for nothing in ({}, {"machine": ""}):
        line = agents.Line(server, agent.state)
        line.say({"type": "hello", "agent": agent.id, **nothing})
        answer = line.hear()
        assert answer["code"] == "cloned_machine" and "cannot tell the name of the hardware" in answer["message"], answer
        line.close()
    agent.start()
    agents.pinged(server, agent.id, "Online")


def test_a_second_agent_does_not_knock_out_the_first(server, host):
    agent = enrolled(server, host, "real")
    double = host("double")
    subprocess.run(["cp", "-a", str(agent.state), str(double.folder)], check=True)
    double.start()
    double.logged("the server refuses this agent")
    assert "duplicate_agent" in double.log()
    assert shell(server, agent.id, "echo undisturbed").strip() == "undisturbed"
    assert "server lost" not in agent.log()


def test_a_killed_agent_comes_back(server, host):
    agent = enrolled(server, host, "killed")
    agent.kill()
    agent.start()
    agents.pinged(server, agent.id, "Online")
    assert shell(server, agent.id, "echo back").strip() == "back"


def test_a_dead_agents_place_is_taken(server, host):
    """The first one is stopped, not dead: the kernel keeps its connection, and only a probe tells."""
    agent = enrolled(server, host, "frozen")
    agent.process.send_signal(signal.SIGSTOP)
    double = host("successor")
    subprocess.run(["cp", "-a", str(agent.state), str(double.folder)], check=True)
    double.start()
    double.logged("connected", 20)
    assert shell(server, agent.id, "echo taken").strip() == "taken"
    agent.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("range_,code", [({"least": 0, "most": 0}, "protocol_too_old"), ({"least": 99, "most": 100}, "protocol_too_new")])
def test_protocol_versions(server, host, range_, code):
    agent = enrolled(server, host, code)
    agent.stop()
    line = agents.Line(server, agent.state)
    line.say({"type": "hello", "agent": agent.id, "machine": agent.hardware, "protocol": range_})
    answer = line.hear()
    assert answer["type"] == "rejected" and answer["code"] == code and "upgrade" in answer["message"]
    line.close()


def test_the_protocol_is_agreed_on(server, host):
    agent = enrolled(server, host, "agreed")
    agent.stop()
    line = agents.Line(server, agent.state)
    line.say({"type": "hello", "agent": agent.id, "machine": agent.hardware, "protocol": {"least": 1, "most": 1}})
    assert line.hear()["protocol"] == 1
    line.close()


def test_another_agents_name(server, host):
    agent, other = enrolled(server, host, "a"), enrolled(server, host, "b")
    agent.stop()
    line = agents.Line(server, agent.state)
    line.say({"type": "hello", "agent": other.id})
    assert line.hear() is None
    line.close()
    assert agents.pings(server)[other.id] == "Online"


def test_a_line_without_certificate(server, host):
    agent = enrolled(server, host, "bare")
    line = agents.Line(server, agent.state, certificate=False)
    assert line.hear()["code"] == "no_certificate"
    assert line.hear() is None
    line.close()


# What is known of an agent

def test_when_an_agent_was_last_heard(server, host):
    """One that hangs is connected until a minute of silence is over; what is told of it is when it spoke, not when it was asked for."""
    agent = enrolled(server, host, "hangs")
    agent.process.send_signal(signal.SIGSTOP)
    stopped = time.time()

    def heard():
        shown = server.client("ssm").describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [agent.id]}])["InstanceInformationList"][0]
        seen = datetime.datetime.fromisoformat(agent_of(server, agent.id)["LastSeenTime"].replace("Z", "+00:00"))
        assert abs(seen - shown["LastPingDateTime"]).total_seconds() < 0.5
        return shown["PingStatus"], shown["LastPingDateTime"].timestamp()

    until(elapsed(3))
    status, first = heard()
    assert status == "Online" and first < stopped + 1
    # Its connection ends with it: what is kept is when it spoke.
    agent.kill()
    agents.pinged(server, agent.id, "ConnectionLost")
    assert heard()[1] < stopped + 1


def test_what_the_agent_tells(server, host):
    agent = enrolled(server, host, "telling", Name="telling")
    shown = agent_of(server, agent.id)
    assert shown["Status"] == "Online" and shown["ProtocolVersion"] >= 2 and shown["HardwareBound"]
    assert shown["BootId"] == open("/proc/sys/kernel/random/boot_id").read().strip()
    assert abs(shown["ClockOffsetSeconds"]) < 10
    assert shown["IPAddress"] == "127.0.0.1" and shown["ComputerName"]
    assert shown["TokenId"] == agent.token.split(".")[0]
    agent.stop()
    until(lambda: agent_of(server, agent.id)["Status"] == "ConnectionLost")


def test_a_clock_that_is_off(server, host):
    agent = enrolled(server, host, "clock")
    agent.stop()
    line = agents.Line(server, agent.state)
    line.say({"type": "hello", "agent": agent.id, "machine": agent.hardware, "clock": 1_000_000})
    assert line.hear()["type"] == "welcome"
    until(lambda: agent_of(server, agent.id)["ClockOffsetSeconds"] < -1e9)
    assert "clock is off" in server.log()
    line.say({"type": "clock", "clock": int((time.time() + 7200) * 1e6)})
    until(lambda: 7100 < agent_of(server, agent.id)["ClockOffsetSeconds"] < 7300)
    line.close()


def test_all_agents_at_once(server, host):
    agent = enrolled(server, host, f"one-{uuid.uuid4()}")
    assert agent.id in {one["InstanceId"] for one in stillpoint(server).list_agents()["Agents"]}


# Scripts as other users

@pytest.fixture
def open_folder():
    """A folder that every user may walk through."""
    folder = tempfile.mkdtemp(dir="/var/tmp")
    os.chmod(folder, 0o755)
    yield pathlib.Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


def as_user(server, instance, script, user=None, document="AWS-RunShellScript", **more):
    ssm = server.client("ssm")
    parameters = {"commands": [script]} if document == "AWS-RunShellScript" else {}
    command = ssm.send_command(InstanceIds=[instance], DocumentName=document, Parameters={
        **parameters, **({"runAsUser": [user]} if user else {}), **more})["Command"]["CommandId"]

    def over():
        found = ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]
        return found[0] if found and found[0]["Status"] not in ("Pending", "InProgress") else None
    found = until(over, 30)
    return {**found["CommandPlugins"][-1], "Details": found["StatusDetails"]}


@pytest.fixture
def run_as(server, open_folder):
    made = []

    def start(*flags):
        agent = agents.Agent(open_folder / "host", server.agents, agents.token_of(server)["Token"])
        made.append(agent)
        agent.start(*flags)
        agents.pinged(server, agent.id, "Online")
        return agent

    yield start
    for agent in made:
        agent.close()


def test_a_script_as_another_user(server, run_as):
    agent = run_as()
    told = as_user(server, agent.id, "id -un; echo $HOME $USER; id -G | wc -w; cat /etc/shadow", "nobody")
    assert told["Status"] == "Failed" and told["Output"].startswith("nobody\n/nonexistent nobody\n1\n"), told
    assert "Permission denied" in told["Output"]
    assert as_user(server, agent.id, "#!/bin/bash\nid -un; exit 7", "nobody")["ResponseCode"] == 7
    assert as_user(server, agent.id, "id -un")["Output"].strip() == "root"
    missing = as_user(server, agent.id, "true", "no-such-user")
    assert missing["Status"] == "Failed" and "no user no-such-user" in missing["Output"]
    # What the agent keeps is closed to the user.
    told = as_user(server, agent.id, f"cat {agent.state}/key.pem {agent.state}/agent.json; ls {agent.state}-users", "nobody")
    assert told["Output"].count("Permission denied") == 3, told


def test_a_list_of_users(server, run_as):
    agent = run_as("--run-as", "nobody", "--run-as", "daemon")
    assert as_user(server, agent.id, "id -un")["Output"].strip() == "nobody"
    assert as_user(server, agent.id, "id -un", "daemon")["Output"].strip() == "daemon"
    refused_ = as_user(server, agent.id, "touch /var/tmp/never", "root")
    assert (refused_["Status"], refused_["Details"]) == ("Failed", "AccessDenied") and "may run as nobody, daemon on this machine, not as 'root'" in refused_["Output"]


def test_a_list_in_the_agents_file(server, run_as):
    agent = run_as()
    agent.stop()
    file = agent.state / "agent.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "runAs": ["daemon"]}))
    agent.start()
    agents.pinged(server, agent.id, "Online")
    assert as_user(server, agent.id, "id -un")["Output"].strip() == "daemon"


def test_a_remote_script_as_another_user(server, run_as):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="run-as")
    s3.put_object(Bucket="run-as", Key="dir/one.sh", Body=b"#!/bin/sh\nid -un\n. ./two.sh\npwd\n")
    s3.put_object(Bucket="run-as", Key="dir/two.sh", Body=b"echo two\n")
    agent = run_as()
    told = as_user(server, agent.id, "", "nobody", "AWS-RunRemoteScript", sourceType=["S3"], sourceInfo=[json.dumps({"path": "s3://run-as/dir/"})],
                   commandLine=["one.sh"])
    assert told["Status"] == "Success" and told["Output"].splitlines()[:2] == ["nobody", "two"], told


def test_an_agent_of_an_ordinary_user(server, open_folder):
    agent = agents.Agent(open_folder / "plain", server.agents, agents.token_of(server)["Token"])
    shutil.chown(agent.folder, "daemon")
    try:
        agent.start(user="daemon")
        agents.pinged(server, agent.id, "Online")
        assert as_user(server, agent.id, "id -un")["Output"].strip() == "daemon"
        told = as_user(server, agent.id, "true", "nobody")
        assert told["Status"] == "Failed" and "runs as daemon, not as root" in told["Output"]
    finally:
        agent.close()
