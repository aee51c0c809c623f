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
