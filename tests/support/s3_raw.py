"""S3 requests signed by hand: what SDKs never send, and the aws-chunked bodies they send over https only."""
import datetime
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree

REGION = "us-east-1"
CHUNKED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CHUNKED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
EMPTY = hashlib.sha256(b"").hexdigest()


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    def code(self):
        return self.text("Code")

    def text(self, name):
        if not self.body:
            return ""
        for element in xml.etree.ElementTree.fromstring(self.body).iter():
            if element.tag.rpartition("}")[2] == name:
                return element.text or ""
        return ""


class Signer:
    """One request's SigV4 in S3's form; chunk signatures go on from its seed."""

    def __init__(self, server, method, target, headers, payload):
        key, self.secret = server.credentials
        host = urllib.parse.urlsplit(server.api).netloc
        self.time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.time[:8]}/{REGION}/s3/aws4_request"
        self.headers = {**headers, "Host": host, "x-amz-date": self.time, "x-amz-content-sha256": payload}
        lower = {name.lower(): " ".join(str(value).split()) for name, value in self.headers.items()}
        names = ";".join(sorted(lower))
        path, _, query = target.partition("?")
        pairs = [part.partition("=") for part in query.split("&") if part]
        canonical_query = "&".join(f"{name}={value}" for name, _, value in sorted(pairs))
        canonical = "\n".join([method, path, canonical_query, *(f"{name}:{lower[name]}" for name in sorted(lower)), "", names, payload])
        signing = f"AWS4{self.secret}".encode()
        for part in self.scope.split("/"):
            signing = _hmac(signing, part)
        self.signing = signing
        self.previous = self.sign("AWS4-HMAC-SHA256", hashlib.sha256(canonical.encode()).hexdigest())
        self.headers["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={key}/{self.scope}, SignedHeaders={names}, "
                                         f"Signature={self.previous}")

    def sign(self, kind, *lines):
        return _hmac(self.signing, "\n".join([kind, self.time, self.scope, *lines])).hex()

    def chunk(self, data):
        self.previous = self.sign("AWS4-HMAC-SHA256-PAYLOAD", self.previous, EMPTY, hashlib.sha256(data).hexdigest())
        return f"{len(data):x};chunk-signature={self.previous}\r\n".encode() + data + b"\r\n"

    def trailer(self, name, value):
        signature = self.sign("AWS4-HMAC-SHA256-TRAILER", self.previous, hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest())
        return f"{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n".encode()


def exchange(server, method, target, headers, body):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.api).netloc, timeout=30)
    connection.request(method, target, body=body, headers=headers)
    response = connection.getresponse()
    answer = Answer(response, response.read())
    connection.close()
    return answer


def send(server, method, target, body=b"", headers=None, payload=None):
    """A plain signed request. `payload`: what x-amz-content-sha256 says instead of the body's hash."""
    signer = Signer(server, method, target, headers or {}, payload or hashlib.sha256(body).hexdigest())
    return exchange(server, method, target, signer.headers, body)


def put_signed_chunks(server, target, chunks, spoil=None, trailer=None, headers=None):
    """aws-chunked with a signature for each chunk. `spoil` changes the encoded body; `trailer` is (name, value)."""
    length = sum(map(len, chunks))
    extra = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": length, **(headers or {})}
    if trailer:
        extra["x-amz-trailer"] = trailer[0]
    signer = Signer(server, "PUT", target, extra, CHUNKED_TRAILER if trailer else CHUNKED)
    encoded = b"".join(signer.chunk(chunk) for chunk in chunks)
    last = signer.chunk(b"")
    encoded += last[:-2] + signer.trailer(*trailer) + b"\r\n" if trailer else last
    return exchange(server, "PUT", target, signer.headers, spoil(encoded) if spoil else encoded)


def put_unsigned_trailer(server, target, chunks, name, value, headers=None):
    """What boto3 sends over https: chunks without signatures and a checksum behind them."""
    extra = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": sum(map(len, chunks)), "x-amz-trailer": name,
             **(headers or {})}
    signer = Signer(server, "PUT", target, extra, UNSIGNED_TRAILER)
    encoded = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks) + b"0\r\n" + f"{name}:{value}\r\n\r\n".encode()
    return exchange(server, "PUT", target, signer.headers, encoded)
