"""A real `stillpoint serve` on a free port with a data directory of its own."""
import configparser
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading

import boto3
import botocore.config

from tests.support.until import until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("STILLPOINT_BIN", str(ROOT / "build" / "stillpoint"))
REGION = "us-east-1"
ACCOUNT = "000000000000"


# One session for all clients: it parses each service's model once (EC2's takes half a second). Making clients is not
# thread-safe, using them is.
_session = boto3.session.Session()
_session_lock = threading.Lock()


class Server:
    """Started by start(); kill() is kill -9; restart() stops and starts on the same data; close() also removes its machines."""

    def __init__(self, directory, args=(), env=None):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "state"
        self.args = list(args)
        self.env = dict(env or {})
        self.process = None
        self.log_path = self.directory / "server.log"
        self.api = self.agents = ""

    def start(self, seconds=30):
        if os.environ.get("STILLPOINT_DUMMY"):
            return DummyServer()  # for tests that start servers of their own
        log = open(self.log_path, "ab")
        self.log_start = log.tell()
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data-dir", str(self.data), "--listen", "127.0.0.1:0", "--console-listen", "127.0.0.1:0",
             "--agent-listen", "127.0.0.1:0", *self.args],
            stdout=subprocess.PIPE, stderr=log, env={**os.environ, **self.env}, text=True)
        log.close()
        line = self.process.stdout.readline()
        ready = re.match(r"stillpoint ready api=(http\S+)(?: console=\S+)? agents=(\S+)", line)
        if not ready:
            self.process.wait(seconds)
            raise AssertionError(f"no ready line but {line!r}; log:\n{self.log()}")
        self.api, self.agents = ready.group(1), ready.group(2)
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")[-20000:]

    def log_of_this_start(self):
        return self.log_path.read_bytes()[self.log_start:].decode(errors="replace")

    @property
    def credentials(self):
        parser = configparser.ConfigParser()
        parser.read(self.data / "credentials")
        return parser["default"]["aws_access_key_id"], parser["default"]["aws_secret_access_key"]

    def client(self, service, **config):
        key, secret = self.credentials
        settings = {"retries": {"max_attempts": 1}, "connect_timeout": 5, "read_timeout": 60, "parameter_validation": True, **config}
        if service == "s3":
            settings.setdefault("s3", {"addressing_style": "path"})
        with _session_lock:
            return _session.client(service, endpoint_url=self.api, region_name=REGION, aws_access_key_id=key, aws_secret_access_key=secret,
                                   config=botocore.config.Config(**settings))

    def aws_env(self):
        return {"PATH": os.environ["PATH"], "HOME": str(self.directory), "AWS_SHARED_CREDENTIALS_FILE": str(self.data / "credentials"),
                "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}

    def aws(self, words, check=True, **options):
        """Debian's AWS CLI pointed here; returns parsed JSON (or text)."""
        done = subprocess.run(["/usr/bin/aws", "--endpoint-url", self.api, "--output", "json", *words], env=self.aws_env(),
                              capture_output=True, text=True, timeout=120, check=False, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"aws {' '.join(words)}: {done.stderr}")
        if not check:
            return done
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def cli(self, words, check=True, **options):
        """The program's own verbs on this server's data directory."""
        done = subprocess.run([BINARY, *words, "--data-dir", str(self.data)], capture_output=True, text=True, timeout=180, check=False, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"stillpoint {' '.join(words)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self, seconds=30):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self.process.stdout.close()
        return code

    def restart(self):
        if self.process.poll() is None:
            self.stop()
        return self.start()

    def processes(self):
        """Pids of everything that belongs to this data directory: agents, machines, scripts."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.data).encode() in words and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        return found

    def machines(self):
        """First processes of the machines that run: their command lines do not name the data directory."""
        found = []
        for state in self.data.glob("machines/i-*/state.json"):
            try:
                value = json.loads(state.read_text())
                # The number may be another process's by now; its namespace is not.
                if os.readlink(f"/proc/{value['pid']}/ns/pid") == value["namespace"]:
                    found.append(value["pid"])
            except (OSError, ValueError):
                continue
        return found

    def keep_reports(self):
        """Copies what sanitizers wrote to the logs that end with the directory (an agent in a machine knows no log_path)."""
        folder = os.environ.get("STILLPOINT_REPORTS")
        if not folder:
            return
        for log in [self.log_path, *self.data.glob("host-agent/agent.log"), *self.data.glob("machines/i-*/root/var/log/console.log")]:
            text = log.read_text(errors="replace") if log.is_file() else ""
            if re.search(r"Sanitizer|runtime error:", text):
                name = "-".join(log.relative_to(self.directory).parts)
                (pathlib.Path(folder) / f"{os.getpid()}-{self.directory.name}-{name}").write_text(text)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process.stdout.close()
        # The host agent and the machines outlive the server by design: the test ends them.

        def gone():
            left = self.processes() + self.machines()
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not left

        until(gone, 20, "the end of all processes of the data directory")
        self.keep_reports()
        shutil.rmtree(self.directory, ignore_errors=True)


class DummyServer:
    """Answers 200 and `{}` to everything: no named test may pass against it."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body leave together: apart they would wait for each other's acknowledgement (40 ms a call).
            wbufsize = -1
            disable_nagle_algorithm = True

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(b"{}")

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.api = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.agents = "127.0.0.1:1"
        self.credentials = ("AKIADUMMY", "secret")
        self.data = pathlib.Path("/nonexistent")

    client = Server.client
    aws = Server.aws

    def aws_env(self):
        return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": self.credentials[0], "AWS_SECRET_ACCESS_KEY": self.credentials[1],
                "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}

    def __getattr__(self, name):
        raise AssertionError(f"the dummy server cannot {name}")

    def close(self):
        self.http.shutdown()
