"""An agent that hangs while its machine is frozen, with nobody to restart it: the freeze guard ends it, and what comes after it thaws."""
import os
import signal

import pytest

from tests.support import runs
from tests.support.agents import agents_of
from tests.support.own_model import stillpoint
from tests.support.server import Server
from tests.support.until import until

FROZEN = "var/tmp/frozen"


@pytest.fixture
def server(tmp_path):
    (tmp_path / "config.toml").write_text("[runs]\nfreeze_lease_seconds = 3\n")
    running = Server(tmp_path, args=["--config", str(tmp_path / "config.toml")]).start()
    runs.upload_scripts(running, pre=f"#!/bin/sh\ntouch /{FROZEN}\nexec sleep 1000\n", post=f"#!/bin/sh\nrm /{FROZEN}\n")
    yield running
    running.close()


def test_an_agent_that_hangs_keeps_no_machine_frozen(server):
    machine = runs.launch(server)[0]
    root = server.data / "machines" / machine / "root"
    scripts = {f"{part.capitalize()}BackupScriptDetails": {"SourceS3Path": f"s3://{runs.BUCKET}/{part}.sh", "CommandToRun": f"{part}.sh"} for part in ("pre", "post")}
    run = runs.start(server, "hangs", {"TargetEC2Instances": [machine], "Rehearsal": True, "RemoteRunCommandDetails": scripts})
    until(lambda: (root / FROZEN).exists(), 30, "it is frozen")
    hung = agents_of(server, machine)
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    # Its lease, and the time that an agent has to note the end of one.
    until(lambda: not (root / FROZEN).exists(), 90, "it is thawed")
    assert not set(hung) & set(agents_of(server, machine))
    ended = runs.finished(server, run, 90)
    assert (ended["status"], ended["error"]) == ("FAILED", "Stillpoint.PreScriptFailed"), ended
    until(lambda: not stillpoint(server).list_owed(InstanceId=machine)["Debts"], 60, "nothing is owed")
