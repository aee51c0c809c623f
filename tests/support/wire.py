"""The wire by hand: raw HTTP on a socket, and SigV4 written out, so that every part of it can be wrong on purpose."""
import dataclasses
import datetime
import hashlib
import hmac
import re
import socket
import urllib.parse

REGION = "us-east-1"


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def code(self):
        """The error's code, in whatever protocol it came."""
        text = self.body.decode(errors="replace")
        named = re.search(r"<Code>([^<]*)</Code>", text) or re.search(r'"__type":"([^"]*)"', text)
        return named.group(1) if named else self.headers.get("x-amzn-errortype")

    def message(self):
        text = self.body.decode(errors="replace")
        found = re.search(r"<Message>([^<]*)</Message>", text) or re.search(r'"message":"((?:[^"\\]|\\.)*)"', text)
        return found.group(1).replace("&apos;", "'") if found else None


class Raw:
    """One connection to a server, byte for byte."""

    def __init__(self, server, seconds=20):
        host, port = server.api.split("//")[1].split(":")
        self.host = f"{host}:{port}"
        self.socket = socket.create_connection((host, int(port)), timeout=seconds)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _fill(self):
        piece = self.socket.recv(65536)
        self.buffer += piece
        return bool(piece)

    def answer(self, head=False):
        while b"\r\n\r\n" not in self.buffer:
            if not self._fill():
                raise AssertionError(f"the connection ended within {self.buffer!r}")
        top, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = top.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        length = 0 if head else int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            if not self._fill():
                raise AssertionError("the connection ended within a body")
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(int(lines[0].split(" ")[1]), headers, body)

    def closed(self):
        """Whether the server has closed its side."""
        try:
            return not self._fill()
        except ConnectionResetError:
            return True


def sha(data):
    return hashlib.sha256(data).hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def stamp(moment):
    return moment.strftime("%Y%m%dT%H%M%SZ")


@dataclasses.dataclass
class Signer:
    """Signs one request; each field may be set wrong."""
    key: str
    secret: str
    service: str
    region: str = REGION
    terminator: str = "aws4_request"
    moment: datetime.datetime = dataclasses.field(default_factory=now)
    scope_date: str = ""
    signature: str = ""

    def date(self):
        return self.scope_date or stamp(self.moment)[:8]

    def scope(self):
        return f"{self.date()}/{self.region}/{self.service}/{self.terminator}"

    def signing_key(self):
        key = mac(("AWS4" + self.secret).encode(), self.date())
        for part in (self.region, self.service, self.terminator):
            key = mac(key, part)
        return key

    def canonical_path(self, path):
        if self.service == "s3":
            return path
        return urllib.parse.quote(path, safe="/-_.~")

    def _sign(self, method, target, names, headers, payload):
        path, _, query = target.partition("?")
        pairs = sorted(pair if "=" in pair else pair + "=" for pair in query.split("&") if pair)
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
        canonical = "\n".join([method, self.canonical_path(path), "&".join(pairs), lines, ";".join(names), payload])
        text = "\n".join(["AWS4-HMAC-SHA256", stamp(self.moment), self.scope(), sha(canonical.encode())])
        self.signature = mac(self.signing_key(), text).hex()
        return self.signature

    def headers(self, method, target, headers, body=b"", payload=None):
        """`headers` and what the signature adds, names in lower case."""
        payload = payload or sha(body)
        made = {name.lower(): value for name, value in headers.items()}
        made["x-amz-date"] = stamp(self.moment)
        if self.service == "s3":
            made["x-amz-content-sha256"] = payload
        names = sorted(made)
        signature = self._sign(method, target, names, made, payload)
        made["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.key}/{self.scope()}, "
                                 f"SignedHeaders={';'.join(names)}, Signature={signature}")
        return made

    def presign(self, method, target, host, expires=60):
        query = urllib.parse.urlencode({
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.key}/{self.scope()}", "X-Amz-Date": stamp(self.moment),
            "X-Amz-Expires": expires, "X-Amz-SignedHeaders": "host"}, quote_via=urllib.parse.quote, safe="")
        whole = target + ("&" if "?" in target else "?") + query
        payload = "UNSIGNED-PAYLOAD" if self.service == "s3" else sha(b"")
        return whole + "&X-Amz-Signature=" + self._sign(method, whole, ["host"], {"host": host}, payload)

    def chunk(self, data):
        """One signed chunk after the last signature."""
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", stamp(self.moment), self.scope(), self.signature, sha(b""), sha(data)])
        self.signature = mac(self.signing_key(), text).hex()
        return b"%x;chunk-signature=%s\r\n" % (len(data), self.signature.encode()) + data + (b"\r\n" if data else b"")

    def trailer(self, name, value):
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", stamp(self.moment), self.scope(), self.signature, sha(f"{name}:{value}\n".encode())])
        return f"{name}:{value}\r\nx-amz-trailer-signature:{mac(self.signing_key(), text).hex()}\r\n\r\n".encode()


def request_bytes(method, target, headers, body=b"", length=True):
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if length and (body or method not in ("GET", "HEAD", "DELETE")):
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
