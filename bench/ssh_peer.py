"""`true` by ssh on loopback, beside which a command's round trip is shown: what administrators have today. Needs openssh-server and
openssh-client; works as root, with keys, a configuration and a port of its own."""
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

SSHD = "/usr/sbin/sshd"
CONFIG = """ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host
AuthorizedKeysFile {directory}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""


def missing():
    """Why ssh cannot be measured here; None: it can."""
    if not (os.access(SSHD, os.X_OK) and shutil.which("ssh")):
        return "openssh-server and openssh-client are not installed"
    return None if os.geteuid() == 0 else "sshd needs root"


class SshPeer:
    """sshd for as long as the block runs."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="stillpoint-ssh-")
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.directory}/{name}"], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = pathlib.Path(self.directory, "sshd_config")
        config.write_text(CONFIG.format(port=self.port, directory=self.directory))
        self.log = open(f"{self.directory}/log", "wb")
        self.server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 10
        while subprocess.run(self.words(), capture_output=True, check=False).returncode != 0:
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"sshd does not answer: {pathlib.Path(self.directory, 'log').read_text(errors='replace')}")
        return self

    def __exit__(self, *_):
        subprocess.run([*self.words("-O", "exit")[:-1]], capture_output=True, check=False)
        self.server.terminate()
        self.server.wait()
        self.log.close()
        shutil.rmtree(self.directory)

    def words(self, *options):
        return ["ssh", "-F", "none", "-i", f"{self.directory}/user", "-p", str(self.port), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", f"ControlPath={self.directory}/master", *options, "root@127.0.0.1", "true"]

    def median_ms(self, runs, *options):
        times = []
        for _ in range(runs):
            begin = time.monotonic()
            subprocess.run(self.words(*options), check=True)
            times.append((time.monotonic() - begin) * 1000)
        return sorted(times)[runs // 2]

    def cold(self, runs=20):
        """Median in ms: a connection for each."""
        return self.median_ms(runs)

    def warm(self, runs=50):
        """Median in ms: all over one connection that is there (ControlMaster)."""
        subprocess.run(self.words("-o", "ControlMaster=yes", "-o", "ControlPersist=60"), check=True)
        return self.median_ms(runs)
