"""The Debian package: what is in it, and that it installs, upgrades, goes and is purged as a package should, in a root of its own."""
import os
import pathlib
import shutil
import subprocess

import pytest

from tests.support import server as support
from tests.support.own_model import stillpoint
from tests.support.server import BINARY, ROOT
from tests.support.until import until


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, check=False, **more)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    missing = [name for name in ("dpkg-deb", "dpkg-shlibdeps", "strip") if not shutil.which(name)]
    if missing:
        pytest.skip(f"{missing} are missing: run ./x deps build")
    return pathlib.Path(run("bash", ROOT / "tools" / "package", BINARY, tmp_path_factory.mktemp("package")).strip())


class Root:
    """A file tree with a dpkg of its own; the libraries that the package needs are the host's."""

    def __init__(self, path):
        self.path = path
        for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"):
            (path / name).mkdir(parents=True)
        for name in ("status", "available"):
            (path / "var/lib/dpkg" / name).touch()

    def dpkg(self, *words):
        return run("dpkg", f"--root={self.path}", "--force-depends", "--force-script-chrootless", "--force-confold", "--log=/dev/null", *words,
                   env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})

    def status(self):
        return run("dpkg-query", f"--admindir={self.path}/var/lib/dpkg", "-W", "-f", "${db:Status-Abbrev}", "stillpoint").strip()


def test_what_is_in_the_package(package):
    fields = run("dpkg-deb", "-f", package)
    assert "Package: stillpoint" in fields and "restic" in fields and "libssl3" in fields and "@" not in fields.replace("stillpoint@localhost", "")
    listed = {line.split()[-1]: line for line in run("dpkg-deb", "-c", package).splitlines()}
    for name in ("usr/bin/stillpoint", "lib/systemd/system/stillpoint.service", "lib/systemd/system/stillpoint-agent.service", "etc/stillpoint/stillpoint.toml",
                 "usr/share/bash-completion/completions/stillpoint", "usr/share/doc/stillpoint/power.md", "usr/share/man/man1/stillpoint.1.gz"):
        assert f"./{name}" in listed, name
    assert all("root/root" in line for line in listed.values())
    # Nothing of the data directories: the first start makes them.
    assert not any("/var/" in name for name in listed)


def test_the_same_commit_gives_the_same_bytes(package, tmp_path):
    again = pathlib.Path(run("bash", ROOT / "tools" / "package", BINARY, tmp_path).strip())
    assert again.name == package.name and again.read_bytes() == package.read_bytes()


def test_units_are_what_the_program_does(package, tmp_path):
    run("dpkg-deb", "-x", package, tmp_path)
    for unit in ("stillpoint.service", "stillpoint-agent.service"):
        text = (tmp_path / "lib/systemd/system" / unit).read_text()
        assert "Type=notify" in text and "WatchdogSec=" in text and "KillMode=process" in text
        command = next(line for line in text.splitlines() if line.startswith("ExecStart=")).removeprefix("ExecStart=").split()
        known = run(tmp_path / "usr/bin/stillpoint", command[1], "--help")
        assert command[0] == "/usr/bin/stillpoint" and all(word in known for word in command if word.startswith("--")), command
    # The configuration is one that the server takes.
    config = (tmp_path / "etc/stillpoint/stillpoint.toml").read_text()
    (tmp_path / "all.toml").write_text(config.replace('#data_dir', 'data_dir').replace('"/var/lib/stillpoint"', f'"{tmp_path}/data"').replace("\n#[", "\n[")
                                       .replace("\n#stop_", "\nstop_").replace("\n#kept", "\nkept").replace("\n#level", "\nlevel").replace("\n#format", "\nformat")
                                       .replace("[tls]", "#"))
    done = subprocess.run(["timeout", "-s", "TERM", "5", tmp_path / "usr/bin/stillpoint", "serve", "--config", tmp_path / "all.toml", "--listen", "192.0.2.1:0"],
                          capture_output=True, text=True, check=False)
    assert "192.0.2.1" in done.stderr and "unknown" not in done.stderr, done.stderr


def test_install_upgrade_remove_and_purge(package, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("dpkg wants root")
    root = Root(tmp_path / "root")
    root.dpkg("-i", package)
    assert root.status() == "ii"
    assert "serve" in run(root.path / "usr/bin/stillpoint", "--help")
    # Neither unit is enabled, no data is made.
    assert not list(root.path.glob("etc/systemd/**/*stillpoint*")) and not (root.path / "var/lib/stillpoint").exists()
    config = root.path / "etc/stillpoint/stillpoint.toml"
    config.write_text('data_dir = "/srv/stillpoint"\n')
    data = root.path / "var/lib/stillpoint"
    data.mkdir()
    (data / "store.db").touch()
    root.dpkg("-i", package)
    assert config.read_text() == 'data_dir = "/srv/stillpoint"\n', "an upgrade keeps what the administrator wrote"
    root.dpkg("-r", "stillpoint")
    assert config.exists() and not (root.path / "usr/bin/stillpoint").exists()
    root.dpkg("-P", "stillpoint")
    assert not config.exists() and not (root.path / "etc/stillpoint").exists()
    assert (data / "store.db").exists(), "backups are not a package's to delete"


def test_a_replaced_program_replaces_the_hosts_agent_and_ends_no_script(tmp_path, monkeypatch):
    program = tmp_path / "stillpoint"
    shutil.copy(BINARY, program)
    monkeypatch.setattr(support, "BINARY", str(program))
    server = support.Server(tmp_path / "data-dir")
    server.directory.mkdir()
    server.start()
    try:
        pid_file = server.data / "host-agent" / "pid"
        before = until(lambda: pid_file.exists() and pid_file.read_text())
        # A power change of the old agent's is under way when its program is replaced.
        folder = tmp_path / "machine"
        folder.mkdir()
        (folder / "state").write_text("running\n")
        for name, body in {"start": "true", "status": "cat state", "stop": "echo stop >> calls; while [ ! -e go ]; do sleep 0.05; done; echo off > state"}.items():
            (folder / name).write_text(f"#!/bin/sh\ncd {folder}\n{body}\n")
            (folder / name).chmod(0o755)
        own, ec2 = stillpoint(server), server.client("ec2")
        instance = own.add_instance(Driver="exec", Power={name.capitalize(): [f"{folder}/{name}"] for name in ("start", "stop", "status")})["InstanceId"]
        until(lambda: own.list_instances(InstanceId=instance)["Instances"][0]["PowerKnown"])
        ec2.stop_instances(InstanceIds=[instance])
        until((folder / "calls").exists)
        shutil.copy(BINARY, tmp_path / "new")
        os.replace(tmp_path / "new", program)
        server.restart()
        until(lambda: pid_file.read_text() != before, 30, "the new host's agent")
        (folder / "go").touch()
        until(lambda: server.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"] == "stopped", 30)
        assert (folder / "calls").read_text() == "stop\n"
    finally:
        server.close()
