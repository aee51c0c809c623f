"""Signed calls below the SDK: for what its models do not know, refuse, or hide."""
import http.client
import json
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def send(server, service, method="POST", path="/", headers=None, body=b"", region="us-east-1", seconds=20):
    """One signed request as it stands; returns (status, headers in lower case, body bytes)."""
    key, secret = server.credentials
    request = AWSRequest(method=method, url=server.api + path, headers=dict(headers or {}), data=body)
    SigV4Auth(Credentials(key, secret), service, region).add_auth(request)
    prepared = request.prepare()
    where = urllib.parse.urlsplit(server.api)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=seconds)
    try:
        connection.request(method, path, body, dict(prepared.headers))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def call_json(server, service, target, body, version="1.0"):
    """An operation of a JSON protocol; returns (status, decoded body). `body` may be bytes, to be sent as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, _, answer = send(server, service, headers={"X-Amz-Target": target, "Content-Type": f"application/x-amz-json-{version}"}, body=data)
    return status, json.loads(answer or b"{}")


class Prepared:
    """Signed calls made ahead, to be sent as fast as they go: one connection for each of several threads, the answers' bodies decoded."""

    def __init__(self, server, service, target, bodies, version="1.1"):
        key, secret = server.credentials
        signer = SigV4Auth(Credentials(key, secret), service, "us-east-1")
        where = urllib.parse.urlsplit(server.api)
        self._where = (where.hostname, where.port)
        self._calls = []
        for body in bodies:
            request = AWSRequest(method="POST", url=server.api + "/", headers={"X-Amz-Target": target, "Content-Type": f"application/x-amz-json-{version}"}, data=json.dumps(body).encode())
            signer.add_auth(request)
            self._calls.append((request.data, dict(request.prepare().headers)))

    def _send(self, calls):
        connection = http.client.HTTPConnection(*self._where, timeout=60)
        answers = []
        for body, headers in calls:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            answers.append((answer.status, json.loads(answer.read() or b"{}")))
        connection.close()
        return answers

    def send(self, threads, connections=8):
        """Futures of lists of (status, body), one for each connection."""
        return [threads.submit(self._send, self._calls[first::connections]) for first in range(connections)]
