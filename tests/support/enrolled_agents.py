"""Agents of this host as processes of their own, each with its own state directory: enrolled by a token as any host would be."""
import json
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import tempfile

from tests.support.own_model import stillpoint
from tests.support.server import BINARY
from tests.support.until import until


class Agent:
    """`stillpoint agent` on this host; close() ends it and the scripts it started."""

    def __init__(self, folder, server=None, token=None, hardware="hardware-1"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "state"
        self.server, self.token = server, token
        self.log_path = self.folder / "agent.log"
        self.hardware_file = self.folder / "hardware"
        self.hardware_file.write_text(hardware)
        self.process = None

    def start(self, *flags, token=None, env=None, user=None):
        words = [BINARY, "agent", "--state-dir", str(self.state), "--machine-id-file", str(self.hardware_file), *flags]
        if self.server:
            words += ["--server", self.server]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("STILLPOINT_ENROL")}
        if token or self.token:
            environment["STILLPOINT_ENROL_TOKEN"] = token or self.token
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, env={**environment, **(env or {})}, start_new_session=True, user=user)
        return self

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def logged(self, text, seconds=20):
        until(lambda: text in self.log(), seconds, f"{text!r} in the agent's log")

    @property
    def id(self):
        def enrolled():
            try:
                return json.loads((self.state / "agent.json").read_text())["agent"]
            except (OSError, ValueError):
                assert self.process is None or self.process.poll() is None, self.log()
                return None
        return until(enrolled, 20, "the agent's enrolment")

    @property
    def hardware(self):
        """The hash by which its hardware is known, as its hello tells it."""
        return json.loads((self.state / "agent.json").read_text())["machine"]

    def wait(self, seconds=20):
        return self.process.wait(seconds)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)

    def close(self):
        self.kill()
        # Scripts' supervisors outlive the agent by design.
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and str(self.state).encode() in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
            except (OSError, ValueError):
                continue


def token_of(server, **more):
    return stillpoint(server).create_enrolment_token(**more)


def pings(server):
    """Id -> PingStatus of every managed machine."""
    pages = server.client("ssm").get_paginator("describe_instance_information").paginate()
    return {one["InstanceId"]: one["PingStatus"] for page in pages for one in page["InstanceInformationList"]}


def pinged(server, instance, status, seconds=30):
    until(lambda: pings(server).get(instance) == status, seconds, f"{instance} {status}")


class Line:
    """The protocol spoken by hand, with an agent's certificate: what no good agent says."""

    def __init__(self, server, state, certificate=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=str(pathlib.Path(state) / "ca.pem"))
        if certificate:
            context.load_cert_chain(str(pathlib.Path(state) / "cert.pem"), str(pathlib.Path(state) / "key.pem"))
        context.set_alpn_protocols(["stillpoint-agent/1"])
        host, port = server.agents.rsplit(":", 1)
        self.socket = context.wrap_socket(socket.create_connection((host, int(port)), 10), server_hostname="stillpoint")
        self.socket.settimeout(20)

    def say(self, message):
        text = json.dumps(message).encode()
        self.socket.sendall(struct.pack(">I", len(text)) + text)

    def hear(self):
        """The next message; None when the server has closed."""
        def exactly(size):
            data = b""
            while len(data) < size:
                piece = self.socket.recv(size - len(data))
                if not piece:
                    return None
                data += piece
            return data
        head = exactly(4)
        return json.loads(exactly(struct.unpack(">I", head)[0])) if head else None

    def close(self):
        self.socket.close()


def post(server, path, body=b"", state=None, ca=None, method="POST"):
    """One HTTP request to the agents' port: status and parsed body. `state`: with that agent's certificate."""
    import http.client
    if ca is None:
        ca = pathlib.Path(state) / "ca.pem" if state else server.data / "ca" / "ca.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(ca))
    context.check_hostname = False
    if state:
        context.load_cert_chain(str(pathlib.Path(state) / "cert.pem"), str(pathlib.Path(state) / "key.pem"))
    host, port = server.agents.rsplit(":", 1)
    connection = http.client.HTTPSConnection(host, int(port), timeout=20, context=context)
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        text = answer.read()
        try:
            return answer.status, json.loads(text), dict(answer.getheaders())
        except ValueError:
            return answer.status, text.decode(errors="replace"), dict(answer.getheaders())
    finally:
        connection.close()


def certificate_request(key_bits="prime256v1"):
    """PEM of a request with a new key, as openssl makes it."""
    with tempfile.TemporaryDirectory() as folder:
        key, request = f"{folder}/key", f"{folder}/request"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{key_bits}", "-nodes", "-subj", "/CN=host", "-keyout", key,
                        "-out", request], check=True, capture_output=True, timeout=30)
        return pathlib.Path(request).read_text()
