// Whole requests against a real store and real blobs, without sockets.
#include <filesystem>
#include <future>
#include <set>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/strings.h"
#include "services/s3/s3.h"
#include "services/s3/wire/xml.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::services::s3 {
namespace {

namespace fs = std::filesystem;

class NoAgents final : public runtime::AgentPort {
 public:
  void request(store::Txn&, std::string_view, const json::Object&) override {}
  void withdraw(store::Txn&, std::string_view, std::string_view) override {}
  bool connected(std::string_view) const override { return false; }
};

// Everything a Context needs, on a folder of its own.
struct Installation {
  explicit Installation(const fs::path& directory, Random& random, const Realm& realm)
      : store(*store::openSqlite(directory / "store.db")),
        blobs(*store::BlobStore::open(directory / "blobs", random)),
        core(*store, clock, random),
        context{core, realm, clock, random, *blobs, agents, reports, locks},
        s3(std::make_unique<S3>(context)) {
    core.start();
    s3->sweep();
  }
  Installation(const Installation&) = delete;
  Installation& operator=(const Installation&) = delete;
  ~Installation() {
    core.stop();
    s3.reset();
  }

  SystemClock clock;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::BlobStore> blobs;
  runtime::Core core;
  NoAgents agents;
  runtime::AgentReports reports;
  runtime::MachineLock locks;
  Context context;
  std::unique_ptr<S3> s3;
};

struct Got {
  int status = 0;
  Headers headers;
  std::string body;
  std::optional<std::uint64_t> head_length;

  std::string header(std::string_view name) const { return std::string(findHeader(headers, name).value_or("-")); }
  std::string code() const {
    const auto root = parseXml(body);
    return root && root->child("Code") != nullptr ? root->child("Code")->text : "";
  }
  XmlElement xml() const {
    auto root = parseXml(body);
    EXPECT_TRUE(root) << body;
    return root ? *root : XmlElement{};
  }
};

class S3Test : public testing::Test {
 protected:
  S3Test() : directory_(fs::temp_directory_path() / ("sp-s3-" + random_.hex(12))) {
    fs::create_directories(directory_);
    restart();
  }
  ~S3Test() override {
    here_.reset();
    fs::remove_all(directory_);
  }
  void restart() {
    here_.reset();
    here_ = std::make_unique<Installation>(directory_, random_, realm_);
  }

  Got call(std::string method, std::string path, std::string body = "", Headers headers = {}, Headers trailers = {}) {
    Request request;
    const auto question = path.find('?');
    request.method = std::move(method);
    request.path = path.substr(0, question);
    request.query = question == std::string::npos ? "" : path.substr(question + 1);
    request.headers = std::move(headers);
    request.payload_sha256 = payload_sha256_;
    request.content_length = body.size();
    auto run = here_->s3->begin(std::move(request));
    if (auto early = run->answerEarly()) return collect(std::move(*early));
    for (std::size_t at = 0; at < body.size(); at += 100'000)
      if (auto early = run->body(std::string_view(body).substr(at, 100'000))) return collect(std::move(*early));
    std::promise<Response> promise;
    run->finish(trailers, [&promise](Response response) { promise.set_value(std::move(response)); });
    return collect(promise.get_future().get());
  }
  static Got collect(Response response) {
    Got got{response.status, std::move(response.headers), std::move(response.body), response.head_length};
    if (!response.source) return got;
    while (true) {
      const auto piece = response.source->read(65536);
      EXPECT_TRUE(piece) << piece.error().text();
      if (!piece || piece->empty()) break;
      got.body += *piece;
    }
    EXPECT_EQ(got.body.size(), response.source->size());
    return got;
  }
  std::set<std::string> blobFiles() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(directory_ / "blobs"))
      if (entry.is_regular_file()) names.insert(entry.path().filename());
    return names;
  }
  // Removal happens behind the answer: wait for it.
  void expectBlobs(std::size_t count) {
    for (int i = 0; i < 500 && blobFiles().size() != count; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(blobFiles().size(), count);
  }
  static std::string bytes(std::size_t size, std::uint64_t seed = 1) {
    SeededRandom random(seed);
    return random.hex(size);
  }

  SystemRandom random_;
  Realm realm_;
  fs::path directory_;
  std::unique_ptr<Installation> here_;
  std::string payload_sha256_;
};

TEST_F(S3Test, AnObjectIsStoredReadReplacedAndDeleted) {
  EXPECT_EQ(call("PUT", "/b-1/k", "x").code(), "NoSuchBucket");
  expectBlobs(0);
  EXPECT_EQ(call("PUT", "/b-1").status, 200);
  const auto first = bytes(300'000);
  const auto put = call("PUT", "/b-1/a%20b%2B%C3%BC/x", first, {{"Content-Type", "text/plain"}, {"x-amz-meta-Who", "me"}});
  ASSERT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(put.header("ETag"), "\"" + toHex(md5(first)) + "\"");
  EXPECT_EQ(put.header("x-amz-request-id").size(), 16U);
  auto got = call("GET", "/b-1/a%20b%2B%C3%BC/x");
  EXPECT_EQ(got.body, first);
  EXPECT_EQ(got.header("Content-Type"), "text/plain");
  EXPECT_EQ(got.header("x-amz-meta-who"), "me");
  EXPECT_EQ(got.header("x-amz-checksum-crc64nvme"), "-");
  EXPECT_EQ(call("GET", "/b-1/a%20b%2B%C3%BC/x", "", {{"x-amz-checksum-mode", "ENABLED"}}).header("x-amz-checksum-crc64nvme"),
            toBase64(bigEndian64(crc64nvme(first))));
  EXPECT_EQ(call("HEAD", "/b-1/a%20b%2B%C3%BC/x").head_length, 300'000U);
  EXPECT_EQ(call("PUT", "/b-1/a%20b%2B%C3%BC/x", "new").status, 200);
  expectBlobs(1);
  restart();
  EXPECT_EQ(call("GET", "/b-1/a%20b%2B%C3%BC/x").body, "new");
  EXPECT_EQ(call("DELETE", "/b-1").code(), "BucketNotEmpty");
  EXPECT_EQ(call("DELETE", "/b-1/a%20b%2B%C3%BC/x").status, 204);
  EXPECT_EQ(call("DELETE", "/b-1/a%20b%2B%C3%BC/x").status, 204);
  expectBlobs(0);
  EXPECT_EQ(call("GET", "/b-1/a%20b%2B%C3%BC/x").code(), "NoSuchKey");
  const auto head = call("HEAD", "/b-1/a%20b%2B%C3%BC/x");
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(call("DELETE", "/b-1").status, 204);
  EXPECT_EQ(call("HEAD", "/b-1").status, 404);
}

TEST_F(S3Test, AwkwardKeysAreLiteral) {
  call("PUT", "/bucket");
  for (const std::string path : {"/bucket//", "/bucket/..", "/bucket/../x", "/bucket/a//b", "/bucket/a/", "/bucket/%01"}) {
    EXPECT_EQ(call("PUT", path, path).status, 200) << path;
    EXPECT_EQ(call("GET", path).body, path);
  }
  EXPECT_EQ(call("GET", "/bucket?list-type=2&encoding-type=url").xml().child("KeyCount")->text, "6");
  EXPECT_EQ(call("PUT", "/bucket/" + std::string(1024, 'k'), "x").status, 200);
  EXPECT_EQ(call("PUT", "/bucket/" + std::string(1025, 'k'), "x").code(), "KeyTooLongError");
  EXPECT_EQ(call("PUT", "/bucket/%ff", "x").code(), "InvalidURI");
  EXPECT_EQ(call("PUT", "/bucket/%0", "x").code(), "InvalidURI");
  EXPECT_EQ(call("PUT", "/bucket/%00", "x").code(), "InvalidURI");
}

TEST_F(S3Test, DamagedBodiesLeaveNothing) {
  call("PUT", "/bucket");
  EXPECT_EQ(call("PUT", "/bucket/k", "x", {{"Content-MD5", toBase64(md5("y"))}}).code(), "BadDigest");
  EXPECT_EQ(call("PUT", "/bucket/k", "x", {{"Content-MD5", "bad"}}).code(), "InvalidDigest");
  EXPECT_EQ(call("PUT", "/bucket/k", "x", {{"x-amz-checksum-sha256", toBase64(sha256("y"))}}).code(), "BadDigest");
  EXPECT_EQ(call("PUT", "/bucket/k", "x", {{"x-amz-trailer", "x-amz-checksum-crc32"}}).code(), "MalformedTrailerError");
  EXPECT_EQ(call("PUT", "/bucket/k", "x", {{"x-amz-trailer", "x-amz-checksum-crc32"}}, {{"x-amz-checksum-crc32", "AAAAAA=="}}).code(),
            "BadDigest");
  payload_sha256_ = sha256Hex("other");
  EXPECT_EQ(call("PUT", "/bucket/k", "x").code(), "XAmzContentSHA256Mismatch");
  payload_sha256_.clear();
  EXPECT_EQ(call("GET", "/bucket/k").code(), "NoSuchKey");
  expectBlobs(0);
  const auto good = call("PUT", "/bucket/k", "x", {{"x-amz-trailer", "x-amz-checksum-crc32"}},
                         {{"x-amz-checksum-crc32", toBase64(bigEndian32(crc32("x")))}});
  EXPECT_EQ(good.header("x-amz-checksum-crc32"), toBase64(bigEndian32(crc32("x"))));
}

TEST_F(S3Test, RangesAndConditions) {
  call("PUT", "/bucket");
  const auto etag = call("PUT", "/bucket/k", "0123456789").header("ETag");
  const auto range = call("GET", "/bucket/k", "", {{"Range", "bytes=2-4"}});
  EXPECT_EQ(range.status, 206);
  EXPECT_EQ(range.body, "234");
  EXPECT_EQ(range.header("Content-Range"), "bytes 2-4/10");
  const auto beyond = call("GET", "/bucket/k", "", {{"Range", "bytes=10-"}});
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.code(), "InvalidRange");
  EXPECT_EQ(call("GET", "/bucket/k", "", {{"If-None-Match", etag}}).status, 304);
  EXPECT_EQ(call("GET", "/bucket/k", "", {{"If-Match", "\"no\""}}).status, 412);
  EXPECT_EQ(call("PUT", "/bucket/k", "x", {{"If-None-Match", "*"}}).code(), "PreconditionFailed");
  EXPECT_EQ(call("PUT", "/bucket/k", "x", {{"If-None-Match", etag}}).status, 501);
  EXPECT_EQ(call("PUT", "/bucket/k", "x", {{"If-Match", "\"no\""}}).status, 412);
  EXPECT_EQ(call("PUT", "/bucket/none", "x", {{"If-Match", etag}}).status, 404);
  expectBlobs(1);
  EXPECT_EQ(call("PUT", "/bucket/k", "y", {{"If-Match", etag}}).status, 200);
}

TEST_F(S3Test, CopiesShareBlobsUntilTheLastIsGone) {
  call("PUT", "/bucket");
  call("PUT", "/bucket/a", "bytes", {{"x-amz-meta-m", "1"}});
  EXPECT_EQ(call("PUT", "/bucket/b", "", {{"x-amz-copy-source", "/bucket/a"}}).status, 200);
  EXPECT_EQ(call("PUT", "/bucket/c", "",
                 {{"x-amz-copy-source", "bucket/a"}, {"x-amz-metadata-directive", "REPLACE"}, {"x-amz-checksum-algorithm", "SHA256"}})
                .status,
            200);
  EXPECT_EQ(call("PUT", "/bucket/a", "", {{"x-amz-copy-source", "bucket/a"}}).code(), "InvalidRequest");
  EXPECT_EQ(call("PUT", "/bucket/a", "", {{"x-amz-copy-source", "bucket/a"}, {"x-amz-metadata-directive", "REPLACE"}}).status, 200);
  expectBlobs(1);
  call("DELETE", "/bucket/a");
  call("DELETE", "/bucket/b");
  const auto last = call("GET", "/bucket/c", "", {{"x-amz-checksum-mode", "ENABLED"}});
  EXPECT_EQ(last.body, "bytes");
  EXPECT_EQ(last.header("x-amz-meta-m"), "-");
  EXPECT_EQ(last.header("x-amz-checksum-sha256"), toBase64(sha256("bytes")));
  call("DELETE", "/bucket/c");
  expectBlobs(0);
}

TEST_F(S3Test, AReaderOutlivesItsObject) {
  call("PUT", "/bucket");
  call("PUT", "/bucket/k", "old bytes");
  std::promise<Response> promise;
  Request request;
  request.method = "GET";
  request.path = "/bucket/k";
  const auto run = here_->s3->begin(request);
  run->finish({}, [&promise](Response response) { promise.set_value(std::move(response)); });
  auto response = promise.get_future().get();
  call("PUT", "/bucket/k", "new");
  call("DELETE", "/bucket/k");
  EXPECT_EQ(response.source->read(100), "old bytes");
  EXPECT_EQ(response.source->read(100), "");
  response.source = nullptr;
  expectBlobs(0);
}

std::string completeBody(const std::vector<std::pair<int, std::string>>& parts) {
  XmlWriter xml("CompleteMultipartUpload");
  for (const auto& [number, etag] : parts)
    xml.open("Part").number("PartNumber", static_cast<std::uint64_t>(number)).text("ETag", etag).close();
  return xml.finish();
}

TEST_F(S3Test, MultipartFromBeginToRepeatedEnd) {
  call("PUT", "/bucket");
  const auto id = call("POST", "/bucket/big?uploads", "", {{"Content-Type", "text/x"}}).xml().child("UploadId")->text;
  const auto at = "/bucket/big?uploadId=" + id;
  const auto one = bytes(5 << 20, 1);
  const auto two = bytes(1000, 2);
  const auto etag1 = call("PUT", at + "&partNumber=1", one).header("ETag");
  const auto etag2 = call("PUT", at + "&partNumber=7", two).header("ETag");
  const auto small = call("PUT", at + "&partNumber=8", "tail").header("ETag");
  call("PUT", at + "&partNumber=7", "replaced");
  call("PUT", at + "&partNumber=7", two);
  expectBlobs(3);
  EXPECT_EQ(call("POST", at, completeBody({{7, etag2}, {1, etag1}})).code(), "InvalidPartOrder");
  EXPECT_EQ(call("POST", at, completeBody({{1, etag1}, {2, etag2}})).code(), "InvalidPart");
  EXPECT_EQ(call("POST", at, completeBody({{1, etag2}})).code(), "InvalidPart");
  EXPECT_EQ(call("POST", at, completeBody({{1, etag1}, {7, etag2}, {8, small}})).code(), "EntityTooSmall");
  EXPECT_EQ(call("POST", at, "<x/>").code(), "MalformedXML");
  EXPECT_EQ(call("POST", at, completeBody({})).code(), "MalformedXML");
  EXPECT_EQ(call("GET", "/bucket/big").status, 404);
  EXPECT_EQ(call("GET", at + "&max-parts=2").xml().child("NextPartNumberMarker")->text, "7");
  const auto done = call("POST", at, completeBody({{1, etag1}, {7, etag2}}));
  ASSERT_EQ(done.status, 200) << done.body;
  const auto etag = "\"" + toHex(md5(md5(one) + md5(two))) + "-2\"";
  EXPECT_EQ(done.xml().child("ETag")->text, etag);
  EXPECT_EQ(done.xml().child("ChecksumCRC64NVME")->text, toBase64(bigEndian64(crc64nvme(one + two))));
  expectBlobs(2);
  EXPECT_EQ(call("POST", at, completeBody({{1, etag1}, {7, etag2}})).xml().child("ETag")->text, etag);
  EXPECT_EQ(call("POST", at, completeBody({{1, etag1}})).code(), "NoSuchUpload");
  EXPECT_EQ(call("PUT", at + "&partNumber=1", "x").code(), "NoSuchUpload");
  restart();
  EXPECT_EQ(call("GET", "/bucket/big").body, one + two);
  EXPECT_EQ(call("GET", "/bucket/big", "", {{"Range", "bytes=5242870-5242889"}}).body, (one + two).substr(5242870, 20));
  EXPECT_EQ(call("GET", "/bucket/big?partNumber=2").body, two);
  EXPECT_EQ(call("GET", "/bucket/big?partNumber=3").code(), "InvalidPartNumber");
  EXPECT_EQ(call("PUT", "/bucket/copy", "", {{"x-amz-copy-source", "bucket/big"}}).status, 200);
  EXPECT_EQ(call("DELETE", "/bucket/big").status, 204);
  EXPECT_EQ(call("GET", "/bucket/copy").header("ETag"), "\"" + toHex(md5(one + two)) + "\"");
  call("DELETE", "/bucket/copy");
  expectBlobs(0);
}

TEST_F(S3Test, AnAbortedUploadAndADeletedBucketLeaveNothing) {
  call("PUT", "/bucket");
  std::vector<std::string> ids;
  for (const std::string key : {"a/1", "a/2", "b"}) {
    ids.push_back(call("POST", "/bucket/" + key + "?uploads").xml().child("UploadId")->text);
    call("PUT", "/bucket/" + key + "?uploadId=" + ids.back() + "&partNumber=1", key);
  }
  const auto grouped = call("GET", "/bucket?uploads&delimiter=/&max-uploads=1").xml();
  EXPECT_EQ(grouped.child("CommonPrefixes")->child("Prefix")->text, "a/");
  EXPECT_EQ(grouped.child("NextKeyMarker")->text, "a/");
  const auto rest = call("GET", "/bucket?uploads&delimiter=/&key-marker=a/").xml();
  EXPECT_EQ(rest.child("CommonPrefixes"), nullptr);
  EXPECT_EQ(rest.child("Upload")->child("Key")->text, "b");
  EXPECT_EQ(call("DELETE", "/bucket/b?uploadId=" + ids[0]).code(), "NoSuchUpload");
  EXPECT_EQ(call("DELETE", "/bucket/b?uploadId=" + ids[2]).status, 204);
  expectBlobs(2);
  EXPECT_EQ(call("DELETE", "/bucket").status, 204);
  expectBlobs(0);
}

TEST_F(S3Test, CompositeChecksumsNeedThoseOfTheParts) {
  call("PUT", "/bucket");
  const auto id = call("POST", "/bucket/k?uploads", "", {{"x-amz-checksum-algorithm", "SHA256"}}).xml().child("UploadId")->text;
  const auto at = "/bucket/k?uploadId=" + id;
  EXPECT_EQ(call("PUT", at + "&partNumber=1", "x").code(), "InvalidRequest");
  const auto sum = toBase64(sha256("x"));
  const auto etag = call("PUT", at + "&partNumber=1", "x", {{"x-amz-checksum-sha256", sum}}).header("ETag");
  EXPECT_EQ(call("POST", at, completeBody({{1, etag}})).code(), "InvalidRequest");
  XmlWriter xml("CompleteMultipartUpload");
  xml.open("Part").number("PartNumber", 1).text("ETag", etag).text("ChecksumSHA256", sum);
  const auto done = call("POST", at, xml.finish()).xml();
  EXPECT_EQ(done.child("ChecksumSHA256")->text, toBase64(sha256(sha256("x"))) + "-1");
  EXPECT_EQ(done.child("ChecksumType")->text, "COMPOSITE");
}

TEST_F(S3Test, PartsCanBeCopied) {
  call("PUT", "/bucket");
  call("PUT", "/bucket/source", "0123456789");
  const auto id = call("POST", "/bucket/k?uploads").xml().child("UploadId")->text;
  const auto at = "/bucket/k?uploadId=" + id;
  const auto part =
      call("PUT", at + "&partNumber=1", "", {{"x-amz-copy-source", "bucket/source"}, {"x-amz-copy-source-range", "bytes=2-4"}});
  ASSERT_EQ(part.status, 200) << part.body;
  EXPECT_EQ(part.xml().child("ETag")->text, "\"" + toHex(md5("234")) + "\"");
  EXPECT_EQ(
      call("PUT", at + "&partNumber=2", "", {{"x-amz-copy-source", "bucket/source"}, {"x-amz-copy-source-range", "bytes=2-10"}}).code(),
      "InvalidArgument");
  EXPECT_EQ(call("POST", at, completeBody({{1, part.xml().child("ETag")->text}})).status, 200);
  call("DELETE", "/bucket/source");
  EXPECT_EQ(call("GET", "/bucket/k").body, "234");
  call("DELETE", "/bucket/k");
  expectBlobs(0);
}

TEST_F(S3Test, ManyAreDeletedAtOnce) {
  call("PUT", "/bucket");
  for (int i = 0; i < 5; ++i) call("PUT", "/bucket/k" + std::to_string(i), "x");
  const std::string body = "<Delete><Object><Key>k1</Key></Object><Object><Key>none</Key></Object></Delete>";
  EXPECT_EQ(call("POST", "/bucket?delete", body).code(), "InvalidRequest");
  EXPECT_EQ(call("POST", "/bucket?delete", body, {{"Content-MD5", toBase64(md5("y"))}}).code(), "BadDigest");
  const auto deleted = call("POST", "/bucket?delete", body, {{"Content-MD5", toBase64(md5(body))}}).xml();
  EXPECT_EQ(deleted.children.size(), 2U);
  std::string many = "<Delete><Quiet>true</Quiet>";
  for (int i = 0; i < 1001; ++i) many += "<Object><Key>k</Key></Object>";
  many += "</Delete>";
  EXPECT_EQ(call("POST", "/bucket?delete", many, {{"Content-MD5", toBase64(md5(many))}}).code(), "MalformedXML");
  expectBlobs(4);
}

TEST_F(S3Test, WhatIsNotServedSaysSo) {
  call("PUT", "/bucket");
  call("PUT", "/bucket/k", "x");
  EXPECT_EQ(call("PUT", "/bucket?versioning", "<VersioningConfiguration/>").status, 501);
  EXPECT_EQ(call("GET", "/bucket?versions").code(), "NotImplemented");
  EXPECT_EQ(call("PUT", "/bucket/k?tagging", "x").code(), "NotImplemented");
  EXPECT_EQ(call("POST", "/bucket/k?select&select-type=2").code(), "NotImplemented");
  EXPECT_EQ(call("POST", "/bucket").code(), "NotImplemented");
  EXPECT_EQ(call("PUT", "/").code(), "MethodNotAllowed");
  EXPECT_EQ(call("PATCH", "/bucket/k").code(), "MethodNotAllowed");
  for (const auto& [name, value] :
       Headers{{"x-amz-server-side-encryption", "AES256"}, {"x-amz-acl", "public-read"}, {"x-amz-tagging", "a=b"}})
    EXPECT_EQ(call("PUT", "/bucket/k", "y", {{name, value}}).status, 501) << name;
  EXPECT_EQ(call("PUT", "/bucket/k", "y", {{"x-amz-storage-class", "GLACIER"}}).code(), "InvalidStorageClass");
  EXPECT_EQ(call("GET", "/bucket/k").body, "x");
  EXPECT_EQ(call("GET", "/bucket/k?versionId=1").code(), "InvalidArgument");
  EXPECT_EQ(call("GET", "/bucket/k?versionId=null").body, "x");
  EXPECT_EQ(call("GET", "/bucket?policy").code(), "NoSuchBucketPolicy");
  EXPECT_EQ(call("GET", "/bucket?versioning").xml().children.size(), 0U);
  EXPECT_EQ(call("GET", "/Bucket").code(), "InvalidBucketName");
  EXPECT_EQ(call("GET", "/bucket", "", {{"x-amz-expected-bucket-owner", "111111111111"}}).status, 403);
}

TEST_F(S3Test, LocationsMustFitTheRegion) {
  const auto create = [&](const std::string& constraint) {
    return call("PUT", "/bucket",
                "<CreateBucketConfiguration><LocationConstraint>" + constraint + "</LocationConstraint></CreateBucketConfiguration>")
        .code();
  };
  EXPECT_EQ(create("eu-west-1"), "IllegalLocationConstraintException");
  EXPECT_EQ(create("mars"), "InvalidLocationConstraint");
  EXPECT_EQ(create("us-east-1"), "InvalidLocationConstraint");
  EXPECT_EQ(call("PUT", "/bucket", "<CreateBucketConfiguration><Nonsense/></CreateBucketConfiguration>").code(), "MalformedXML");
  EXPECT_EQ(call("HEAD", "/bucket").status, 404);
  realm_.region = "eu-west-1";
  restart();
  EXPECT_EQ(call("PUT", "/bucket").code(), "IllegalLocationConstraintException");
  EXPECT_EQ(create("eu-west-1"), "");
  EXPECT_EQ(create("EU"), "BucketAlreadyOwnedByYou");
  EXPECT_EQ(call("GET", "/bucket?location").xml().text, "eu-west-1");
}

TEST_F(S3Test, OrphansAreSweptAtStart) {
  call("PUT", "/bucket");
  call("PUT", "/bucket/k", "x");
  call("POST", "/bucket/m?uploads");
  const auto kept = blobFiles();
  auto writer = here_->blobs->create();
  ASSERT_TRUE(writer && (*writer)->write("nobody's") && (*writer)->commit());
  EXPECT_EQ(blobFiles().size(), 2U);
  restart();
  call("GET", "/bucket/k");
  EXPECT_EQ(blobFiles(), kept);
}

TEST_F(S3Test, OtherServicesPutListAndRead) {
  call("PUT", "/bucket");
  const auto put = [&](const std::string& bucket, const std::string& key, const std::string& content) {
    std::promise<Result<ObjectInfo>> promise;
    here_->s3->objects().putBytes(bucket, key, content, "text/plain",
                                  [&promise](Result<ObjectInfo> stored) { promise.set_value(std::move(stored)); });
    return promise.get_future().get();
  };
  EXPECT_EQ(put("none", "k", "x").error().code, "s3.NoSuchBucket");
  EXPECT_EQ(put("bucket", "", "x").error().code, "s3.InvalidArgument");
  EXPECT_EQ(put("bucket", "out/stdout", "hello")->etag, toHex(md5("hello")));
  EXPECT_EQ(put("bucket", "out/empty", "")->size, 0U);
  EXPECT_EQ(call("GET", "/bucket/out/stdout").body, "hello");
  std::promise<void> done;
  std::shared_ptr<ObjectReader> reader;
  here_->core.post(
      [&](store::Txn& txn) {
        auto& objects = here_->s3->objects();
        EXPECT_TRUE(objects.bucketExists(txn, "bucket"));
        EXPECT_EQ(objects.list(txn, "bucket", "out/", "", 10)->size(), 2U);
        EXPECT_EQ(objects.list(txn, "bucket", "out/", "out/empty", 10)->front().key, "out/stdout");
        EXPECT_EQ(objects.list(txn, "none", "", "", 10).error().code, "s3.NoSuchBucket");
        EXPECT_EQ(objects.get(txn, "bucket", "none").error().code, "s3.NoSuchKey");
        reader = *objects.open(txn, "bucket", "out/stdout");
        EXPECT_TRUE(objects.erase(txn, "bucket", "out/stdout"));
        return true;
      },
      [&](const Error*) { done.set_value(); });
  done.get_future().get();
  EXPECT_EQ(reader->read(100), "hello");
  reader = nullptr;
  expectBlobs(0);
}

}  // namespace
}  // namespace sp::services::s3
