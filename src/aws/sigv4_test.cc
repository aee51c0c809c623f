#include "aws/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/aws_chunked.h"
#include "aws/canonical.h"
#include "aws/errors.h"
#include "base/hash.h"
#include "base/time_format.h"

namespace sp::aws {
namespace {

using ::testing::HasSubstr;
using Headers = std::vector<HeaderView>;

constexpr std::string_view kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// The key of AWS's test suite and the one of S3's documentation.
struct Known {
  KeyRing keys;
  Realm realm;
  Verifier verifier{keys, realm};
  Known() {
    keys.add("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    keys.add("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    realm.account = "123456789012";
  }
  std::expected<VerifiedRequest, AuthProblem> verify(const RequestView& request, std::string_view service, std::string_view when,
                                                     std::string_view body = "") {
    auto pending = verifier.begin(request, service, *parseBasicIso8601(when));
    if (!pending) return std::unexpected(pending.error());
    const auto hash = pending->head_decides ? pending->request.payload_hash : sha256Hex(body);
    return verifier.finish(std::move(*pending), hash);
  }
};

std::string suiteAuthorization(std::string_view signed_headers, std::string_view signature) {
  return "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + std::string(signed_headers) +
         ", Signature=" + std::string(signature);
}

TEST(SigV4, AwsTestSuiteVectors) {
  Known known;
  const auto check = [&](std::string_view method, std::string_view target, std::string_view signature) {
    const auto authorization = suiteAuthorization("host;x-amz-date", signature);
    const Headers headers = {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}, {"Authorization", authorization}};
    const auto got = known.verify({method, target, headers}, "service", "20150830T123600Z");
    EXPECT_TRUE(got) << target << ": " << got.error().message << json::toText(got.error().extra);
  };
  check("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  check("GET", "/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  check("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  // Normalised paths of the suite sign like "/".
  check("GET", "/./", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  check("GET", "//", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  check("GET", "/foo/..", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

std::string s3Authorization(std::string_view signed_headers, std::string_view signature) {
  return "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=" +
         std::string(signed_headers) + ",Signature=" + std::string(signature);
}

TEST(SigV4, S3DocumentationVectors) {
  Known known;
  const std::string host = "examplebucket.s3.amazonaws.com";
  const auto check = [&](std::string_view method, std::string_view target, Headers headers, std::string_view names,
                         std::string_view signature) {
    const auto authorization = s3Authorization(names, signature);
    headers.push_back({"Authorization", authorization});
    const auto got = known.verify({method, target, headers}, "s3", "20130524T000100Z");
    EXPECT_TRUE(got) << target << ": " << got.error().message << json::toText(got.error().extra);
    if (got) { EXPECT_EQ(got->principal.arn, "arn:aws:iam::123456789012:root"); }
  };
  check("GET", "/test.txt",
        {{"Host", host}, {"Range", "bytes=0-9"}, {"x-amz-content-sha256", kEmptyHash}, {"x-amz-date", "20130524T000000Z"}},
        "host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  check("PUT", "/test%24file.text",
        {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
         {"Host", host},
         {"x-amz-date", "20130524T000000Z"},
         {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
         {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}},
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  check("GET", "/?lifecycle", {{"Host", host}, {"x-amz-content-sha256", kEmptyHash}, {"x-amz-date", "20130524T000000Z"}},
        "host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  check("GET", "/?max-keys=2&prefix=J", {{"Host", host}, {"x-amz-content-sha256", kEmptyHash}, {"x-amz-date", "20130524T000000Z"}},
        "host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

constexpr std::string_view kPresigned =
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

TEST(SigV4, PresignedVectorAndItsEnd) {
  Known known;
  const Headers headers = {{"Host", "examplebucket.s3.amazonaws.com"}};
  const auto good = known.verify({"GET", kPresigned, headers}, "s3", "20130524T230000Z");
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_TRUE(good->presigned);
  EXPECT_EQ(good->payload, Payload::open);
  EXPECT_TRUE(good->payload_hash.empty());
  const auto late = known.verify({"GET", kPresigned, headers}, "s3", "20130525T000001Z");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().fault, AuthFault::presignExpired);
  const auto error = authError(late.error(), Protocol::restXml);
  EXPECT_EQ(error.code, "AccessDenied");
  EXPECT_EQ(error.message, "Request has expired");
  EXPECT_EQ(json::textOr(error.extra, "ExpiresDate"), "2013-05-25T00:00:00Z");
  const auto early = known.verify({"GET", kPresigned, headers}, "s3", "20130523T230000Z");
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().fault, AuthFault::presignNotYet);
  const Headers more = {{"Host", "examplebucket.s3.amazonaws.com"}, {"x-amz-acl", "public-read"}};
  const auto added = known.verify({"GET", kPresigned, more}, "s3", "20130524T000000Z");
  ASSERT_FALSE(added);
  EXPECT_EQ(authError(added.error(), Protocol::restXml).code, "AccessDenied");
  EXPECT_EQ(json::textOr(added.error().extra, "HeadersNotSigned"), "x-amz-acl");
}

TEST(SigV4, PresignParametersAreChecked) {
  Known known;
  const Headers headers = {{"Host", "h"}};
  const auto fault = [&](std::string target) {
    const auto got = known.verify({"GET", target, headers}, "s3", "20130524T000000Z");
    return got ? std::string("verified") : authError(got.error(), Protocol::restXml).code + ": " + got.error().s3_message;
  };
  const std::string whole(kPresigned);
  const auto with = [&](std::string_view from, std::string_view to) {
    auto text = whole;
    return text.replace(text.find(from), from.size(), to);
  };
  EXPECT_THAT(fault(with("&X-Amz-Expires=86400", "")),
              HasSubstr("AuthorizationQueryParametersError: Query-string authentication version 4 requires"));
  EXPECT_THAT(fault(with("Expires=86400", "Expires=604801")), HasSubstr("AuthorizationQueryParametersError"));
  EXPECT_THAT(fault(with("Expires=86400", "Expires=-1")), HasSubstr("non-negative"));
  EXPECT_THAT(fault(with("Expires=86400", "Expires=x")), HasSubstr("should be a number"));
  EXPECT_THAT(fault(with("us-east-1", "eu-west-1")), HasSubstr("the region 'eu-west-1' is wrong; expecting 'us-east-1'"));
  EXPECT_THAT(fault("/a?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=x&Expires=1"), HasSubstr("InvalidRequest"));
}

// What we sign, we accept; and each change of it is refused in the right way.
class Signed {
 public:
  Known known;
  std::string method = "POST";
  std::string target = "/x/arn%3Aaws%3Aec2%3A%3A1?b=2&a=%20";
  std::string body = "{\"a\":1}";
  std::string when = "20240101T000000Z";
  std::string now = when;
  SigningCredentials credentials{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "ssm"};
  std::vector<std::pair<std::string, std::string>> headers = {{"Host", "127.0.0.1:4747"}, {"Content-Type", "application/x-amz-json-1.1"}};
  std::function<void(HeaderPairs&)> tamper = [](HeaderPairs&) {};
  std::string expected_service = "ssm";

  std::expected<VerifiedRequest, AuthProblem> verify() {
    Headers views;
    for (const auto& [name, value] : headers) views.push_back({name, value});
    auto all = signRequest(credentials, {method, target, views}, sha256Hex(body), *parseBasicIso8601(when));
    all.insert(all.begin(), headers.begin(), headers.end());
    tamper(all);
    Headers sent;
    for (const auto& [name, value] : all) sent.push_back({name, value});
    return known.verify({method, target, sent}, expected_service, now, body);
  }
  ApiError error(Protocol protocol) {
    const auto got = verify();
    return got ? ApiError{"verified", "", 200, true, {}} : authError(got.error(), protocol);
  }
};

TEST(SigV4, SignsWhatItVerifies) {
  Signed request;
  const auto got = request.verify();
  ASSERT_TRUE(got) << got.error().message << json::toText(got.error().extra);
  EXPECT_EQ(got->service, "ssm");
  Signed s3;
  s3.credentials.service = s3.expected_service = "s3";
  s3.target = "/bkt/a%20b%2B%C3%BC/x?uploads";
  ASSERT_TRUE(s3.verify());
  const auto url = presignTarget(s3.credentials, "GET", "/bkt/k%20ey", "h:1", 60, *parseBasicIso8601(s3.when));
  const Headers host = {{"Host", "h:1"}};
  EXPECT_TRUE(s3.known.verify({"GET", url, host}, "s3", "20240101T000030Z"));
  EXPECT_FALSE(s3.known.verify({"PUT", url, host}, "s3", "20240101T000030Z"));
}

struct Row {
  std::string_view what;
  void (*change)(Signed&);
  std::string_view json, query, ec2, s3;
};

void authorization(HeaderPairs& headers, std::string_view from, std::string_view to) {
  for (auto& [name, value] : headers)
    if (name == "Authorization") value.replace(value.find(from), from.size(), to);
}

constexpr Row kRows[] = {
    {"no credentials", [](Signed& s) { s.tamper = [](HeaderPairs& h) { h.pop_back(); }; }, "MissingAuthenticationTokenException 400",
     "MissingAuthenticationToken 403", "MissingParameter 400", "AccessDenied 403"},
    {"malformed", [](Signed& s) { s.tamper = [](HeaderPairs& h) { authorization(h, "Signature=", "Nothing="); }; },
     "IncompleteSignatureException 400", "IncompleteSignature 400", "IncompleteSignature 400", "AuthorizationHeaderMalformed 400"},
    {"other scheme", [](Signed& s) { s.tamper = [](HeaderPairs& h) { h.back().second = "Basic abc"; }; },
     "IncompleteSignatureException 400", "IncompleteSignature 400", "IncompleteSignature 400", "AuthorizationHeaderMalformed 400"},
    {"signature version 2", [](Signed& s) { s.tamper = [](HeaderPairs& h) { h.back().second = "AWS AKIDEXAMPLE:abc"; }; },
     "InvalidRequest 400", "InvalidRequest 400", "InvalidRequest 400", "InvalidRequest 400"},
    {"unknown key", [](Signed& s) { s.credentials.access_key = "AKIDOTHER"; }, "UnrecognizedClientException 400",
     "InvalidClientTokenId 403", "AuthFailure 401", "InvalidAccessKeyId 403"},
    {"token", [](Signed& s) { s.headers.emplace_back("X-Amz-Security-Token", "t"); }, "UnrecognizedClientException 400",
     "InvalidClientTokenId 403", "AuthFailure 401", "InvalidToken 400"},
    {"wrong signature", [](Signed& s) { s.credentials.secret = "wrong"; }, "InvalidSignatureException 400", "SignatureDoesNotMatch 403",
     "AuthFailure 401", "SignatureDoesNotMatch 403"},
    {"wrong region", [](Signed& s) { s.credentials.region = "eu-west-9"; }, "InvalidSignatureException 400", "SignatureDoesNotMatch 403",
     "AuthFailure 401", "AuthorizationHeaderMalformed 400"},
    {"wrong service", [](Signed& s) { s.credentials.service = "lambda"; }, "InvalidSignatureException 400", "SignatureDoesNotMatch 403",
     "AuthFailure 401", "AuthorizationHeaderMalformed 400"},
    {"wrong terminator", [](Signed& s) { s.tamper = [](HeaderPairs& h) { authorization(h, "aws4_request", "aws5_request"); }; },
     "InvalidSignatureException 400", "SignatureDoesNotMatch 403", "AuthFailure 401", "AuthorizationHeaderMalformed 400"},
    {"wrong date", [](Signed& s) { s.tamper = [](HeaderPairs& h) { authorization(h, "/20240101/", "/20240102/"); }; },
     "InvalidSignatureException 400", "SignatureDoesNotMatch 403", "AuthFailure 401", "AuthorizationHeaderMalformed 400"},
    {"late", [](Signed& s) { s.now = "20240101T001501Z"; }, "InvalidSignatureException 400", "SignatureDoesNotMatch 403", "AuthFailure 401",
     "RequestTimeTooSkewed 403"},
    {"early", [](Signed& s) { s.now = "20231231T234459Z"; }, "InvalidSignatureException 400", "SignatureDoesNotMatch 403",
     "AuthFailure 401", "RequestTimeTooSkewed 403"},
    {"header not signed", [](Signed& s) { s.tamper = [](HeaderPairs& h) { h.emplace_back("x-amz-extra", "1"); }; },
     "InvalidSignatureException 400", "SignatureDoesNotMatch 403", "AuthFailure 401", "AccessDenied 403"},
    {"just in time", [](Signed& s) { s.now = "20240101T001500Z"; }, "verified 200", "verified 200", "verified 200", "verified 200"},
};

TEST(SigV4, EachConditionHasItsAnswerInEachProtocol) {
  for (const auto& row : kRows) {
    const auto answer = [&](Protocol protocol, std::string_view service) {
      Signed request;
      request.credentials.service = service;
      request.expected_service = service;
      row.change(request);
      const auto error = request.error(protocol);
      return error.code + " " + std::to_string(error.status);
    };
    EXPECT_EQ(answer(Protocol::json11, "ssm"), row.json) << row.what;
    EXPECT_EQ(answer(Protocol::query, "iam"), row.query) << row.what;
    EXPECT_EQ(answer(Protocol::ec2, "ec2"), row.ec2) << row.what;
    EXPECT_EQ(answer(Protocol::restXml, "s3"), row.s3) << row.what;
    if (row.json.ends_with("400") && row.json != "InvalidRequest 400") {
      EXPECT_EQ(answer(Protocol::restJson, "backup"), std::string(row.json.substr(0, row.json.size() - 3)) + "403") << row.what;
    }
  }
}

TEST(SigV4, WordsOfSkewAndScope) {
  Signed late;
  late.now = "20240101T001501Z";
  EXPECT_EQ(late.error(Protocol::json11).message,
            "Signature expired: 20240101T000000Z is now earlier than 20240101T000001Z (20240101T001501Z - 15 min.)");
  Signed early;
  early.now = "20231231T234459Z";
  EXPECT_EQ(early.error(Protocol::json11).message,
            "Signature not yet current: 20240101T000000Z is still later than 20231231T235959Z (20231231T234459Z + 15 min.)");
  Signed region;
  region.credentials.region = "eu-west-9";
  EXPECT_EQ(region.error(Protocol::json11).message, "Credential should be scoped to a valid region, not 'eu-west-9'. ");
  region.credentials.service = region.expected_service = "s3";
  EXPECT_EQ(json::textOr(region.error(Protocol::restXml).extra, "Region"), "us-east-1");
  Signed global;
  global.known.realm.region = "eu-central-1";
  global.credentials.service = global.expected_service = "iam";
  EXPECT_TRUE(global.verify()) << "IAM is signed for us-east-1 everywhere";
}

TEST(SigV4, ABodyThatWasChangedIsRefused) {
  Signed request;
  Headers views;
  for (const auto& [name, value] : request.headers) views.push_back({name, value});
  auto all = signRequest(request.credentials, {"POST", "/", views}, sha256Hex("one"), *parseBasicIso8601(request.when));
  for (const auto& [name, value] : all) views.push_back({name, value});
  EXPECT_TRUE(request.known.verify({"POST", "/", views}, "ssm", request.when, "one"));
  EXPECT_FALSE(request.known.verify({"POST", "/", views}, "ssm", request.when, "two"));
}

TEST(SigV4, S3NeedsAPayloadHash) {
  Signed request;
  request.credentials.service = request.expected_service = "s3";
  request.tamper = [](HeaderPairs& h) { std::erase_if(h, [](const auto& e) { return e.first == "X-Amz-Content-Sha256"; }); };
  EXPECT_EQ(request.error(Protocol::restXml).message, "Missing required header for this request: x-amz-content-sha256");
  request.tamper = [](HeaderPairs& h) {
    for (auto& [name, value] : h)
      if (name == "X-Amz-Content-Sha256") value = "nonsense";
  };
  EXPECT_EQ(request.error(Protocol::restXml).code, "InvalidArgument");
}

TEST(Canonical, PathsAndQueries) {
  EXPECT_EQ(canonicalPathTwice("/backup/arn%3Aaws"), "/backup/arn%253Aaws");
  EXPECT_EQ(canonicalPathTwice("/a/../b//c/"), "/b/c/");
  EXPECT_EQ(canonicalPathOnce("/b//k/../x"), "/b//k/../x");
  EXPECT_EQ(canonicalPathOnce("/b/a%2fb(c)"), "/b/a%2Fb%28c%29");
  EXPECT_EQ(canonicalQuery("b=2&a=1&a=0&c&d=%2f", ""), "a=0&a=1&b=2&c=&d=%2F");
  const Headers headers = {{"X-A", "  one   two "}, {"x-a", "three"}, {"Host", "h"}};
  EXPECT_EQ(canonicalHeaders({"GET", "/", headers}, {"host", "x-a"}), "host:h\nx-a:one two,three\n");
}

// S3's documented upload of 66,560 bytes in chunks of 64 KiB.
class Chunks : public ::testing::Test {
 protected:
  VerifiedRequest request(bool trailer) {
    VerifiedRequest made;
    made.payload = trailer ? Payload::signedChunksTrailer : Payload::signedChunks;
    made.scope = "20130524/us-east-1/s3/aws4_request";
    made.time = "20130524T000000Z";
    made.signature = trailer ? "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
                             : "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    made.signing_key = deriveSigningKey("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3");
    return made;
  }
  std::string body(bool trailer) const {
    const std::string_view first = trailer ? "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"
                                           : "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";
    const std::string_view second = trailer ? "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"
                                            : "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497";
    const std::string_view last = trailer ? "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"
                                          : "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9";
    std::string out = "10000;chunk-signature=" + std::string(first) + "\r\n" + std::string(65536, 'a') + "\r\n";
    out += "400;chunk-signature=" + std::string(second) + "\r\n" + std::string(1024, 'a') + "\r\n";
    out += "0;chunk-signature=" + std::string(last) + "\r\n";
    if (trailer)
      out +=
          "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";
    return out + "\r\n";
  }
  // "" when good, else the code.
  static std::string run(ChunkedDecoder& decoder, std::string_view body, std::size_t piece, std::string& out) {
    while (!body.empty()) {
      if (auto ok = decoder.feed(body.substr(0, piece), out); !ok) return ok.error().code;
      body.remove_prefix(std::min(piece, body.size()));
    }
    if (auto ok = decoder.finish(); !ok) return ok.error().code;
    return "";
  }
};

TEST_F(Chunks, DocumentedVectorsInEveryPieceSize) {
  for (const std::size_t piece : {1UL, 7UL, 85UL, 1000UL, 65536UL, 1000000UL}) {
    for (const bool trailer : {false, true}) {
      ChunkedDecoder decoder(request(trailer), trailer ? "x-amz-checksum-crc32c" : "", 66560);
      std::string out;
      EXPECT_EQ(run(decoder, body(trailer), piece, out), "") << piece << " " << trailer;
      EXPECT_EQ(out, std::string(66560, 'a'));
      if (trailer) { EXPECT_EQ(decoder.trailers(), (HeaderPairs{{"x-amz-checksum-crc32c", "sOO8/Q=="}})); }
    }
  }
}

TEST_F(Chunks, ChangedBytesAndSignaturesAreFound) {
  const auto outcome = [&](bool trailer, std::string_view from, std::string_view to) {
    auto text = body(trailer);
    text.replace(text.find(from), from.size(), to);
    ChunkedDecoder decoder(request(trailer), trailer ? "x-amz-checksum-crc32c" : "", 66560);
    std::string out;
    return run(decoder, text, 1000, out);
  };
  EXPECT_EQ(outcome(false, "aaa", "aba"), "SignatureDoesNotMatch");
  EXPECT_EQ(outcome(false, "ad80", "ad81"), "SignatureDoesNotMatch");
  EXPECT_EQ(outcome(false, ";chunk-signature", ";chunk-sig"), "InvalidRequest");
  EXPECT_EQ(outcome(true, "sOO8", "sOO9"), "SignatureDoesNotMatch");
  EXPECT_EQ(outcome(true, "x-amz-trailer-signature:d81f", "x-amz-trailer-signature:d81e"), "SignatureDoesNotMatch");
  EXPECT_EQ(outcome(true, "x-amz-checksum-crc32c", "x-amz-checksum-sha1"), "MalformedTrailerError");
  EXPECT_EQ(outcome(false, "10000;", "1000g;"), "InvalidRequest");
}

TEST_F(Chunks, UnsignedWithTrailerAsTheClientsSendIt) {
  VerifiedRequest made;
  made.payload = Payload::chunkedTrailer;
  const std::string good = "6\r\nhello\n\r\n0\r\nx-amz-checksum-sha256:WJG=\r\n\r\n";
  for (std::size_t piece = 1; piece <= good.size(); ++piece) {
    ChunkedDecoder decoder(made, "x-amz-checksum-sha256", 6);
    std::string out;
    EXPECT_EQ(run(decoder, good, piece, out), "");
    EXPECT_EQ(out, "hello\n");
  }
  const auto outcome = [&](std::string_view text, std::optional<std::uint64_t> length) {
    ChunkedDecoder decoder(made, "x-amz-checksum-sha256", length);
    std::string out;
    return run(decoder, text, 3, out);
  };
  EXPECT_EQ(outcome("6\r\nhello\n\r\n", 6), "IncompleteBody");
  EXPECT_EQ(outcome("6\r\nhel", 6), "IncompleteBody");
  EXPECT_EQ(outcome(good, 7), "IncompleteBody");
  EXPECT_EQ(outcome(good, 5), "IncompleteBody");
  EXPECT_EQ(outcome("6\r\nhello\n\r\n0\r\n\r\n", 6), "MalformedTrailerError");
  EXPECT_EQ(outcome("6\r\nhello\nX\r\n0\r\n\r\n", 6), "InvalidRequest");
  EXPECT_EQ(outcome("ffffffffffffffff\r\nx", std::nullopt), "IncompleteBody");
  EXPECT_EQ(outcome(std::string(10000, '1'), std::nullopt), "InvalidRequest");
}

}  // namespace
}  // namespace sp::aws
