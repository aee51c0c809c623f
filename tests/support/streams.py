"""Live output: server-sent events of a command's invocation, read as they come."""
import base64
import http.client
import json
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class Stream:
    """An open stream; events() yields (event, data) until the server ends it."""

    def __init__(self, server, command=None, instance=None, query="", last_event=None, signed=True, seconds=30, path=None):
        key, secret = server.credentials
        path = path or f"/_stream/commands/{command}/{instance}{query}"
        request = AWSRequest(method="GET", url=server.api + path, headers={"Last-Event-ID": last_event} if last_event else {})
        if signed:
            SigV4Auth(Credentials(key, secret), "stillpoint", "us-east-1").add_auth(request)
        where = urllib.parse.urlsplit(server.api)
        self.connection = http.client.HTTPConnection(where.hostname, where.port, timeout=seconds)
        self.connection.request("GET", path, headers=dict(request.prepare().headers))
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        self.last_id = None

    def events(self):
        event = data = None
        for raw in self.answer:
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif not line and data is not None:
                yield event, data
                event = data = None

    def until(self, stop):
        """Reads until `stop(event, data)`; what came, that one included."""
        came = []
        for event, data in self.events():
            came.append((event, data))
            if stop(event, data):
                return came
        raise AssertionError(f"the stream ended: {came[-3:]}")

    def close(self):
        self.connection.close()


def bytes_of(data):
    return base64.b64decode(data["base64"]) if "base64" in data else data["text"].encode()


def joined(events, stream="stdout"):
    return b"".join(bytes_of(data) for event, data in events if event == "output" and data["stream"] == stream)
