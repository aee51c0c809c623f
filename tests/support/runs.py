"""A run of PrePostBackup from the outside: started, followed to its end, and held against what really happened on the machine."""
import json

from tests.support.server import ACCOUNT, REGION
from tests.support.until import until

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:PrePostBackup"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/backup"
BUCKET = "scripts"
# Each script writes a line with its command's id: what really ran, and how often.
PRE = '#!/bin/sh\necho "pre $SSM_COMMAND_ID" >> /var/tmp/steps\nsync /var/tmp/steps\n'
POST = '#!/bin/sh\necho "post $SSM_COMMAND_ID" >> /var/tmp/steps\nsync /var/tmp/steps\n'
PATHS = {1: (True, True, True), 2: (True, True, False), 3: (False, True, True), 4: (False, True, False),
         5: (True, False, True), 6: (True, False, False), 7: (False, False, True), 8: (False, False, False)}


def upload_scripts(server, pre=PRE, post=POST):
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="pre.sh", Body=pre.encode())
    s3.put_object(Bucket=BUCKET, Key="post.sh", Body=post.encode())


def launch(server, count=1, image="ami-bare", tags=None):
    """Machines whose agents are connected; their ids."""
    tags = [{"Key": k, "Value": v} for k, v in (tags or {"backup-job": "true"}).items()]
    answer = server.client("ec2").run_instances(ImageId=image, MinCount=count, MaxCount=count,
                                                TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
    ids = [instance["InstanceId"] for instance in answer["Instances"]]
    online(server, ids)
    return ids


def online(server, ids, seconds=60):
    ssm = server.client("ssm")

    def all_there():
        there = {i["InstanceId"] for i in ssm.describe_instance_information(MaxResults=50)["InstanceInformationList"] if i["PingStatus"] == "Online"}
        return set(ids) <= there

    until(all_there, seconds, f"agents of {ids} online")


def run_input(path=1, tag=None, ids=None, vault="Default", **more):
    pre, stop, post = PATHS[path]
    scripts = {}
    if pre:
        scripts["PreBackupScriptDetails"] = {"SourceS3Path": f"s3://{BUCKET}/pre.sh", "CommandToRun": "pre.sh"}
    if post:
        scripts["PostBackupScriptDetails"] = {"SourceS3Path": f"s3://{BUCKET}/post.sh", "CommandToRun": "post.sh"}
    value = {"StartStopEC2Required": stop, "RemoteRunCommandDetails": scripts, "BackupDetails": {"BackupVaultName": vault, "IamRoleArn": ROLE}}
    if ids is not None:
        value["TargetEC2Instances"] = ids
    else:
        value["TargetEC2TagKey"], value["TargetEC2TagValue"] = tag or ("backup-job", "true")
    return {**value, **more}


def start(server, name, value):
    return server.client("stepfunctions").start_execution(stateMachineArn=MACHINE, name=name, input=json.dumps(value))["executionArn"]


def finished(server, arn, seconds=60):
    sfn = server.client("stepfunctions")

    def over():
        answer = sfn.describe_execution(executionArn=arn)
        return answer if answer["status"] != "RUNNING" else None

    return until(over, seconds, f"the end of {arn}")


def row(server, arn):
    item = server.client("dynamodb").get_item(TableName="PrePostBackupLog", Key={"SM_Execution_ID": {"S": arn}}, ConsistentRead=True).get("Item")
    assert item, f"no row for {arn}"
    return {key: value["S"] for key, value in item.items()}


def statuses(server, arn):
    return {entry["InstanceId"]: entry for entry in json.loads(row(server, arn)["Workflow_Overall_Status"])}


def invoke(server, instance, script, seconds=60):
    """Runs a script on the machine; the ended invocation, however it ended."""
    ssm = server.client("ssm")
    command = ssm.send_command(InstanceIds=[instance], DocumentName="AWS-RunShellScript", Parameters={"commands": [script]})["Command"]["CommandId"]

    def ended():
        answer = ssm.get_command_invocation(CommandId=command, InstanceId=instance)
        return answer if answer["Status"] not in ("Pending", "InProgress", "Delayed") else None

    return until(ended, seconds, f"the end of {command} on {instance}")


def shell(server, instance, script, seconds=60):
    """Runs a script on the machine and returns its standard output."""
    answer = invoke(server, instance, script, seconds)
    assert answer["Status"] == "Success", answer
    return answer["StandardOutputContent"]


def steps(server, instance):
    """[(pre or post, command id)] in the order in which the scripts ran there."""
    text = shell(server, instance, "cat /var/tmp/steps 2>/dev/null || true")
    return [tuple(line.split()) for line in text.splitlines()]


def own(server, operation, value=None):
    """An operation of Stillpoint's own service, called by a plain signed request."""
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
    import urllib.request

    key, secret = server.credentials
    request = botocore.awsrequest.AWSRequest("POST", server.api + "/", data=json.dumps(value or {}), headers={
        "X-Amz-Target": f"Stillpoint_20261101.{operation}", "Content-Type": "application/x-amz-json-1.1"})
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret), "stillpoint", REGION).add_auth(request)
    with urllib.request.urlopen(urllib.request.Request(request.url, request.data.encode() if isinstance(request.data, str) else request.data,
                                                       dict(request.headers), method="POST"), timeout=30) as answer:
        return json.loads(answer.read())


def state_of(server, instance):
    return server.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"]


def settled(server, instance, seconds=60):
    """Nothing is owed to the machine, it runs and its agent is there."""
    until(lambda: state_of(server, instance) == "running", seconds, f"{instance} runs")
    until(lambda: not [d for d in own(server, "ListOwed").get("Debts", []) if d["InstanceId"] == instance], seconds, f"nothing is owed to {instance}")
    online(server, [instance], seconds)
