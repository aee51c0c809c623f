"""Documents of Run Command by boto3 and the CLI: made, changed, listed, deleted, and run on real machines."""
import hashlib
import json
import textwrap

import pytest

from tests.api.test_ssm import ended, invocations, listed, refused
from tests.support.runs import launch, shell
from tests.support.until import until

STEP = {"action": "aws:runShellScript", "name": "say", "inputs": {"runCommand": ["echo {{ word }}"]}}
_count = 0


def content(*steps, parameters=None, schema="2.2", **more):
    return json.dumps({"schemaVersion": schema, "description": "A test's", "parameters": parameters or {}, "mainSteps": list(steps), **more})


SAY = content(STEP, parameters={"word": {"type": "String", "default": "hello", "description": "What is said"}})


def script(name, *lines, **more):
    precondition = {"precondition": more.pop("precondition")} if "precondition" in more else {}
    return {"action": "aws:runShellScript", "name": name, **precondition, "inputs": {"runCommand": list(lines), **more}}


def fresh(server, text=SAY, **more):
    """A document of that content under a name that no other test uses."""
    global _count
    _count += 1
    name = f"Doc-{_count}"
    server.client("ssm").create_document(Name=name, Content=text, DocumentType="Command", **more)
    return name


@pytest.fixture(scope="module")
def machine(server):
    server.client("s3").create_bucket(Bucket="docs")
    return launch(server, 1, tags={"role": "documents"})[0]


def run(server, machine, name, parameters=None, **more):
    return server.client("ssm").send_command(InstanceIds=[machine], DocumentName=name, Parameters=parameters or {}, **more)["Command"]["CommandId"]


def outcome(server, machine, *steps, parameters=None, given=None):
    """Runs a document of these steps; {name: (status, response code, output)} and the invocation's status."""
    command = run(server, machine, fresh(server, content(*steps, parameters=parameters)), given)
    found = invocations(server, command)[0]
    return {p["Name"]: (p["Status"], p["ResponseCode"], p["Output"]) for p in found["CommandPlugins"]}, found["Status"]


def test_create_describe_and_get(server):
    ssm = server.client("ssm")
    made = ssm.create_document(Name="Make-it", Content=SAY, VersionName="first", DisplayName="Say it", TargetType="/AWS::EC2::Instance",
                               Tags=[{"Key": "team", "Value": "ops"}])["DocumentDescription"]
    assert (made["Name"], made["Status"], made["DocumentVersion"], made["LatestVersion"], made["DefaultVersion"]) == ("Make-it", "Active", "1", "1", "1")
    assert (made["Hash"], made["HashType"]) == (hashlib.sha256(SAY.encode()).hexdigest(), "Sha256")
    assert made["Parameters"] == [{"Name": "word", "Type": "String", "Description": "What is said", "DefaultValue": "hello"}]
    assert (made["SchemaVersion"], made["DocumentType"], made["DocumentFormat"], made["Owner"]) == ("2.2", "Command", "JSON", "000000000000")
    assert ssm.describe_document(Name="Make-it")["Document"] == made
    assert ssm.describe_document(Name="arn:aws:ssm:us-east-1:000000000000:document/Make-it", VersionName="first")["Document"] == made
    got = ssm.get_document(Name="Make-it")
    assert (got["Content"], got["DocumentFormat"], got["VersionName"], got["DisplayName"]) == (SAY, "JSON", "first", "Say it")
    assert "schemaVersion: \"2.2\"" in ssm.get_document(Name="Make-it", DocumentFormat="YAML")["Content"]


def test_yaml_documents(server, machine):
    text = textwrap.dedent("""\
        schemaVersion: '2.2'
        description: Two lines
        parameters:
          word:
            type: String
            default: yaml
        mainSteps:
        - action: aws:runShellScript
          name: say
          inputs:
            runCommand:
            - |
              echo "{{ word }}"
              echo done
        """)
    name = fresh(server, text, DocumentFormat="YAML")
    ssm = server.client("ssm")
    assert ssm.get_document(Name=name, DocumentFormat="YAML")["Content"] == text
    assert json.loads(ssm.get_document(Name=name)["Content"])["mainSteps"][0]["inputs"]["runCommand"] == ['echo "{{ word }}"\necho done\n']
    assert ended(server, run(server, machine, name), machine)["StandardOutputContent"] == "yaml\ndone\n"


@pytest.mark.parametrize("code, change", [
    ("DocumentAlreadyExists", {"Name": "Taken"}), ("MaxDocumentSizeExceeded", {"Content": content(script("a", "x" * 66000))}),
    ("InvalidDocumentContent", {"Content": "{"}), ("InvalidDocumentContent", {"Content": content()}),
    ("InvalidDocumentContent", {"Content": content({"action": "aws:configurePackage", "name": "a", "inputs": {}})}),
    ("InvalidDocumentContent", {"Content": content({**STEP, "isCritical": True})}),
    ("InvalidDocumentContent", {"Content": "a: [", "DocumentFormat": "YAML"}),
    ("InvalidDocumentSchemaVersion", {"Content": content(STEP, schema="0.3")}), ("ValidationException", {"Name": "AWS-Mine"}),
    ("ValidationException", {"Name": "amazon-x"}), ("ValidationException", {"DocumentType": "Automation"}),
    ("ValidationException", {"Name": "white space"}), ("ValidationException", {"DocumentFormat": "TEXT"}),
    ("ValidationException", {"VersionName": "a b"}), ("ValidationException", {"Requires": [{"Name": "Other"}]}),
    ("TooManyTagsError", {"Tags": [{"Key": f"k{n}", "Value": "v"} for n in range(51)]})])
def test_create_refusals(server, code, change):
    ssm = server.client("ssm", parameter_validation=False)
    if change.get("Name") == "Taken":
        ssm.create_document(Name="Taken", Content=SAY)
    before = [one["Name"] for one in ssm.list_documents()["DocumentIdentifiers"]]
    refused(code, ssm.create_document, **{"Name": "Refused", "Content": SAY, **change})
    assert [one["Name"] for one in ssm.list_documents()["DocumentIdentifiers"]] == before


def test_document_limit(server):
    ssm = server.client("ssm")
    made = []
    try:
        for number in range(501):
            name = f"Limit-{number}"
            try:
                ssm.create_document(Name=name, Content=SAY)
            except ssm.exceptions.DocumentLimitExceeded:
                break
            made.append(name)
        own = [d for page in ssm.get_paginator("list_documents").paginate(Filters=[{"Key": "Owner", "Values": ["Self"]}]) for d in page["DocumentIdentifiers"]]
        assert len(own) == 500
    finally:
        for name in made:
            ssm.delete_document(Name=name)


def test_versions(server, machine):
    ssm = server.client("ssm")
    name = fresh(server, VersionName="one")
    second = content(script("say", "echo second"))
    updated = ssm.update_document(Name=name, Content=second, DocumentVersion="$LATEST", VersionName="two")["DocumentDescription"]
    assert (updated["DocumentVersion"], updated["LatestVersion"], updated["DefaultVersion"]) == ("2", "2", "1")
    assert ended(server, run(server, machine, name), machine)["StandardOutputContent"] == "hello\n"
    assert ended(server, run(server, machine, name, DocumentVersion="$LATEST"), machine)["StandardOutputContent"] == "second\n"
    assert ended(server, run(server, machine, name, DocumentVersion="2"), machine)["StandardOutputContent"] == "second\n"
    described = ssm.update_document_default_version(Name=name, DocumentVersion="2")["Description"]
    assert described == {"Name": name, "DefaultVersion": "2", "DefaultVersionName": "two"}
    command = run(server, machine, name)
    assert ended(server, command, machine)["StandardOutputContent"] == "second\n"
    ssm.update_document(Name=name, Content=content(script("say", "echo third")), DocumentVersion="2")
    versions = ssm.list_document_versions(Name=name)["DocumentVersions"]
    assert [(v["DocumentVersion"], v.get("VersionName"), v["IsDefaultVersion"]) for v in versions] == [("3", None, False), ("2", "two", True), ("1", "one", False)]
    first = ssm.list_document_versions(Name=name, MaxResults=2)
    rest = ssm.list_document_versions(Name=name, MaxResults=2, NextToken=first["NextToken"])
    assert first["DocumentVersions"] + rest["DocumentVersions"] == versions and "NextToken" not in rest
    # A number is not given twice.
    ssm.delete_document(Name=name, DocumentVersion="3")
    assert ssm.describe_document(Name=name)["Document"]["LatestVersion"] == "2"
    assert ssm.update_document(Name=name, Content=content(script("say", "echo fourth")))["DocumentDescription"]["DocumentVersion"] == "4"
    ssm.delete_document(Name=name, VersionName="one")
    refused("InvalidDocumentVersion", ssm.get_document, Name=name, DocumentVersion="1")
    assert [v["DocumentVersion"] for v in ssm.list_document_versions(Name="AWS-RunShellScript")["DocumentVersions"]] == ["1"]


def test_update_refusals(server):
    ssm = server.client("ssm")
    name = fresh(server, VersionName="one")
    other = content(script("say", "echo other"))
    refused("InvalidDocument", ssm.update_document, Name="No-Such", Content=SAY)
    refused("InvalidDocumentOperation", ssm.update_document, Name="AWS-RunShellScript", Content=SAY)
    refused("InvalidDocumentVersion", ssm.update_document, Name=name, Content=other, DocumentVersion="7")
    refused("DuplicateDocumentContent", ssm.update_document, Name=name, Content=SAY)
    refused("DuplicateDocumentVersionName", ssm.update_document, Name=name, Content=other, VersionName="one")
    refused("InvalidDocumentContent", ssm.update_document, Name=name, Content="{}")
    refused("InvalidDocumentSchemaVersion", ssm.update_document, Name=name, Content=content(STEP, schema="9.9"))
    refused("MaxDocumentSizeExceeded", ssm.update_document, Name=name, Content=content(script("a", "x" * 66000)))
    refused("InvalidDocument", ssm.update_document_default_version, Name="No-Such", DocumentVersion="1")
    refused("InvalidDocumentVersion", ssm.update_document_default_version, Name=name, DocumentVersion="7")
    assert [v["DocumentVersion"] for v in ssm.list_document_versions(Name=name)["DocumentVersions"]] == ["1"]


def test_delete_and_refusals(server, machine):
    ssm = server.client("ssm")
    name = fresh(server, content(script("say", "sleep 1; echo kept")))
    command = run(server, machine, name)
    refused("InvalidDocumentOperation", ssm.delete_document, Name=name, DocumentVersion="1")
    refused("InvalidDocumentOperation", ssm.delete_document, Name="AWS-RunShellScript")
    refused("InvalidDocument", ssm.delete_document, Name="No-Such")
    ssm.delete_document(Name=name)
    for call in (ssm.describe_document, ssm.get_document, ssm.list_document_versions, ssm.delete_document):
        refused("InvalidDocument", call, Name=name)
    refused("InvalidDocument", run, server, machine, name)
    assert ended(server, command, machine)["StandardOutputContent"] == "kept\n", "a command that was sent needs its document no more"
    for call in (ssm.describe_document, ssm.get_document):
        refused("InvalidDocumentVersion", call, Name="AWS-RunShellScript", DocumentVersion="2")
    refused("InvalidNextToken", ssm.list_document_versions, Name="AWS-RunShellScript", NextToken="nonsense")


def test_list_documents(server):
    ssm = server.client("ssm")
    name = fresh(server, Tags=[{"Key": "kind", "Value": "listed"}])

    def names(*filters, **more):
        pages = ssm.get_paginator("list_documents").paginate(Filters=[{"Key": k, "Values": v} for k, v in filters], **more)
        return [one["Name"] for page in pages for one in page["DocumentIdentifiers"]]
    amazon = ["AWS-RunDocument", "AWS-RunPowerShellScript", "AWS-RunRemoteScript", "AWS-RunShellScript"]
    assert names(("Owner", ["Amazon"])) == amazon
    assert name in names(("Owner", ["Self"])) and not set(amazon) & set(names(("Owner", ["Self"])))
    assert names(("tag:kind", ["listed"])) == [name]
    assert names(("Name", ["AWS-RunR"])) == ["AWS-RunRemoteScript"]
    assert names(("SearchKeyword", ["powershell"]),) == ["AWS-RunPowerShellScript"]
    assert names(("PlatformTypes", ["Linux"]), ("Owner", ["Amazon"])) == ["AWS-RunDocument", "AWS-RunRemoteScript", "AWS-RunShellScript"]
    assert names(("DocumentType", ["Automation"])) == []
    assert names(PaginationConfig={"PageSize": 1}) == names()
    old = ssm.list_documents(DocumentFilterList=[{"key": "Owner", "value": "Amazon"}])["DocumentIdentifiers"]
    assert [one["Name"] for one in old] == amazon and old[0]["Owner"] == "Amazon"
    refused("InvalidFilterKey", ssm.list_documents, Filters=[{"Key": "Nonsense", "Values": ["x"]}])
    refused("InvalidNextToken", ssm.list_documents, NextToken="nonsense")


def test_tags(server, machine):
    ssm = server.client("ssm")
    name = fresh(server)
    for kind, resource in (("Document", name), ("ManagedInstance", machine)):
        before = {t["Key"]: t["Value"] for t in ssm.list_tags_for_resource(ResourceType=kind, ResourceId=resource)["TagList"]}
        ssm.add_tags_to_resource(ResourceType=kind, ResourceId=resource, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        ssm.add_tags_to_resource(ResourceType=kind, ResourceId=resource, Tags=[{"Key": "a", "Value": "3"}])
        tags = {t["Key"]: t["Value"] for t in ssm.list_tags_for_resource(ResourceType=kind, ResourceId=resource)["TagList"]}
        assert tags == {**before, "a": "3", "b": "2"}
        ssm.remove_tags_from_resource(ResourceType=kind, ResourceId=resource, TagKeys=["a", "b", "none"])
        assert {t["Key"]: t["Value"] for t in ssm.list_tags_for_resource(ResourceType=kind, ResourceId=resource)["TagList"]} == before


def test_tag_refusals(server):
    ssm = server.client("ssm")
    one = [{"Key": "k", "Value": "v"}]
    calls = ((ssm.list_tags_for_resource, {}), (ssm.add_tags_to_resource, {"Tags": one}), (ssm.remove_tags_from_resource, {"TagKeys": ["k"]}))
    for call, more in calls:
        refused("InvalidResourceType", call, ResourceType="PatchBaseline", ResourceId="x", **more)
        refused("InvalidResourceId", call, ResourceType="Document", ResourceId="No-Such", **more)
        refused("InvalidResourceId", call, ResourceType="ManagedInstance", ResourceId="i-0123456789abcdef0", **more)
    refused("InvalidResourceId", ssm.add_tags_to_resource, ResourceType="Document", ResourceId="AWS-RunShellScript", Tags=one)
    refused("TooManyTagsError", ssm.add_tags_to_resource, ResourceType="Document", ResourceId=fresh(server),
            Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(51)])


def test_several_steps(server, machine):
    steps, status = outcome(server, machine, script("one", "echo 1"), script("two", "echo 2 >&2; exit 4"), script("three", "echo 3"))
    assert status == "Failed"
    assert steps == {"one": ("Success", 0, "1\n"), "two": ("Failed", 4, "\n----------ERROR-------\n2\n"), "three": ("Success", 0, "3\n")}


def test_output_of_several_steps(server, machine):
    name = fresh(server, content(script("first", "echo 1"), script("second", "echo 2")))
    command = run(server, machine, name, OutputS3BucketName="docs", OutputS3KeyPrefix="out")
    refused("InvalidPluginName", server.client("ssm").get_command_invocation, CommandId=command, InstanceId=machine)
    assert ended(server, command, machine, PluginName="second")["StandardOutputContent"] == "2\n"
    invocations(server, command)
    keys = [one["Key"] for one in server.client("s3").list_objects_v2(Bucket="docs", Prefix=f"out/{command}/")["Contents"]]
    assert keys == [f"out/{command}/{machine}/awsrunShellScript/{step}/stdout" for step in ("first", "second")]


def test_flow_between_steps(server, machine):
    skipped = ("Success", 0)
    steps, status = outcome(server, machine, script("one", "exit 2", onFailure="exit"), script("two", "echo no"), script("last", "echo end", finallyStep=True))
    assert status == "Failed" and steps["one"][:2] == ("Failed", 2) and steps["last"] == ("Success", 0, "end\n")
    assert steps["two"][:2] == skipped and "skipped" in steps["two"][2]
    steps, status = outcome(server, machine, script("one", "exit 2", onFailure="successAndExit"), script("two", "echo no"))
    assert status == "Success" and steps["one"][:2] == ("Success", 2) and steps["two"][:2] == skipped
    steps, status = outcome(server, machine, script("one", "echo 1", onSuccess="exit"), script("two", "exit 9"))
    assert status == "Success" and steps["two"][:2] == skipped
    steps, status = outcome(server, machine, script("one", "exit 168"), script("two", "exit 9"))
    assert status == "Success" and steps["one"][:2] == ("Success", 168) and steps["two"][:2] == skipped
    steps, status = outcome(server, machine, script("one", "exit 169"), script("two", "echo no"))
    assert status == "Failed" and steps["one"][:2] == ("Failed", 169) and steps["two"][:2] == skipped


def test_preconditions(server, machine):
    here, there = {"StringEquals": ["platformType", "Linux"]}, {"StringEquals": ["platformType", "Windows"]}
    steps, status = outcome(server, machine, script("here", "echo here", precondition=here), script("there", "exit 9", precondition=there),
                            {"action": "aws:runPowerShellScript", "name": "power", "inputs": {"runCommand": ["exit 9"]}},
                            script("asked", "exit 9", precondition={"StringEquals": ["{{ do }}", "yes"]}),
                            parameters={"do": {"type": "String", "default": "no"}})
    assert status == "Success" and steps["here"] == ("Success", 0, "here\n")
    for name in ("there", "power", "asked"):
        assert steps[name][:2] == ("Success", 0) and "skipped" in steps[name][2] and name in steps[name][2]


def test_step_timeout(server, machine):
    steps, status = outcome(server, machine, script("slow", "sleep 60", timeoutSeconds=5), script("next", "echo next"))
    assert status == "TimedOut" and steps["slow"][:2] == ("TimedOut", 137) and steps["next"] == ("Success", 0, "next\n")


def test_parameters(server, machine):
    parameters = {"text": {"type": "String", "allowedPattern": "[a-z \"]*"}, "list": {"type": "StringList", "default": ["x"]},
                  "number": {"type": "Integer", "default": 3}, "flag": {"type": "Boolean", "default": False}, "map": {"type": "StringMap", "default": {}},
                  "choice": {"type": "String", "default": "a", "allowedValues": ["a", "b"]}}
    name = fresh(server, content(script("say", "{{ list }}", "cat <<'END'", "{{text}}|{{ list }}|{{ number }}|{{ flag }}|{{ map }}|{{ choice }}|{{ none }}", "END"),
                                 parameters=parameters))
    given = {"text": ["a \"b"], "list": ["echo 1", "echo '{{ text }}'"], "number": ["-4"], "flag": ["true"], "map": ['{"k": "v"}'], "choice": ["b"]}
    answer = ended(server, run(server, machine, name, given), machine)
    assert answer["StandardOutputContent"] == '1\n{{ text }}\na "b|["echo 1","echo \'{{ text }}\'"]|-4|true|{"k":"v"}|b|{{ none }}\n'
    for wrong in ({}, {**given, "text": ["UPPER"]}, {**given, "choice": ["c"]}, {**given, "number": ["x"]}, {**given, "flag": ["x"]},
                  {**given, "map": ["x"]}, {**given, "other": ["x"]}):
        refused("InvalidParameters", run, server, machine, name, wrong)


def test_old_schema(server, machine):
    text = json.dumps({"schemaVersion": "1.2", "description": "Old", "runtimeConfig": {"aws:runShellScript": {"properties": [
        {"id": "0.aws:runShellScript", "runCommand": ["echo 1"]}, {"id": "1.aws:runShellScript", "runCommand": ["echo 2; exit 3"]}]}}})
    command = run(server, machine, fresh(server, text), OutputS3BucketName="docs", OutputS3KeyPrefix="old")
    plugin, = invocations(server, command)[0]["CommandPlugins"]
    assert (plugin["Name"], plugin["Status"], plugin["ResponseCode"], plugin["Output"]) == ("aws:runShellScript", "Failed", 3, "1\n2\n")
    keys = [one["Key"] for one in server.client("s3").list_objects_v2(Bucket="docs", Prefix=f"old/{command}/")["Contents"]]
    assert keys == [f"old/{command}/{machine}/awsrunShellScript/{n}.awsrunShellScript/stdout" for n in (0, 1)]


def test_documents_that_run_documents(server, machine):
    inner = fresh(server, content(script("in1", "echo in {{ word }}"), script("in2", "exit 6", onFailure="exit"), script("in3", "echo no"),
                                  parameters={"word": {"type": "String"}}))
    steps, status = outcome(server, machine, {"action": "aws:runDocument", "name": "inner", "inputs": {
        "documentType": "SSMDocument", "documentPath": inner, "documentParameters": {"word": "{{ w }}"}}}, script("after", "echo after"),
        parameters={"w": {"type": "String", "default": "word"}})
    assert status == "Failed" and steps["inner"][:2] == ("Failed", 6) and steps["inner"][2].startswith("in word\n")
    assert steps["after"] == ("Success", 0, "after\n"), "exit ends the inner document alone"
    refused("InvalidDocument", run, server, machine, fresh(server, content({"action": "aws:runDocument", "name": "a", "inputs": {
        "documentType": "SSMDocument", "documentPath": "No-Such"}})))
    refused("InvalidParameters", run, server, machine, fresh(server, content({"action": "aws:runDocument", "name": "a", "inputs": {
        "documentType": "SSMDocument", "documentPath": inner}})))


@pytest.mark.parametrize("source", ["SSMDocument", "S3", "S3 YAML"])
def test_run_document(server, machine, source):
    inner = content(script("in", "echo from {{ word }}", "pwd"), parameters={"word": {"type": "String"}})
    if source == "SSMDocument":
        info = {"name": fresh(server, inner) + ":1"}
    elif source == "S3":
        server.client("s3").put_object(Bucket="docs", Key="in/doc.json", Body=inner.encode())
        info = {"path": "s3://docs/in/doc.json"}
    else:
        body = "schemaVersion: '2.2'\nparameters:\n  word: {type: String}\nmainSteps:\n- action: aws:runShellScript\n  name: in\n  inputs:\n    runCommand: ['echo from {{ word }}']\n"
        server.client("s3").put_object(Bucket="docs", Key="in/doc.yaml", Body=body.encode())
        info = {"path": "https://s3.us-east-1.amazonaws.com/docs/in/doc.yaml"}
    command = run(server, machine, "AWS-RunDocument", {"sourceType": [source.split()[0]], "sourceInfo": [json.dumps(info)],
                                                       "documentParameters": [json.dumps({"word": "there"})]})
    answer = ended(server, command, machine, PluginName="runDocument")
    assert (answer["Status"], answer["ResponseCode"]) == ("Success", 0) and answer["StandardOutputContent"].startswith("from there\n")


def test_run_document_failures(server, machine):
    def end(kind, info, parameters="{}"):
        command = run(server, machine, "AWS-RunDocument", {"sourceType": [kind], "sourceInfo": [json.dumps(info)], "documentParameters": [parameters]})
        return {p["Name"]: p for p in invocations(server, command)[0]["CommandPlugins"]}
    missing = end("S3", {"path": "s3://docs/none.json"})
    assert (missing["downloadContent"]["Status"], missing["runDocument"]["Status"]) == ("Failed", "Failed")
    assert "no document was downloaded" in missing["runDocument"]["Output"]
    server.client("s3").put_object(Bucket="docs", Key="bad.json", Body=b'{"schemaVersion": "2.2"}')
    assert "mainSteps" in end("S3", {"path": "s3://docs/bad.json"})["runDocument"]["Output"]
    server.client("s3").put_object(Bucket="docs", Key="fetch.json", Body=content({"action": "aws:downloadContent", "name": "get", "inputs": {
        "sourceType": "S3", "sourceInfo": {"path": "s3://docs/bad.json"}}}).encode())
    assert "fetches nothing" in end("S3", {"path": "s3://docs/fetch.json"})["runDocument"]["Output"]
    assert "not defined" in end("SSMDocument", {"name": fresh(server)}, '{"other": "x"}')["runDocument"]["Output"]
    message = refused("InvalidParameters", run, server, machine, "AWS-RunDocument", {"sourceType": ["GitHub"], "sourceInfo": ['{"owner": "x"}']})
    assert "GitHub" in message and "S3" in message


def test_other_platforms(server, machine):
    commands = {"commands": ["exit 0"]}
    message = refused("UnsupportedPlatformType", run, server, machine, "AWS-RunPowerShellScript", commands)
    assert f"Cannot perform operation for instance id {machine} of platform type Linux" in message
    command = server.client("ssm").send_command(Targets=[{"Key": "tag:role", "Values": ["documents"]}], DocumentName="AWS-RunPowerShellScript",
                                                Parameters=commands)["Command"]["CommandId"]
    found, = invocations(server, command)
    assert (found["Status"], found["StatusDetails"]) == ("Failed", "InvalidPlatform")
    assert (listed(server, command)["Status"], listed(server, command)["ErrorCount"], listed(server, command)["CompletedCount"]) == ("Failed", 0, 1)


def test_a_document_for_no_platform(server, machine):
    """Its only step is a shell's and asks for Windows."""
    name = fresh(server, content(script("never", "exit 0", precondition={"StringEquals": ["platformType", "Windows"]})))
    message = refused("UnsupportedPlatformType", run, server, machine, name)
    assert f"the document {name} is for none: its steps ask for another platform than they can run on." in message, message


def test_document_hash(server, machine):
    name = fresh(server)
    digest = hashlib.sha256(SAY.encode()).hexdigest()
    assert ended(server, run(server, machine, name, DocumentHash=digest, DocumentHashType="Sha256"), machine)["Status"] == "Success"
    refused("InvalidDocument", run, server, machine, name, DocumentHash="0" * 64, DocumentHashType="Sha256")
    refused("ValidationException", run, server, machine, name, DocumentHash=digest, DocumentHashType="Sha1")


def test_documents_survive_a_kill(server, machine):
    name = fresh(server, content(script("one", "echo 1 >> /var/tmp/steps-once; sleep 1"), script("two", "echo 2 >> /var/tmp/steps-once"),
                                 script("three", "echo 3 >> /var/tmp/steps-once; cat /var/tmp/steps-once")))
    command = run(server, machine, name)
    until(lambda: invocations_now(server, command)["Status"] == "InProgress")
    server.kill()
    server.start()
    assert ended(server, command, machine, PluginName="three")["StandardOutputContent"] == "1\n2\n3\n"
    assert server.client("ssm").describe_document(Name=name)["Document"]["Name"] == name
    assert shell(server, machine, "cat /var/tmp/steps-once") == "1\n2\n3\n"


def invocations_now(server, command):
    return server.client("ssm").list_command_invocations(CommandId=command)["CommandInvocations"][0]


def test_documents_by_the_cli(server, machine, tmp_path):
    file = tmp_path / "doc.json"
    file.write_text(SAY)
    server.aws(["ssm", "create-document", "--name", "By-the-CLI", "--content", f"file://{file}", "--document-type", "Command", "--tags", "Key=a,Value=b"])
    file.write_text(content(script("say", "echo two")))
    server.aws(["ssm", "update-document", "--name", "By-the-CLI", "--content", f"file://{file}", "--document-version", "$LATEST"])
    server.aws(["ssm", "update-document-default-version", "--name", "By-the-CLI", "--document-version", "2"])
    assert server.aws(["ssm", "describe-document", "--name", "By-the-CLI"])["Document"]["DefaultVersion"] == "2"
    listing = server.aws(["ssm", "list-documents", "--filters", "Key=Name,Values=By-the"])["DocumentIdentifiers"]
    assert [one["Name"] for one in listing] == ["By-the-CLI"]
    command = server.aws(["ssm", "send-command", "--document-name", "By-the-CLI", "--targets", f"Key=InstanceIds,Values={machine}"])["Command"]["CommandId"]
    assert ended(server, command, machine)["StandardOutputContent"] == "two\n"
    server.aws(["ssm", "delete-document", "--name", "By-the-CLI"])
