"""The contracts of `serve` and `env`: ready line, data directory, credentials, ports, errors, shutdown."""
import json
import os
import pathlib
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile

import pytest

from tests.support.server import ACCOUNT, BINARY, Server
from tests.support.until import until


def serve(*args, env=None):
    """A serve that is expected to end by itself: (exit status, stdout, stderr)."""
    done = subprocess.run([BINARY, "serve", *args], capture_output=True, text=True, timeout=30, check=False, env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def test_ready_line_tells_the_real_ports_and_endpoints_json_repeats_them(server):
    endpoints = json.loads((server.data / "endpoints.json").read_text())
    assert endpoints["api"] == server.api and endpoints["agents"] == server.agents
    assert endpoints["pid"] == server.process.pid
    assert stat.S_IMODE((server.data / "endpoints.json").stat().st_mode) == 0o644
    assert not server.api.endswith(":0")


def test_credentials_are_private_and_work(server):
    assert stat.S_IMODE((server.data / "credentials").stat().st_mode) == 0o600
    assert server.client("sts").get_caller_identity()["Account"] == ACCOUNT


def test_files_of_the_data_directory_are_private(server):
    for name in ("store.db", "lock", "ports.json"):
        assert stat.S_IMODE((server.data / name).stat().st_mode) & 0o077 == 0, name


def test_a_second_server_on_the_data_directory_is_refused_and_named(server):
    code, _, err = serve("--data-dir", str(server.data), "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0")
    assert code == 1
    assert str(server.data) in err and f"process {server.process.pid}" in err
    assert server.client("sts").get_caller_identity()["Account"] == ACCOUNT


def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = serve("--data-dir", str(tmp_path / "state"), "--listen", f"127.0.0.1:{port}", "--agent-listen", "127.0.0.1:0")
    assert code == 1 and f"127.0.0.1:{port}" in err and "in use" in err


def test_ports_are_the_same_after_a_restart(fresh_server):
    before = (fresh_server.api, fresh_server.agents)
    fresh_server.restart()
    assert (fresh_server.api, fresh_server.agents) == before


def test_sigterm_ends_it_with_status_0_and_withdraws_the_endpoints(fresh_server):
    assert fresh_server.stop() == 0
    assert not (fresh_server.data / "endpoints.json").exists()
    done = fresh_server.cli(["list"], check=False)
    assert done.returncode == 1 and "no server runs" in done.stderr


def test_a_killed_server_is_told_from_a_running_one(fresh_server):
    fresh_server.kill()
    done = fresh_server.cli(["list"], check=False)
    assert done.returncode == 1 and "is gone" in done.stderr


def test_root_key_of_the_environment(tmp_path):
    key = {"STILLPOINT_ROOT_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST", "STILLPOINT_ROOT_SECRET_ACCESS_KEY": "secret/secret/secret"}
    server = Server(tmp_path, env=key).start()
    try:
        assert server.credentials == ("AKIATESTTESTTESTTEST", "secret/secret/secret")
        assert server.client("sts").get_caller_identity()["Account"] == ACCOUNT
    finally:
        server.close()


def test_half_a_root_key_is_refused(tmp_path):
    code, _, err = serve("--data-dir", str(tmp_path / "state"), env={"STILLPOINT_ROOT_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST"})
    assert code == 1 and "must be given together" in err


def test_beyond_loopback_needs_tls_or_insecure(tmp_path):
    code, _, err = serve("--data-dir", str(tmp_path / "state"), "--listen", "0.0.0.0:0")
    assert code == 1 and "--insecure" in err and "0.0.0.0:0" in err


def test_failpoints_are_refused_beyond_loopback(tmp_path):
    points = tmp_path / "points"
    points.write_text("")
    code, _, err = serve("--data-dir", str(tmp_path / "state"), "--listen", "0.0.0.0:0", "--insecure", "--failpoints", str(points))
    assert code == 1 and "loopback" in err


@pytest.mark.parametrize("text, said", [("lissten = 1", ":1:1: unknown key lissten"), ("listen = 7", "listen must be a string"), ("listen =", ":1:"),
                                        ('[realm]\naccount = "7"', ":2:1: realm.account '7'"), ('[tls]\ncert = "/nonexistent/c"\nkey = "/nonexistent/k"', ":2:1: ")])
def test_configuration_errors_name_the_place(tmp_path, text, said):
    config = tmp_path / "config.toml"
    config.write_text(text)
    code, _, err = serve("--config", str(config), "--data-dir", str(tmp_path / "state"))
    assert code == 1 and said in err
    assert not (tmp_path / "state").exists(), "a refused configuration changes nothing"


def test_a_certificate_that_is_none_is_told_where_it_stands(tmp_path):
    (tmp_path / "c.pem").write_text("no certificate")
    (tmp_path / "config.toml").write_text(f'[tls]\ncert = "{tmp_path}/c.pem"\nkey = "{tmp_path}/c.pem"\n')
    code, _, err = serve("--config", str(tmp_path / "config.toml"), "--data-dir", str(tmp_path / "state"), "--listen", "127.0.0.1:0")
    assert code == 1 and "config.toml:1:" in err and "c.pem as the TLS certificate chain" in err, err


def test_a_flag_has_no_place_in_the_file(tmp_path):
    (tmp_path / "config.toml").write_text('listen = "127.0.0.1:0"\n')
    code, _, err = serve("--config", str(tmp_path / "config.toml"), "--data-dir", str(tmp_path / "state"), "--listen", "nowhere")
    assert code == 1 and "--listen" in err and "config.toml" not in err, err


def test_configured_realm_stands_in_arns(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[realm]\naccount = "123456789012"\nregion = "eu-central-1"\n')
    server = Server(tmp_path, args=["--config", str(config)]).start()
    try:
        key, secret = server.credentials
        import boto3

        sts = boto3.client("sts", endpoint_url=server.api, region_name="eu-central-1", aws_access_key_id=key, aws_secret_access_key=secret)
        assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:root"
    finally:
        server.close()


def test_env_points_an_old_aws_cli_here(server):
    script = f'eval "$({BINARY} env --data-dir {server.data} 2>/dev/null)"; aws sts get-caller-identity --output text --query Account'
    env = {"PATH": "/usr/bin:/bin", "HOME": str(server.directory), "AWS_ACCESS_KEY_ID": "AKIAWRONG", "AWS_PROFILE": "nobody"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env, timeout=60, check=False)
    assert done.stdout.strip() == ACCOUNT, done.stderr


def test_env_warns_of_an_old_boto3(server):
    done = subprocess.run([BINARY, "env", "--data-dir", str(server.data)], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, timeout=60, check=True)
    assert "endpoint_url=os.environ" in done.stderr
    for name in ("AWS_ENDPOINT_URL", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED"):
        assert f"export {name}=" in done.stdout
    assert "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE" in done.stdout


def test_aws_verb_runs_the_cli_here(server):
    done = subprocess.run([BINARY, "aws", "--data-dir", str(server.data), "sts", "get-caller-identity", "--output", "text", "--query", "Account"],
                          capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "HOME": "/"}, timeout=60, check=False)
    assert done.stdout.strip() == ACCOUNT, done.stderr


def test_env_and_aws_know_the_own_operations_from_any_folder(server):
    script = f'eval "$({BINARY} env --data-dir {server.data.name} 2>/dev/null)"; cd /; aws stillpoint list-owed --output text --query "length(Debts)"'
    env = {"PATH": "/usr/bin:/bin", "HOME": str(server.directory)}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env, timeout=60, check=False, cwd=server.data.parent)
    assert done.stdout.strip() == "0", done.stderr
    words = [BINARY, "aws", "--data-dir", server.data.name, "stillpoint", "list-owed", "--output", "text", "--query", "length(Debts)"]
    done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=60, check=False, cwd=server.data.parent)
    assert done.stdout.strip() == "0", done.stderr


def test_unreadable_credentials_name_file_owner_and_sudo():
    with tempfile.TemporaryDirectory() as directory:
        # A folder and a binary that another user may enter and run.
        os.chmod(directory, 0o755)
        binary = shutil.copy(BINARY, directory)
        server = Server(directory).start()
        try:
            words = [binary, "list", "--data-dir", str(server.data)]
            if os.geteuid() == 0:
                words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words]
            else:
                os.chmod(server.data / "credentials", 0)
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd="/")
            owner = pwd.getpwuid(os.geteuid()).pw_name
            assert done.returncode == 1
            assert str(server.data / "credentials") in done.stderr
            assert f"owner {owner}" in done.stderr and f"sudo -u {owner} stillpoint" in done.stderr
        finally:
            server.close()


def test_logs_carry_no_secret(server):
    server.client("sts").get_caller_identity()
    _, secret = server.credentials
    assert secret not in server.log()


def test_memory_of_an_idle_server_is_bounded(server):
    rollup = pathlib.Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    assert until(lambda: "Pss_Anon" in rollup, 1)
    anonymous = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(("Pss_Anon", "Pss_Shmem")))
    assert anonymous < 200 * 1024, "an idle server far above its goal of 40 MiB (bench/server_bench.py measures it)"
