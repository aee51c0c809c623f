"""An agent that does as it likes: a machine's own certificate, and frames and requests made by hand."""
import http.client
import json
import socket
import ssl
import struct


class RawAgent:
    """A session on the agents' port with the certificate of that machine's agent."""

    def __init__(self, server, state, protocol="stillpoint-agent/1", seconds=10):
        self.host, port = server.agents.rsplit(":", 1)
        self.port = int(port)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(state / "ca.pem")
        context.load_cert_chain(state / "cert.pem", state / "key.pem")
        context.set_alpn_protocols([protocol])
        self.context = context
        self.seconds = seconds
        self.socket = None

    def connect(self):
        plain = socket.create_connection((self.host, self.port), timeout=self.seconds)
        self.socket = self.context.wrap_socket(plain)
        return self

    def send(self, message):
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.socket.sendall(struct.pack(">I", len(body)) + body)

    def hello(self, agent, **more):
        self.send({"type": "hello", "agent": agent, "bootId": "raw", "version": 1, "hostname": "raw", "open": [], **more})
        return self

    def receive(self):
        """The next message; None at the end of the session."""
        try:
            head = self._exactly(4)
            return None if head is None else json.loads(self._exactly(struct.unpack(">I", head)[0]))
        except (ConnectionError, ssl.SSLError):
            return None

    def until(self, kind):
        while (message := self.receive()) is not None:
            if message["type"] == kind:
                return message
        raise AssertionError(f"the session ended before '{kind}'")

    def closed_by_server(self):
        while self.receive() is not None:
            pass
        return True

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                return None
            data += piece
        return data

    def put(self, path, body=b""):
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.seconds, context=self.context)
        try:
            connection.request("PUT", path, body)
            answer = connection.getresponse()
            return answer.status, answer.getheader("X-Have"), answer.read()
        finally:
            connection.close()

    def close(self):
        if self.socket:
            self.socket.close()
