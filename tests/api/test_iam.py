"""docs/api/iam.md."""
import json
import re
import uuid

import pytest
from botocore.exceptions import ClientError

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/ä&<>"}]}


@pytest.fixture
def iam(server):
    return server.client("iam")


@pytest.fixture
def role(iam):
    name = "role-" + uuid.uuid4().hex[:12]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    return name


def code(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]


def test_create_role(iam):
    name = "create." + uuid.uuid4().hex[:8]
    made = iam.create_role(RoleName=name, Path="/app/", AssumeRolePolicyDocument=TRUST, Description="for backups", MaxSessionDuration=7200,
                           Tags=[{"Key": "team", "Value": "a&b"}])["Role"]
    assert made["Arn"] == f"arn:aws:iam::000000000000:role/app/{name}"
    assert re.fullmatch(r"AROA[A-Z2-7]{17}", made["RoleId"])
    got = iam.get_role(RoleName=name)["Role"]
    assert got["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert (got["Description"], got["MaxSessionDuration"], got["Tags"]) == ("for backups", 7200, [{"Key": "team", "Value": "a&b"}])
    assert got["CreateDate"] == made["CreateDate"] and got["RoleLastUsed"] == {}


def test_create_role_twice(iam, role):
    assert code(iam.create_role, RoleName=role, AssumeRolePolicyDocument=TRUST) == ("EntityAlreadyExists", 409)
    assert code(iam.create_role, RoleName=role.upper(), AssumeRolePolicyDocument=TRUST) == ("EntityAlreadyExists", 409)


@pytest.mark.parametrize("document", [
    "{", "[]", '"x"', json.dumps({"Version": "2012-10-17"}), json.dumps({"Version": "2020-01-01", "Statement": []}),
    json.dumps({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}),
    json.dumps({"Statement": [{"Effect": "Perhaps", "Principal": "*", "Action": "sts:AssumeRole"}]}),
    json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*"}]}),
    json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}]}),
])
def test_malformed_trust_policies(iam, document):
    assert code(iam.create_role, RoleName="malformed", AssumeRolePolicyDocument=document) == ("MalformedPolicyDocument", 400)
    assert code(iam.get_role, RoleName="malformed") == ("NoSuchEntity", 404)


def test_create_role_checks_its_members(iam, server):
    loose = server.client("iam", parameter_validation=False)
    for arguments in ({"RoleName": "a" * 65}, {"RoleName": "a b"}, {"RoleName": "x", "MaxSessionDuration": 60}, {"RoleName": "x", "Path": "app"},
                      {"RoleName": "x", "Tags": [{"Key": "k" * 129, "Value": ""}]}, {"RoleName": "x", "Description": "d" * 1001}):
        assert code(loose.create_role, AssumeRolePolicyDocument=TRUST, **arguments) == ("ValidationError", 400)
    assert code(loose.create_role, RoleName="x") == ("ValidationError", 400)
    twice = [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]
    assert code(iam.create_role, RoleName="x", AssumeRolePolicyDocument=TRUST, Tags=twice) == ("InvalidInput", 400)
    assert code(iam.create_role, RoleName="x", AssumeRolePolicyDocument=TRUST.replace("states", "s" * 3000)) == ("LimitExceeded", 409)


def test_roles_survive_a_restart(fresh_server):
    fresh_server.client("iam").create_role(RoleName="kept", AssumeRolePolicyDocument=TRUST)
    fresh_server.kill()
    fresh_server.restart()
    assert fresh_server.client("iam").get_role(RoleName="kept")["Role"]["RoleName"] == "kept"


def test_roles_that_do_not_exist(iam):
    calls = [(iam.get_role, {}), (iam.delete_role, {}), (iam.update_role, {}), (iam.update_role_description, {"Description": "x"}),
             (iam.update_assume_role_policy, {"PolicyDocument": TRUST}), (iam.put_role_policy, {"PolicyName": "p", "PolicyDocument": json.dumps(POLICY)}),
             (iam.get_role_policy, {"PolicyName": "p"}), (iam.delete_role_policy, {"PolicyName": "p"}), (iam.list_role_policies, {}),
             (iam.attach_role_policy, {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
             (iam.detach_role_policy, {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}), (iam.list_attached_role_policies, {}),
             (iam.tag_role, {"Tags": []}), (iam.untag_role, {"TagKeys": []}), (iam.list_role_tags, {}), (iam.list_instance_profiles_for_role, {})]
    for call, arguments in calls:
        assert code(call, RoleName="nobody", **arguments) == ("NoSuchEntity", 404)


def test_list_roles_in_pages(fresh_server):
    iam = fresh_server.client("iam")
    for i in range(7):
        iam.create_role(RoleName=f"r{i}", Path="/even/" if i % 2 == 0 else "/odd/", AssumeRolePolicyDocument=TRUST)
    first = iam.list_roles(MaxItems=3)
    assert first["IsTruncated"] and [r["RoleName"] for r in first["Roles"]] == ["r0", "r1", "r2"]
    rest = iam.list_roles(Marker=first["Marker"])
    assert not rest["IsTruncated"] and [r["RoleName"] for r in rest["Roles"]] == ["r3", "r4", "r5", "r6"]
    assert "Marker" not in rest
    even = [r["RoleName"] for page in iam.get_paginator("list_roles").paginate(PathPrefix="/even/", PaginationConfig={"PageSize": 2}) for r in page["Roles"]]
    assert even == ["r0", "r2", "r4", "r6"]
    assert code(iam.list_roles, Marker="nonsense") == ("ValidationError", 400)
    assert code(iam.list_roles, Marker=first["Marker"], PathPrefix="/odd/") == ("ValidationError", 400)


def test_update_role(iam, role):
    iam.update_role(RoleName=role, Description="new", MaxSessionDuration=3601)
    iam.update_role(RoleName=role, MaxSessionDuration=3602)
    got = iam.get_role(RoleName=role)["Role"]
    assert (got["Description"], got["MaxSessionDuration"]) == ("new", 3602)
    assert iam.update_role_description(RoleName=role, Description="newer")["Role"]["Description"] == "newer"


def test_update_assume_role_policy(iam, role):
    changed = json.loads(TRUST)
    changed["Statement"][0]["Principal"] = {"Service": "backup.amazonaws.com"}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(changed))
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] == changed
    assert code(iam.update_assume_role_policy, RoleName=role, PolicyDocument="{}") == ("MalformedPolicyDocument", 400)


def test_inline_policies(iam, role):
    for name in ("b", "a", "c"):
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(POLICY))
    got = iam.get_role_policy(RoleName=role, PolicyName="a")
    assert got["PolicyDocument"] == POLICY and got["RoleName"] == role
    page = iam.list_role_policies(RoleName=role, MaxItems=2)
    assert page["PolicyNames"] == ["a", "b"] and page["IsTruncated"]
    assert iam.list_role_policies(RoleName=role, Marker=page["Marker"])["PolicyNames"] == ["c"]
    assert code(iam.delete_role, RoleName=role) == ("DeleteConflict", 409)
    iam.delete_role_policy(RoleName=role, PolicyName="a")
    assert code(iam.get_role_policy, RoleName=role, PolicyName="a") == ("NoSuchEntity", 404)
    assert code(iam.delete_role_policy, RoleName=role, PolicyName="a") == ("NoSuchEntity", 404)


def test_inline_policies_are_checked(iam, role):
    for document in ("{", TRUST, json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*"}]})):
        assert code(iam.put_role_policy, RoleName=role, PolicyName="p", PolicyDocument=document) == ("MalformedPolicyDocument", 400)
    large = json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "a" * 6000}]})
    iam.put_role_policy(RoleName=role, PolicyName="one", PolicyDocument=large)
    assert code(iam.put_role_policy, RoleName=role, PolicyName="two", PolicyDocument=large) == ("LimitExceeded", 409)


def test_attached_policies(iam, role):
    arns = [f"arn:aws:iam::aws:policy/{name}" for name in ("service-role/AWSBackupServiceRolePolicyForBackup", "ReadOnlyAccess")]
    for arn in arns + arns:
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    listed = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert sorted(p["PolicyArn"] for p in listed) == sorted(arns)
    assert {p["PolicyName"] for p in listed} == {"AWSBackupServiceRolePolicyForBackup", "ReadOnlyAccess"}
    only = iam.list_attached_role_policies(RoleName=role, PathPrefix="/service-role/")["AttachedPolicies"]
    assert [p["PolicyArn"] for p in only] == arns[:1]
    page = iam.list_attached_role_policies(RoleName=role, MaxItems=1)
    assert page["IsTruncated"] and len(page["AttachedPolicies"]) == 1
    assert code(iam.delete_role, RoleName=role) == ("DeleteConflict", 409)
    for arn in arns:
        iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    assert code(iam.detach_role_policy, RoleName=role, PolicyArn=arns[0]) == ("NoSuchEntity", 404)
    assert code(iam.attach_role_policy, RoleName=role, PolicyArn="arn:aws:iam::000000000000:policy/own") == ("NoSuchEntity", 404)
    assert code(iam.attach_role_policy, RoleName=role, PolicyArn="arn:aws:s3:::not-a-policy") == ("InvalidInput", 400)


def test_at_most_twenty_attached_policies(iam, role):
    for i in range(20):
        iam.attach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::aws:policy/P{i:02}")
    assert code(iam.attach_role_policy, RoleName=role, PolicyArn="arn:aws:iam::aws:policy/P20") == ("LimitExceeded", 409)


def test_role_tags(iam, role):
    iam.tag_role(RoleName=role, Tags=[{"Key": k, "Value": k * 2} for k in "cab"])
    iam.tag_role(RoleName=role, Tags=[{"Key": "a", "Value": "new"}])
    page = iam.list_role_tags(RoleName=role, MaxItems=2)
    assert page["Tags"] == [{"Key": "a", "Value": "new"}, {"Key": "b", "Value": "bb"}] and page["IsTruncated"]
    assert iam.list_role_tags(RoleName=role, Marker=page["Marker"])["Tags"] == [{"Key": "c", "Value": "cc"}]
    iam.untag_role(RoleName=role, TagKeys=["a", "b", "unknown"])
    assert iam.list_role_tags(RoleName=role)["Tags"] == [{"Key": "c", "Value": "cc"}]
    assert code(iam.tag_role, RoleName=role, Tags=[{"Key": f"k{i}", "Value": ""} for i in range(50)]) == ("LimitExceeded", 409)


def test_delete_role(iam, role):
    assert iam.list_instance_profiles_for_role(RoleName=role)["InstanceProfiles"] == []
    iam.delete_role(RoleName=role)
    assert code(iam.get_role, RoleName=role) == ("NoSuchEntity", 404)
    assert code(iam.delete_role, RoleName=role) == ("NoSuchEntity", 404)


def test_users_and_keys_are_refused(iam):
    assert code(iam.create_user, UserName="u") == ("InvalidAction", 400)
    assert code(iam.create_access_key, UserName="u") == ("InvalidAction", 400)


def test_by_the_cli(server):
    made = server.aws(["iam", "create-role", "--role-name", "by-cli", "--assume-role-policy-document", TRUST])
    assert made["Role"]["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert "by-cli" in [r["RoleName"] for r in server.aws(["iam", "list-roles"])["Roles"]]
