"""Parameter Store by boto3 and the CLI, and "{{ssm:NAME}}" in documents and commands."""
import subprocess

import pytest

from tests.api.test_ssm import SHELL, ended, refused
from tests.api.test_ssm_documents import content, fresh, script
from tests.support.runs import launch
from tests.support.server import BINARY, Server


@pytest.fixture(scope="module")
def machine(server):
    return launch(server, 1, tags={"role": "parameters"})[0]


def put(server, name, value, **more):
    return server.client("ssm").put_parameter(**{"Name": name, "Value": value, "Type": "String", **more})


def test_put_and_get(server):
    ssm = server.client("ssm")
    assert put(server, "plain", "one", Description="A word")["Version"] == 1
    assert ssm.put_parameter(Name="plain", Value="two", Overwrite=True)["Version"] == 2
    found = ssm.get_parameter(Name="plain")["Parameter"]
    assert (found["Name"], found["Value"], found["Type"], found["Version"], found["DataType"]) == ("plain", "two", "String", 2, "text")
    assert found["ARN"] == "arn:aws:ssm:us-east-1:000000000000:parameter/plain"
    first = ssm.get_parameter(Name="plain:1")["Parameter"]
    assert (first["Value"], first["Selector"]) == ("one", ":1")
    assert ssm.get_parameter(Name=found["ARN"])["Parameter"] == found
    put(server, "/app/db/host", "h")
    deep = ssm.get_parameter(Name="/app/db/host")["Parameter"]
    assert deep["ARN"] == "arn:aws:ssm:us-east-1:000000000000:parameter/app/db/host"
    assert ssm.get_parameter(Name=deep["ARN"])["Parameter"] == deep
    assert put(server, "large", "x" * 5000, Tier="Intelligent-Tiering")["Tier"] == "Advanced"
    server.kill()
    server.start()
    assert server.client("ssm").get_parameter(Name="plain")["Parameter"] == found


def holds(path, word):
    """False of a file that its owner, such as the host's agent, has taken away meanwhile."""
    try:
        return word in path.read_bytes()
    except FileNotFoundError:
        return False


def test_secure_strings(server):
    """Shown with WithDecryption alone, nowhere in the store's files, and nowhere in what a command or a document keeps."""
    ssm, word = server.client("ssm"), "pencil-7f3a-neverwritten"
    assert put(server, "/secret/db", word, Type="SecureString", AllowedPattern="pencil.*", KeyId="alias/aws/ssm")["Version"] == 1
    put(server, "/secret/plain", "p")
    hidden = ssm.get_parameter(Name="/secret/db")["Parameter"]
    assert (hidden["Type"], hidden["Version"]) == ("SecureString", 1) and word not in hidden["Value"]
    assert ssm.get_parameter(Name="/secret/db", WithDecryption=True)["Parameter"] == {**hidden, "Value": word}
    refused("ParameterPatternMismatchException", ssm.put_parameter, Name="/secret/db", Value="pen", Overwrite=True)
    assert ssm.put_parameter(Name="/secret/db", Value=word + "2", Overwrite=True)["Version"] == 2
    assert [p["Value"] for p in ssm.get_parameters(Names=["/secret/db", "/secret/db:1", "/secret/plain"], WithDecryption=True)["Parameters"]] == [word + "2", word, "p"]
    assert [p["Value"] for p in ssm.get_parameters_by_path(Path="/secret", WithDecryption=True)["Parameters"]] == [word + "2", "p"]
    only = ssm.get_parameters_by_path(Path="/secret", ParameterFilters=[{"Key": "Type", "Values": ["SecureString"]}])["Parameters"]
    assert [p["Name"] for p in only] == ["/secret/db"] and word not in only[0]["Value"]
    refused("InvalidParameters", ssm.send_command, DocumentName=SHELL, Parameters={"commands": ["echo {{ssm:/secret/db}}"]}, Targets=[{"Key": "tag:x", "Values": ["y"]}])
    server.kill()
    files = [path for path in server.data.rglob("*") if path.is_file() and "machines" not in path.parts]
    assert server.data / "secrets.key" in files and not [path for path in files if holds(path, word.encode())]
    assert (server.data / "secrets.key").stat().st_mode & 0o777 == 0o600
    server.start()
    assert server.client("ssm").get_parameter(Name="/secret/db:1", WithDecryption=True)["Parameter"]["Value"] == word


def test_secure_strings_without_their_key(tmp_path):
    """Another key opens none of them, and says what to do; a file that is no key lets the server not start."""
    server = Server(tmp_path / "server")
    server.directory.mkdir()
    server.start()
    try:
        put(server, "s", "hidden", Type="SecureString")
        server.stop()
        key = server.data / "secrets.key"
        kept = key.read_text()
        key.unlink()
        server.start()
        said = refused("InternalServerError", server.client("ssm", retries={"max_attempts": 0}).get_parameter, Name="s", WithDecryption=True)
        assert "secrets.key" in said
        server.stop()
        key.write_text("no key\n")
        failed = subprocess.run([BINARY, "serve", "--data-dir", str(server.data), "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0"],
                                capture_output=True, text=True, timeout=30, check=False)
        assert failed.returncode != 0 and "secrets.key" in failed.stderr, failed.stderr
        key.write_text(kept)
        server.start()
        assert server.client("ssm").get_parameter(Name="s", WithDecryption=True)["Parameter"]["Value"] == "hidden"
    finally:
        server.close()


@pytest.mark.parametrize("code, change", [
    ("ParameterAlreadyExists", {"Name": "Taken"}), ("ValidationException", {"Name": "aws-x"}), ("ValidationException", {"Name": "/ssm/x"}),
    ("ValidationException", {"Name": "a/b"}), ("ValidationException", {"Name": "a b"}), ("ValidationException", {"Type": None}),
    ("HierarchyLevelLimitExceededException", {"Name": "/a" * 16}), ("InvalidKeyId", {"Type": "SecureString", "KeyId": "alias/mine"}),
    ("ValidationException", {"KeyId": "alias/aws/ssm"}), ("ValidationException", {"Type": "Secret"}),
    ("HierarchyTypeMismatchException", {"Name": "Taken", "Type": "StringList", "Overwrite": True}), ("ValidationException", {"Value": "x" * 4097}),
    ("ValidationException", {"Value": "{{ssm:other}}"}), ("ParameterPatternMismatchException", {"AllowedPattern": "[0-9]+"}),
    ("InvalidAllowedPatternException", {"AllowedPattern": "("}), ("InvalidPolicyTypeException", {"Policies": "[]"}),
    ("TooManyTagsError", {"Tags": [{"Key": f"k{n}", "Value": "v"} for n in range(51)]}), ("ValidationException", {"DataType": "aws:ec2:image"})])
def test_put_refusals(server, code, change):
    ssm = server.client("ssm", parameter_validation=False)
    if change.get("Name") == "Taken":
        put(server, "Taken", "v", Overwrite=True)
    request = {key: value for key, value in {"Name": "Refused", "Value": "v", "Type": "String", **change}.items() if value is not None}
    refused(code, ssm.put_parameter, **request)
    refused("ParameterNotFound", ssm.get_parameter, Name="Refused")


def test_get_and_delete_many(server):
    ssm = server.client("ssm")
    for name in ("m1", "m2"):
        put(server, name, name)
    answer = ssm.get_parameters(Names=["m2", "m1:1", "m1:9", "none"])
    assert [p["Value"] for p in answer["Parameters"]] == ["m2", "m1"] and answer["InvalidParameters"] == ["m1:9", "none"]
    refused("ParameterVersionNotFound", ssm.get_parameter, Name="m1:9")
    refused("ValidationException", ssm.get_parameters, Names=["m1", "m1"])
    refused("ValidationException", ssm.delete_parameters, Names=["m1", "m1"])
    answer = ssm.delete_parameters(Names=["m1", "none"])
    assert (answer["DeletedParameters"], answer["InvalidParameters"]) == (["m1"], ["none"])
    ssm.delete_parameter(Name="m2")
    refused("ParameterNotFound", ssm.delete_parameter, Name="m2")
    assert put(server, "m1", "again")["Version"] == 1


def test_by_path(server):
    ssm = server.client("ssm")
    for name in ("/p/a", "/p/b", "/p/deep/c", "/pq"):
        put(server, name, name, Type="StringList" if name == "/p/b" else "String")

    def names(**more):
        return [p["Name"] for page in ssm.get_paginator("get_parameters_by_path").paginate(**more) for p in page["Parameters"]]
    assert names(Path="/p") == names(Path="/p/") == ["/p/a", "/p/b"]
    assert names(Path="/p", Recursive=True, PaginationConfig={"PageSize": 1}) == ["/p/a", "/p/b", "/p/deep/c"]
    assert names(Path="/p", ParameterFilters=[{"Key": "Type", "Values": ["StringList"]}]) == ["/p/b"]
    refused("ValidationException", ssm.get_parameters_by_path, Path="p")
    refused("InvalidNextToken", ssm.get_parameters_by_path, Path="/p", NextToken="nonsense")
    refused("InvalidFilterKey", ssm.get_parameters_by_path, Path="/p", ParameterFilters=[{"Key": "Label", "Values": ["x"]}])
    refused("InvalidFilterOption", ssm.get_parameters_by_path, Path="/p", ParameterFilters=[{"Key": "Type", "Option": "BeginsWith", "Values": ["x"]}])
    refused("InvalidFilterValue", ssm.get_parameters_by_path, Path="/p", ParameterFilters=[{"Key": "Type", "Values": ["x"]}])


def test_versions_are_kept_up_to_a_hundred(server):
    ssm = server.client("ssm")
    for number in range(1, 103):
        put(server, "many", str(number), Overwrite=True)
    assert ssm.get_parameter(Name="many")["Parameter"]["Version"] == 102
    assert ssm.get_parameter(Name="many:3")["Parameter"]["Value"] == "3"
    refused("ParameterVersionNotFound", ssm.get_parameter, Name="many:2")


def test_parameter_tags(server):
    ssm = server.client("ssm")
    put(server, "tagged", "v", Tags=[{"Key": "a", "Value": "1"}])
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId="tagged", Tags=[{"Key": "b", "Value": "2"}])
    ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId="tagged", TagKeys=["a"])
    assert ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="tagged")["TagList"] == [{"Key": "b", "Value": "2"}]
    refused("InvalidResourceId", ssm.list_tags_for_resource, ResourceType="Parameter", ResourceId="none")


def test_references(server, machine):
    """In a command's parameters and in a document's text; what stands there when it is sent, put in once."""
    put(server, "word", "first")
    put(server, "word", "second", Overwrite=True)
    put(server, "lines", "echo 1,echo 2", Type="StringList")

    def run(document, **parameters):
        return server.client("ssm").send_command(InstanceIds=[machine], DocumentName=document, Parameters=parameters)["Command"]
    command = run(SHELL, commands=["{{ssm:lines}}", "echo {{ ssm:word }} {{ssm:word:1}}"])
    assert command["Parameters"]["commands"] == ["{{ssm:lines}}", "echo {{ ssm:word }} {{ssm:word:1}}"], "shown as given"
    assert ended(server, command["CommandId"], machine)["StandardOutputContent"] == "1\n2\nsecond first\n"
    inner = fresh(server, content(script("in", "echo in {{ssm:word}}")))
    name = fresh(server, content(script("say", "echo '{{ssm:word}} {{ p }}'"), {"action": "aws:runDocument", "name": "inner", "inputs": {
        "documentType": "SSMDocument", "documentPath": inner}}, parameters={"p": {"type": "String"}}))
    sent = run(name, p=["{{ssm:word}}"])["CommandId"]
    assert ended(server, sent, machine, PluginName="inner")["StandardOutputContent"] == "in second\n"
    plugins = server.client("ssm").list_command_invocations(CommandId=sent, Details=True)["CommandInvocations"][0]["CommandPlugins"]
    assert plugins[0]["Output"] == "second second\n"
    assert "none" in refused("InvalidParameters", run, SHELL, commands=["echo {{ssm:none}}"])
    refused("InvalidParameters", run, fresh(server, content(script("say", "echo {{ssm:none}}"))))


def test_parameters_by_the_cli(server):
    server.aws(["ssm", "put-parameter", "--name", "/cli/word", "--value", "v", "--type", "String"])
    assert server.aws(["ssm", "get-parameters-by-path", "--path", "/cli"])["Parameters"][0]["Value"] == "v"
