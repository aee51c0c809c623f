"""A small fleet for the workflow's tests: bare machines, scripts that leave traces, runs and what they did."""
import itertools
import json
import pathlib

from tests.support.until import until

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:PrePostBackup"
ROLE = "arn:aws:iam::000000000000:role/backup"
PATHS = {  # path: (pre, stop, post)
    1: (True, True, True), 2: (True, True, False), 3: (False, True, True), 4: (False, True, False),
    5: (True, False, True), 6: (True, False, False), 7: (False, False, True), 8: (False, False, False),
}
_names = itertools.count(1)


class Fleet:
    def __init__(self, server):
        self.server = server
        self.ec2, self.ssm, self.backup = server.client("ec2"), server.client("ssm"), server.client("backup")
        self.states, self.dynamodb, self.s3 = server.client("stepfunctions"), server.client("dynamodb"), server.client("s3")
        self.vault, self.bucket = "e2e", "e2e-scripts"
        self.machine = MACHINE
        if self.vault not in [v["BackupVaultName"] for v in self.backup.list_backup_vaults()["BackupVaultList"]]:
            self.backup.create_backup_vault(BackupVaultName=self.vault)
            self.s3.create_bucket(Bucket=self.bucket)
        self.script("pre.sh", "echo pre $(date +%s%N) >> /root/trace")
        self.script("post.sh", "echo post $(date +%s%N) >> /root/trace")

    def script(self, name, body):
        self.s3.put_object(Bucket=self.bucket, Key=name, Body=("#!/bin/sh\n" + body + "\n").encode())

    def machines(self, count, tag=None):
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "e2e", "Value": tag}]}] if tag else []
        made = self.ec2.run_instances(ImageId="ami-bare", MinCount=count, MaxCount=count, TagSpecifications=tags)["Instances"]
        ids = [i["InstanceId"] for i in made]
        until(lambda: all(self.state(i) == "running" and self.online(i) for i in ids), 60, "machines running and online")
        return ids

    def state(self, instance):
        return self.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"]

    def online(self, instance):
        nodes = self.ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [instance]}])["InstanceInformationList"]
        return any(n["InstanceId"] == instance and n["PingStatus"] == "Online" for n in nodes)

    def tree(self, instance, path):
        """A file inside the machine, seen from the host."""
        return pathlib.Path(self.server.data) / "machines" / instance / "root" / path.lstrip("/")

    def trace(self, instance):
        """Which scripts ran, in order."""
        done = self.shell(instance, "cat /root/trace 2>/dev/null || true")
        return [line.split()[0] for line in done.splitlines() if line.strip()]

    def shell(self, instance, command):
        sent = self.ssm.send_command(InstanceIds=[instance], DocumentName="AWS-RunShellScript", Parameters={"commands": [command]})["Command"]["CommandId"]
        return self.end_of(sent, instance)["StandardOutputContent"]

    def end_of(self, command, instance):
        def ended():
            got = self.ssm.get_command_invocation(CommandId=command, InstanceId=instance)
            return got if got["Status"] not in ("Pending", "InProgress", "Delayed", "Cancelling") else None
        return until(ended, 60, f"command {command}")

    def input(self, path, targets, pre="pre.sh", post="post.sh", **more):
        with_pre, stop, with_post = PATHS[path]
        scripts = {}
        if with_pre:
            scripts["PreBackupScriptDetails"] = {"SourceS3Path": f"s3://{self.bucket}/{pre}", "CommandToRun": f"sh {pre}", "TimeoutInSeconds": 60}
        if with_post:
            scripts["PostBackupScriptDetails"] = {"SourceS3Path": f"s3://{self.bucket}/{post}", "CommandToRun": f"sh {post}", "TimeoutInSeconds": "60"}
        where = {"TargetEC2TagKey": "e2e", "TargetEC2TagValue": targets} if isinstance(targets, str) else {"TargetEC2Instances": targets}
        return {**where, "StartStopEC2Required": stop, "RemoteRunCommandDetails": scripts,
                "BackupDetails": {"BackupVaultName": self.vault, "IamRoleArn": ROLE}, **more}

    def start(self, run_input):
        return self.states.start_execution(stateMachineArn=self.machine, name=f"e2e-{next(_names)}", input=json.dumps(run_input))["executionArn"]

    def ended(self, arn, seconds=120):
        def over():
            got = self.states.describe_execution(executionArn=arn)
            return got if got["status"] != "RUNNING" else None
        return until(over, seconds, f"the end of {arn}")

    def run(self, run_input):
        return self.ended(self.start(run_input))

    def row(self, arn):
        item = self.dynamodb.get_item(TableName="PrePostBackupLog", Key={"SM_Execution_ID": {"S": arn}}, ConsistentRead=True)["Item"]
        return {key: value["S"] for key, value in item.items()}

    def entries(self, arn):
        return {entry["InstanceId"]: entry for entry in json.loads(self.row(arn)["Workflow_Overall_Status"])}

    def steps(self, arn):
        """State names entered, in the order of history, of a run with one machine."""
        names, token = [], {}
        while True:
            page = self.states.get_execution_history(executionArn=arn, maxResults=1000, **token)
            names += [e["stateEnteredEventDetails"]["name"] for e in page["events"] if e["type"] == "TaskStateEntered"]
            if "nextToken" not in page:
                return names
            token = {"nextToken": page["nextToken"]}
