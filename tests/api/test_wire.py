"""HTTP and signatures, byte by byte, for every protocol (docs/api has no page for this: it is the same for all services)."""
import base64
import binascii
import datetime
import urllib.parse

import pytest

from tests.support.wire import Raw, Signer, now, request_bytes, sha, stamp

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}

# protocol: service, method, target, headers, body
REQUESTS = {
    "json10": ("dynamodb", "POST", "/", {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.ListTables"}, b"{}"),
    "json11": ("ssm", "POST", "/", {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.ListCommands"}, b"{}"),
    "restjson": ("backup", "GET", "/backup-vaults/", {"content-type": "application/json"}, b""),
    "query": ("sts", "POST", "/", FORM, b"Action=GetCallerIdentity&Version=2011-06-15"),
    "ec2": ("ec2", "POST", "/", FORM, b"Action=DescribeInstances&Version=2016-11-15"),
    "s3": ("s3", "GET", "/", {}, b""),
}


class Case:
    def __init__(self, server, protocol):
        self.service, self.method, self.target, self.plain, self.body = REQUESTS[protocol]
        self.raw = Raw(server)
        key, secret = server.credentials
        self.signer = Signer(key, secret, self.service)
        self.plain = {"host": self.raw.host, **self.plain}
        self.after = lambda headers: headers

    def answer(self):
        headers = self.after(self.signer.headers(self.method, self.target, self.plain, self.body))
        with self.raw as raw:
            raw.send(request_bytes(self.method, self.target, headers, self.body))
            return raw.answer()


def without_authorization(case):
    def drop(headers):
        del headers["authorization"]
        return headers
    case.after = drop


def authorization(change):
    def apply(case):
        def edit(headers):
            headers["authorization"] = change(headers["authorization"])
            return headers
        case.after = edit
    return apply


def setting(**fields):
    def apply(case):
        for name, value in fields.items():
            setattr(case.signer, name, value)
    return apply


def skewed(minutes):
    def apply(case):
        case.signer.moment = now() + datetime.timedelta(minutes=minutes)
    return apply


def extra_header(case):
    case.after = lambda headers: {**headers, "x-amz-extra": "1"}


JSON, REST, QUERY, EC2, S3 = "json10", "restjson", "query", "ec2", "s3"
SIGNATURE = {JSON: ("InvalidSignatureException", 400), REST: ("InvalidSignatureException", 403), QUERY: ("SignatureDoesNotMatch", 403), EC2: ("AuthFailure", 401)}
CONDITIONS = {
    "no credentials": (without_authorization, {
        JSON: ("MissingAuthenticationTokenException", 400), REST: ("MissingAuthenticationTokenException", 403),
        QUERY: ("MissingAuthenticationToken", 403), EC2: ("MissingParameter", 400), S3: ("AccessDenied", 403)}),
    "malformed header": (authorization(lambda text: text.replace("SignedHeaders=", "Headers=")), {
        JSON: ("IncompleteSignatureException", 400), REST: ("IncompleteSignatureException", 403), QUERY: ("IncompleteSignature", 400),
        EC2: ("IncompleteSignature", 400), S3: ("AuthorizationHeaderMalformed", 400)}),
    "unknown key": (setting(key="AKIAUNKNOWN"), {
        JSON: ("UnrecognizedClientException", 400), REST: ("UnrecognizedClientException", 403), QUERY: ("InvalidClientTokenId", 403),
        EC2: ("AuthFailure", 401), S3: ("InvalidAccessKeyId", 403)}),
    "wrong secret": (setting(secret="wrong"), {**SIGNATURE, S3: ("SignatureDoesNotMatch", 403)}),
    "wrong region": (setting(region="mars-north-1"), {**SIGNATURE, S3: ("AuthorizationHeaderMalformed", 400)}),
    "wrong terminator": (setting(terminator="aws5_request"), {**SIGNATURE, S3: ("AuthorizationHeaderMalformed", 400)}),
    "wrong scope date": (setting(scope_date="20200101"), {**SIGNATURE, S3: ("AuthorizationHeaderMalformed", 400)}),
    "16 minutes old": (skewed(-16), {**SIGNATURE, S3: ("RequestTimeTooSkewed", 403)}),
    "16 minutes ahead": (skewed(16), {**SIGNATURE, S3: ("RequestTimeTooSkewed", 403)}),
    "unsigned x-amz header": (extra_header, {**SIGNATURE, S3: ("AccessDenied", 403)}),
}


def expected(table, protocol):
    return table[JSON if protocol == "json11" else protocol]


@pytest.mark.parametrize("protocol", REQUESTS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_fault_gets_the_answer_of_its_protocol(server, protocol, condition):
    change, table = CONDITIONS[condition]
    case = Case(server, protocol)
    change(case)
    answer = case.answer()
    assert (answer.code(), answer.status) == expected(table, protocol)
    assert answer.message()
    request_id = answer.headers.get("x-amz-request-id" if protocol == "s3" else "x-amzn-requestid")
    assert request_id and "date" in answer.headers
    if protocol == "ec2":
        assert f"<RequestID>{request_id}</RequestID>" in answer.body.decode()
    elif protocol in ("query", "s3"):
        assert f"<RequestId>{request_id}</RequestId>" in answer.body.decode()


@pytest.mark.parametrize("protocol", REQUESTS)
def test_a_good_signature_passes(server, protocol):
    answer = Case(server, protocol).answer()
    assert answer.status == 200, answer.body
    assert answer.body and "x-amzn-errortype" not in answer.headers


@pytest.mark.parametrize("protocol", REQUESTS)
def test_fourteen_minutes_of_skew_are_forgiven(server, protocol):
    case = Case(server, protocol)
    skewed(-14)(case)
    assert case.answer().status == 200


@pytest.mark.parametrize("protocol", ["json10", "json11", "query", "ec2"])
def test_a_changed_body_is_refused(server, protocol):
    case = Case(server, protocol)
    signed = case.signer.headers(case.method, case.target, case.plain, case.body)
    with case.raw as raw:
        raw.send(request_bytes(case.method, case.target, signed, case.body + b" "))
        answer = raw.answer()
    assert (answer.code(), answer.status) == expected(SIGNATURE, protocol)


def test_words_of_a_late_signature(server):
    case = Case(server, "json10")
    skewed(-20)(case)
    message = case.answer().message()
    assert message.startswith(f"Signature expired: {stamp(case.signer.moment)} is now earlier than ") and message.endswith(" - 15 min.)")


def test_words_of_a_wrong_region(server):
    case = Case(server, "query")
    case.signer.region = "mars-north-1"
    assert case.answer().message() == "Credential should be scoped to a valid region, not 'mars-north-1'. "
    case = Case(server, "s3")
    case.signer.region = "mars-north-1"
    assert "<Region>us-east-1</Region>" in case.answer().body.decode()


def test_a_scope_of_another_service_is_refused(server):
    case = Case(server, "json10")
    case.signer.service = "sts"
    answer = case.answer()
    assert answer.code() in ("SignatureDoesNotMatch", "InvalidSignatureException")
    assert "scoped to correct service: 'dynamodb'" in answer.message()


def test_s3_tells_what_it_would_have_signed(server):
    case = Case(server, "s3")
    case.signer.secret = "wrong"
    text = case.answer().body.decode()
    for member in ("StringToSign", "CanonicalRequest", "StringToSignBytes", "CanonicalRequestBytes", "SignatureProvided", "AWSAccessKeyId"):
        assert f"<{member}>" in text


def test_unknown_operations(server):
    for protocol, code, status in (("json10", "UnknownOperationException", 400), ("restjson", "UnknownOperationException", 404),
                                   ("query", "InvalidAction", 400), ("ec2", "InvalidAction", 400)):
        case = Case(server, protocol)
        if protocol == "json10":
            case.plain["x-amz-target"] = "DynamoDB_20120810.FlyToTheMoon"
        elif protocol == "restjson":
            case.target = "/moon"
        else:
            case.body = b"Action=FlyToTheMoon&Version=2011-06-15"
        answer = case.answer()
        assert (answer.code(), answer.status) == (code, status)


def test_bodies_that_are_no_json(server):
    for body in (b"{", b"[]", b'"x"', b"[" * 5000, b'{"a":"\xff"}'):
        case = Case(server, "json10")
        case.body = body
        answer = case.answer()
        assert (answer.code(), answer.status) == ("SerializationException", 400)


def test_forms_have_bounds(server):
    for form in ("Filter.999999999999.Name=x", "Filter" + ".A" * 100 + "=x", "A=1&A.1=2", "A=%zz"):
        case = Case(server, "ec2")
        case.body = b"Action=DescribeInstances&Version=2016-11-15&" + form.encode()
        answer = case.answer()
        assert (answer.code(), answer.status) == ("InvalidParameterValue", 400)


# Presigned requests


def presigned(server, method="GET", target="/", headers=None, change=lambda text: text, expires=60, moment=None, body=b"", service="s3"):
    with Raw(server) as raw:
        signer = Signer(*server.credentials, service)
        signer.moment = moment or now()
        url = change(signer.presign(method, target, raw.host, expires))
        raw.send(request_bytes(method, url, {"host": raw.host, **(headers or {})}, body))
        return raw.answer()


def test_presigned_requests(server):
    server.client("s3").create_bucket(Bucket="presigned")
    assert presigned(server, "PUT", "/presigned/a%20b", body=b"hello").status == 200
    assert presigned(server, "GET", "/presigned/a%20b").body == b"hello"
    assert b"<Account>" in presigned(server, "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", service="sts").body


@pytest.mark.parametrize("change,code,status", [
    (lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"), "SignatureDoesNotMatch", 403),
    (lambda text: text.replace("/presigned2/", "/presigned3/"), "SignatureDoesNotMatch", 403),
    (lambda text: text.replace("X-Amz-Expires=60&", ""), "AuthorizationQueryParametersError", 400),
    (lambda text: text.replace("Expires=60", "Expires=604801"), "AuthorizationQueryParametersError", 400),
    (lambda text: text.replace("us-east-1", "mars-north-1"), "AuthorizationQueryParametersError", 400),
])
def test_presigned_requests_that_were_changed(server, change, code, status):
    answer = presigned(server, "GET", "/presigned2/x", change=change)
    assert (answer.code(), answer.status) == (code, status)


def test_presigned_requests_expire(server):
    old = now() - datetime.timedelta(seconds=90)
    answer = presigned(server, moment=old)
    assert (answer.code(), answer.status, answer.message()) == ("AccessDenied", 403, "Request has expired")
    assert "<ExpiresDate>" in answer.body.decode()
    assert presigned(server, moment=old, expires=3600).status == 200


def test_presigned_requests_take_no_unsigned_headers(server):
    answer = presigned(server, headers={"x-amz-acl": "private"})
    assert (answer.code(), answer.status) == ("AccessDenied", 403)
    assert "<HeadersNotSigned>x-amz-acl</HeadersNotSigned>" in answer.body.decode()


def test_signature_version_2_is_refused_in_clear_words(server):
    with Raw(server) as raw:
        raw.send(request_bytes("GET", "/b/k?AWSAccessKeyId=AKIA&Signature=x&Expires=1", {"host": raw.host}))
        answer = raw.answer()
    assert (answer.code(), answer.status) == ("InvalidRequest", 400)
    assert "AWS4-HMAC-SHA256" in answer.message()


# S3's payloads


@pytest.fixture(scope="module")
def bucket(server):
    server.client("s3").create_bucket(Bucket="payloads")
    return "payloads"


def put(server, key, payload, encoded, extra=None, chunked=False):
    """PUT with that x-amz-content-sha256; `encoded` gets the signer after the head was signed and gives the body."""
    with Raw(server) as raw:
        signer = Signer(*server.credentials, "s3")
        target = f"/payloads/{key}"
        headers = signer.headers("PUT", target, {"host": raw.host, **(extra or {})}, payload=payload)
        body = encoded(signer)
        if chunked:
            headers["transfer-encoding"] = "chunked"
            half = len(body) // 2
            wire = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part) + b"0\r\n\r\n"
            raw.send(request_bytes("PUT", target, headers, b"", length=False) + wire)
        else:
            raw.send(request_bytes("PUT", target, headers, body))
        return raw.answer()


DATA = bytes(range(256)) * 600


def crc32(data):
    return base64.b64encode(binascii.crc32(data).to_bytes(4, "big")).decode()


def signed_chunks(signer):
    return signer.chunk(DATA[:65536]) + signer.chunk(DATA[65536:]) + signer.chunk(b"") + b"\r\n"


def signed_chunks_with_trailer(signer):
    return signer.chunk(DATA[:65536]) + signer.chunk(DATA[65536:]) + signer.chunk(b"") + signer.trailer("x-amz-checksum-crc32", crc32(DATA))


def open_chunks(checksum):
    return lambda _: b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (len(DATA), DATA, checksum.encode())


CHUNKED = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(DATA))}
TRAILER = {**CHUNKED, "x-amz-trailer": "x-amz-checksum-crc32"}
PAYLOADS = {
    "hashed": (sha(DATA), lambda _: DATA, {}),
    "open": ("UNSIGNED-PAYLOAD", lambda _: DATA, {}),
    "signed": ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", signed_chunks, CHUNKED),
    "signed-trailer": ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", signed_chunks_with_trailer, TRAILER),
    "open-trailer": ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", open_chunks(crc32(DATA)), TRAILER),
}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("kind", PAYLOADS)
def test_payload_kinds_store_the_decoded_bytes(server, bucket, kind, chunked):
    payload, encoded, extra = PAYLOADS[kind]
    if chunked and kind in ("hashed", "open"):
        pytest.skip("S3 wants a length for these")
    answer = put(server, f"{kind}-{chunked}", payload, encoded, extra, chunked)
    assert answer.status == 200, answer.body
    got = server.client("s3").get_object(Bucket=bucket, Key=f"{kind}-{chunked}")
    assert got["Body"].read() == DATA
    assert "aws-chunked" not in got["ResponseMetadata"]["HTTPHeaders"].get("content-encoding", "")


@pytest.mark.parametrize("kind,encoded,code,status", [
    ("hashed", lambda _: DATA[:-1] + b"x", "XAmzContentSHA256Mismatch", 400),
    ("signed", lambda signer: signed_chunks(signer).replace(DATA[:9], b"123456789", 1), "SignatureDoesNotMatch", 403),
    ("signed", lambda signer: signer.chunk(DATA[:65536]), "IncompleteBody", 400),
    ("signed", lambda signer: signer.chunk(DATA) + signer.chunk(DATA), "IncompleteBody", 400),
    ("signed-trailer", lambda signer: signed_chunks_with_trailer(signer).replace(crc32(DATA).encode(), crc32(b"").encode()), "SignatureDoesNotMatch", 403),
    ("open-trailer", open_chunks(crc32(b"other")), "BadDigest", 400),
    ("open-trailer", lambda _: b"%x\r\n%s\r\n0\r\n\r\n" % (len(DATA), DATA), "MalformedTrailerError", 400),
    ("open-trailer", lambda _: b"zz\r\n", "InvalidRequest", 400),
])
def test_payloads_that_are_wrong_store_nothing(server, bucket, kind, encoded, code, status):
    payload, _, extra = PAYLOADS[kind]
    answer = put(server, "wrong", payload, encoded, extra)
    assert (answer.code(), answer.status) == (code, status)
    assert "Contents" not in server.client("s3").list_objects_v2(Bucket=bucket, Prefix="wrong")


def test_chunks_need_the_decoded_length(server, bucket):
    answer = put(server, "wrong", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", signed_chunks, {"content-encoding": "aws-chunked"})
    assert (answer.code(), answer.status) == ("MissingContentLength", 411)


# HTTP itself


def identity(server, raw, **headers):
    service, method, target, plain, body = REQUESTS["query"]
    signed = Signer(*server.credentials, service).headers(method, target, {"host": raw.host, **plain}, body)
    return request_bytes(method, target, {**signed, **headers}, body)


def test_keep_alive_and_close(server):
    with Raw(server) as raw:
        for _ in range(3):
            raw.send(identity(server, raw))
            answer = raw.answer()
            assert answer.status == 200 and "connection" not in answer.headers and b"<Account>" in answer.body
        raw.send(identity(server, raw, connection="close"))
        assert raw.answer().headers["connection"] == "close"
        assert raw.closed()


def test_pipelined_requests_are_answered_in_order(server):
    with Raw(server) as raw:
        case = Case(server, "json10")
        listing = request_bytes(case.method, case.target, case.signer.headers(case.method, case.target, {**case.plain, "host": raw.host}, case.body), case.body)
        raw.send(identity(server, raw) + listing + identity(server, raw))
        assert b"<Account>" in raw.answer().body
        assert b"TableNames" in raw.answer().body
        assert b"<Account>" in raw.answer().body


def test_bytes_may_come_one_by_one(server):
    with Raw(server) as raw:
        for byte in identity(server, raw):
            raw.send(bytes([byte]))
        assert b"<Account>" in raw.answer().body


def test_chunked_request_bodies(server):
    with Raw(server) as raw:
        service, method, target, plain, body = REQUESTS["query"]
        signed = Signer(*server.credentials, service).headers(method, target, {"host": raw.host, **plain}, body)
        wire = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"
        raw.send(request_bytes(method, target, {**signed, "transfer-encoding": "chunked"}, b"", length=False) + wire)
        assert b"<Account>" in raw.answer().body


def test_the_end_of_an_empty_chunked_body_comes_in_pieces(server):
    with Raw(server) as raw:
        service, method, target, plain, body = REQUESTS["restjson"]
        signed = Signer(*server.credentials, service).headers(method, target, {"host": raw.host, **plain}, body)
        raw.send(request_bytes(method, target, {**signed, "transfer-encoding": "chunked"}, b"", length=False))
        for piece in (b"0\r\n", b"\r", b"\n"):
            # An answer to somebody else comes after what was sent before has been read.
            server.client("sts").get_caller_identity()
            raw.send(piece)
        assert raw.answer().status == 200


def test_continue_comes_only_after_the_signature(server, bucket):
    for secret, first in ((None, 100), ("wrong", 403)):
        with Raw(server) as raw:
            key, good = server.credentials
            signer = Signer(key, secret or good, "s3")
            headers = signer.headers("PUT", "/payloads/expected", {"host": raw.host}, b"hello")
            raw.send(request_bytes("PUT", "/payloads/expected", {**headers, "expect": "100-continue", "content-length": "5"}, b"", length=False))
            answer = raw.answer()
            assert answer.status == first
            if first == 100:
                raw.send(b"hello")
                assert raw.answer().status == 200
            else:
                assert answer.headers["connection"] == "close" and answer.code() == "SignatureDoesNotMatch"


@pytest.mark.parametrize("head,status", [
    (b"NONSENSE\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n", 400),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 300 + b"\r\n", 431),
])
def test_heads_that_are_malformed_or_too_large(server, head, status):
    with Raw(server) as raw:
        raw.send(head)
        assert raw.answer().status == status
        assert raw.closed()


def test_a_body_that_is_too_large_is_refused_before_it_is_read(server):
    case = Case(server, "query")
    case.body = b"Action=GetCallerIdentity&Version=2011-06-15&X=" + b"a" * (2 << 20)
    signed = case.signer.headers(case.method, case.target, case.plain, case.body)
    with case.raw as raw:
        raw.send(request_bytes(case.method, case.target, {**signed, "content-length": str(len(case.body))}, b"", length=False))
        answer = raw.answer()
    assert answer.status == 413 and "1048576" in answer.message()


def test_a_chunked_body_that_grows_too_large(server):
    case = Case(server, "query")
    signed = case.signer.headers(case.method, case.target, case.plain, case.body)
    with case.raw as raw:
        raw.send(request_bytes(case.method, case.target, {**signed, "transfer-encoding": "chunked"}, b"", length=False))
        try:
            for _ in range(40):
                raw.send(b"10000\r\n" + b"a" * 65536 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert raw.answer().status == 413


def test_a_service_that_is_not_served_says_so(server):
    with Raw(server) as raw:
        signer = Signer(*server.credentials, "kinesis")
        headers = signer.headers("POST", "/", {"host": raw.host, "x-amz-target": "Kinesis_20131202.ListStreams", "content-type": "application/x-amz-json-1.1"}, b"{}")
        raw.send(request_bytes("POST", "/", headers, b"{}"))
        answer = raw.answer()
    assert (answer.code(), answer.status) == ("UnknownOperationException", 400)
    assert "kinesis" in answer.message()


def test_unsigned_forms_are_refused_in_the_words_of_their_service(server):
    for form, code in (("Action=DescribeInstances&Version=2016-11-15", "MissingParameter"), ("Action=ListRoles&Version=2010-05-08", "MissingAuthenticationToken")):
        with Raw(server) as raw:
            raw.send(request_bytes("POST", "/", {"host": raw.host, **FORM}, form.encode()))
            assert raw.answer().code() == code
        with Raw(server) as raw:
            raw.send(request_bytes("GET", "/?" + form, {"host": raw.host}))
            assert raw.answer().code() == code


def test_percent_signs_in_rest_paths(server):
    with Raw(server) as raw:
        target = "/tags/" + urllib.parse.quote("arn:aws:backup:us-east-1:000000000000:backup-vault:nowhere", safe="") + "/"
        signer = Signer(*server.credentials, "backup")
        raw.send(request_bytes("GET", target, signer.headers("GET", target, {"host": raw.host})))
        answer = raw.answer()
    assert answer.code() not in ("InvalidSignatureException", None)
