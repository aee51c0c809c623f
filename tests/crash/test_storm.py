"""All agents come back at once: the server is killed while a command to all of them is under way. bench/fleet_bench.py does it with 10,000."""
from tests.support.runs import launch, online
from tests.support.until import until

MACHINES = 12
KILLS = 3


def test_killed_while_results_come_in(fresh_server):
    server = fresh_server
    machines = launch(server, MACHINES, tags={"storm": "1"})
    for kill in range(KILLS):
        ssm = server.client("ssm")
        # Some end before the kill, some while nobody listens, some after.
        command = ssm.send_command(Targets=[{"Key": "tag:storm", "Values": ["1"]}], DocumentName="AWS-RunShellScript", MaxConcurrency="100%", Parameters={
            "commands": [f"echo {kill} >> /root/marks", "sleep 0.$(( $(cksum < /etc/hostname | cut -c1-2) % 9 ))", "hostname"]})["Command"]["CommandId"]
        until(lambda: ssm.list_commands(CommandId=command)["Commands"][0]["CompletedCount"] > kill, 30, "the first results", every=0.005)
        server.kill()
        server.start()
        ssm = server.client("ssm")
        until(lambda: ssm.list_commands(CommandId=command)["Commands"][0]["Status"] not in ("Pending", "InProgress"), 60, "the command's end")
        told = ssm.list_commands(CommandId=command)["Commands"][0]
        assert (told["Status"], told["CompletedCount"], told["ErrorCount"]) == ("Success", MACHINES, 0)
        got = {one["InstanceId"]: one["CommandPlugins"][0]["Output"] for one in ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]}
        assert set(got) == set(machines)
        assert len(set(got.values())) == MACHINES, "each machine's own output"
        online(server, machines)
    for machine in machines:
        marks = (server.data / "machines" / machine / "root/root/marks").read_text().split()
        assert marks == [str(kill) for kill in range(KILLS)], "each script once, in order"
