#include "net/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sp::net {
namespace {

using Step = RequestParser::Step;

struct Seen {
  std::vector<std::string> log;
  int status = 0;
};

// Feeds `wire` in pieces of `piece` bytes as a connection would, and writes down what comes out.
Seen parseInPieces(std::string_view wire, std::size_t piece, const HttpLimits& limits = {}) {
  RequestParser parser(limits);
  Seen seen;
  std::string buffer;
  std::string body;
  while (true) {
    std::string_view input = buffer;
    while (true) {
      const auto event = parser.next(input);
      if (event.step == Step::error) {
        seen.status = event.status;
        return seen;
      }
      if (event.step == Step::needMore) break;
      if (event.step == Step::head) {
        const auto head = parser.takeHead();
        seen.log.push_back(head.method + " " + head.target + " " + std::to_string(head.headers.size()));
      }
      if (event.step == Step::body) body.append(event.bytes);
      if (event.step == Step::complete) {
        seen.log.push_back("body=" + body);
        body.clear();
        parser.reset();
      }
    }
    buffer.erase(0, buffer.size() - input.size());
    if (wire.empty()) return seen;
    buffer.append(wire.substr(0, piece));
    wire.remove_prefix(std::min(piece, wire.size()));
  }
}

TEST(RequestParser, PipelinedRequestsCutAtEveryPieceSize) {
  const std::string wire =
      "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
      "POST /b?q=1 HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: chunked\r\n\r\n6;ext=1\r\nchunky\r\n3\r\n-do\r\n0\r\nX-Trailer: t\r\n\r\n"
      "\r\nGET /c%2Fd HTTP/1.1\r\nHost: x\r\n\r\n"
      "PUT /e HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n";
  const std::vector<std::string> expected = {"POST /a 2",    "body=hello", "POST /b?q=1 2", "body=chunky-do",
                                             "GET /c%2Fd 1", "body=",      "PUT /e 3",      "body="};
  for (std::size_t piece = 1; piece <= wire.size(); ++piece) {
    const auto seen = parseInPieces(wire, piece);
    EXPECT_EQ(seen.status, 0) << "piece " << piece;
    EXPECT_EQ(seen.log, expected) << "piece " << piece;
  }
}

TEST(RequestParser, TheEndOfAnEmptyChunkedBodyMayComeInPieces) {
  const std::string head = "PUT /o HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string_view body : {"0\r\n\r\n", "00\r\n\r\n", "0;a\r\n\r\n", "0\r\nT: x\r\n\r\n", "4\r\n0\r\n\r\r\n0\r\n\r\n"}) {
    for (std::size_t piece = 1; piece <= body.size(); ++piece) {
      // The head apart, so that each piece size cuts the body everywhere.
      RequestParser parser(HttpLimits{});
      std::string_view input = head;
      ASSERT_EQ(parser.next(input).step, Step::head);
      std::string buffer;
      auto last = Step::needMore;
      for (auto rest = body; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
        buffer += rest.substr(0, piece);
        input = buffer;
        do last = parser.next(input).step;
        while (last == Step::body);
        ASSERT_NE(last, Step::error) << body << " in pieces of " << piece;
        // Asked once more without more: a connection may.
        if (last == Step::needMore) ASSERT_EQ(parser.next(input).step, Step::needMore);
        buffer.erase(0, buffer.size() - input.size());
      }
      EXPECT_EQ(last, Step::complete) << body << " in pieces of " << piece;
    }
  }
}

TEST(RequestParser, HeadTellsLengthAndExpectation) {
  RequestParser parser(HttpLimits{});
  std::string_view input = "PUT /o HTTP/1.1\r\nHost: h:1\r\nContent-Length: 7\r\nEXPECT: 100-Continue\r\nX-MiXed:  v  \r\n\r\n";
  ASSERT_EQ(parser.next(input).step, Step::head);
  const auto head = parser.takeHead();
  EXPECT_EQ(head.content_length, 7U);
  EXPECT_TRUE(head.expects_continue);
  EXPECT_EQ(head.headers[3].name, "X-MiXed");
  EXPECT_EQ(head.headers[3].value, "v");
  EXPECT_EQ(findHeader(head.headers, "x-mixed"), "v");
  EXPECT_TRUE(parser.keepAlive());
  EXPECT_TRUE(parser.midRequest());
}

TEST(RequestParser, ChunkedBodyHasNoLength) {
  RequestParser parser(HttpLimits{});
  std::string_view input = "PUT /o HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  ASSERT_EQ(parser.next(input).step, Step::head);
  EXPECT_EQ(parser.takeHead().content_length, std::nullopt);
}

TEST(RequestParser, RefusesTooMuch) {
  HttpLimits limits;
  limits.head_bytes = 1024;
  limits.headers = 10;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{100}, std::size_t{5000}}) {
    EXPECT_EQ(parseInPieces("GET /" + std::string(3000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", piece, limits).status, 414);
    EXPECT_EQ(parseInPieces("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(3000, 'a') + "\r\n\r\n", piece, limits).status, 431);
    std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
    for (int i = 0; i < 10; ++i) many += "A: b\r\n";
    EXPECT_EQ(parseInPieces(many + "\r\n", piece, limits).status, 431);
    std::string small = "GET / HTTP/1.1\r\nHost: x\r\n";
    for (int i = 0; i < 8; ++i) small += "A: " + std::string(200, 'b') + "\r\n";
    EXPECT_EQ(parseInPieces(small + "\r\n", piece, limits).status, 431) << "many headers, each small enough";
    EXPECT_EQ(parseInPieces("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(20000, 'e'), piece).status,
              400);
  }
}

TEST(RequestParser, RefusesWhatIsMalformedOrAmbiguous) {
  for (const std::string_view wire : {
           "GET\r\n\r\n",
           "GET / HTTP/1.1\r\nHost x\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       }) {
    EXPECT_EQ(parseInPieces(wire, 7).status, 400) << wire;
    EXPECT_EQ(parseInPieces(wire, 1000).status, 400) << wire;
  }
  EXPECT_EQ(parseInPieces("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 5).status, 505);
}

}  // namespace
}  // namespace sp::net
