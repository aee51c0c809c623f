// The pure parts: XML, checksums, conditions, ranges, listings.
#include <set>

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/time_format.h"
#include "services/s3/wire/checksum.h"
#include "services/s3/wire/conditions.h"
#include "services/s3/wire/listing.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

TEST(S3Xml, WritesEscapedAndReadsBack) {
  XmlWriter xml("Delete", "");
  const std::string key = "a<&>\"' \r\n ü";
  xml.open("Object").text("Key", key).close();
  const auto document = xml.finish();
  EXPECT_NE(document.find("&#xd;"), std::string::npos);
  const auto root = parseXml(document);
  ASSERT_TRUE(root) << root.error().text();
  EXPECT_EQ(root->name, "Delete");
  ASSERT_NE(root->child("Object"), nullptr);
  EXPECT_EQ(root->child("Object")->child("Key")->text, key);
  EXPECT_EQ(root->child("Quiet"), nullptr);
}

TEST(S3Xml, RefusesWhatIsNotAPlainSmallDocument) {
  const std::string deep = "<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>";
  std::string many = "<a>";
  for (int i = 0; i < 60'001; ++i) many += "<b/>";
  many += "</a>";
  for (const std::string& text :
       {std::string(), std::string("<a>"), std::string("<a></b>"), std::string("<a/><b/>"), std::string("<a>&x;</a>"),
        std::string("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"), std::string("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>"),
        std::string("<a>text<b/></a>"), std::string("<a><b/>text</a>"), std::string("<a>\xff</a>"), deep, many}) {
    const auto parsed = parseXml(text);
    ASSERT_FALSE(parsed) << text.substr(0, 80);
    EXPECT_EQ(parsed.error().code, "xml.syntax");
  }
  EXPECT_TRUE(parseXml("<?xml version=\"1.0\"?>\n<a xmlns=\"x\">\n  <b>1</b>\n</a>\n"));
}

TEST(S3Checksum, KnownValues) {
  const std::map<ChecksumKind, std::string> of_digits = {{ChecksumKind::crc32, "cbf43926"},
                                                         {ChecksumKind::crc32c, "e3069283"},
                                                         {ChecksumKind::crc64nvme, "ae8b14860a799888"},
                                                         {ChecksumKind::sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"}};
  for (const auto& [kind, hex] : of_digits) {
    RunningChecksum running(kind);
    running.update("1234");
    running.update("56789");
    EXPECT_EQ(toHex(running.finish()), hex) << wordOf(kind);
    EXPECT_EQ(fromHex(hex)->size(), sizeOf(kind));
    EXPECT_EQ(checksumKind(algorithmOf(kind)), kind);
  }
}

TEST(S3Checksum, CrcsOfPartsCombineToThatOfTheWhole) {
  SeededRandom random(7);
  for (int round = 0; round < 40; ++round) {
    const auto first = random.hex(random.below(5000));
    const auto second = random.hex(round == 0 ? 0 : random.below(5000));
    for (const auto kind : {ChecksumKind::crc32, ChecksumKind::crc32c, ChecksumKind::crc64nvme}) {
      RunningChecksum a(kind);
      RunningChecksum b(kind);
      RunningChecksum whole(kind);
      a.update(first);
      b.update(second);
      whole.update(first + second);
      EXPECT_EQ(combineCrc(kind, a.finish(), b.finish(), second.size()), whole.finish()) << wordOf(kind) << " " << first.size();
    }
  }
}

TEST(S3Checksum, WhatAHeadAsks) {
  const auto none = askedChecksum({{"Content-MD5", "x"}, {"x-amz-checksum-mode", "ENABLED"}, {"x-amz-checksum-algorithm", "SHA1"}});
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  const auto header = askedChecksum({{"X-Amz-Checksum-Crc32", "y/Q5Jg=="}, {"x-amz-sdk-checksum-algorithm", "CRC32"}});
  ASSERT_TRUE(header && *header);
  EXPECT_EQ(toHex(*(*header)->expected), "cbf43926");
  const auto trailer = askedChecksum({{"x-amz-trailer", "x-amz-checksum-sha256"}});
  ASSERT_TRUE(trailer && *trailer);
  EXPECT_FALSE((*trailer)->expected);
  EXPECT_EQ((*trailer)->kind, ChecksumKind::sha256);
  const std::vector<Headers> bad = {{{"x-amz-checksum-crc32", "y/Q5Jg=="}, {"x-amz-checksum-crc32c", "y/Q5Jg=="}},
                                    {{"x-amz-checksum-crc32", "nonsense"}},
                                    {{"x-amz-checksum-sha1", "y/Q5Jg=="}},
                                    {{"x-amz-sdk-checksum-algorithm", "CRC32"}},
                                    {{"x-amz-sdk-checksum-algorithm", "MD5"}, {"x-amz-checksum-crc32", "y/Q5Jg=="}},
                                    {{"x-amz-trailer", "x-amz-checksum-md5"}}};
  for (const auto& headers : bad) {
    const auto asked = askedChecksum(headers);
    ASSERT_FALSE(asked) << headers.front().first;
    EXPECT_EQ(asked.error().code, "InvalidRequest");
  }
}

TEST(S3Conditions, Rfc9110sOrder) {
  const auto modified = *parseHttpDate("Mon, 01 Jan 2024 00:00:00 GMT") + std::chrono::milliseconds(700);
  const std::string then = "Mon, 01 Jan 2024 00:00:00 GMT";
  const std::string before = "Sun, 31 Dec 2023 00:00:00 GMT";
  struct Case {
    Headers headers;
    Verdict verdict;
  };
  const std::vector<Case> cases = {
      {{}, Verdict::go},
      {{{"If-Match", "\"e\""}}, Verdict::go},
      {{{"If-Match", "\"x\", \"e\""}}, Verdict::go},
      {{{"If-Match", "*"}}, Verdict::go},
      {{{"If-Match", "x"}}, Verdict::failed},
      {{{"If-Match", "e"}, {"If-Unmodified-Since", before}}, Verdict::go},
      {{{"If-Unmodified-Since", before}}, Verdict::failed},
      {{{"If-Unmodified-Since", then}}, Verdict::go},
      {{{"If-None-Match", "e"}}, Verdict::notModified},
      {{{"If-None-Match", "x"}, {"If-Modified-Since", then}}, Verdict::go},
      {{{"If-Modified-Since", then}}, Verdict::notModified},
      {{{"If-Modified-Since", before}}, Verdict::go},
      {{{"If-Modified-Since", "yesterday"}}, Verdict::go},
  };
  for (const auto& c : cases)
    EXPECT_EQ(judge(Conditions::of(c.headers), "e", modified).verdict, c.verdict)
        << (c.headers.empty() ? "" : c.headers[0].first + c.headers[0].second);
  EXPECT_EQ(judge(Conditions::of({{"x-amz-copy-source-if-match", "x"}}, "x-amz-copy-source-"), "e", modified).verdict, Verdict::failed);
}

TEST(S3Range, WhatIsServedIgnoredAndRefused) {
  const auto range = [](std::string_view header, std::uint64_t size) -> std::string {
    const auto answer = parseRange(header, size);
    if (std::holds_alternative<Unsatisfiable>(answer)) return "416";
    if (const auto* bytes = std::get_if<ByteRange>(&answer)) return std::to_string(bytes->first) + "-" + std::to_string(bytes->last);
    return "all";
  };
  EXPECT_EQ(range("bytes=0-0", 10), "0-0");
  EXPECT_EQ(range("bytes=3-", 10), "3-9");
  EXPECT_EQ(range("bytes=3-99999999999999999999999", 10), "3-9");
  EXPECT_EQ(range("bytes=-4", 10), "6-9");
  EXPECT_EQ(range("bytes=-40", 10), "0-9");
  EXPECT_EQ(range("bytes=10-", 10), "416");
  EXPECT_EQ(range("bytes=-0", 10), "416");
  EXPECT_EQ(range("bytes=0-", 0), "416");
  EXPECT_EQ(range("bytes=-1", 0), "416");
  for (const std::string_view ignored : {"bytes=5-3", "bytes=", "bytes=-", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=1"})
    EXPECT_EQ(range(ignored, 10), "all") << ignored;
}

// What a listing must give, said in the plainest way: all items (keys, or the groups they roll up to) above `after`, sorted.
std::vector<std::string> naive(const std::set<std::string>& keys, const ListAsk& ask) {
  std::set<std::string> items;
  for (const auto& key : keys) {
    if (!key.starts_with(ask.prefix)) continue;
    auto item = key;
    if (!ask.delimiter.empty())
      if (const auto at = key.find(ask.delimiter, ask.prefix.size()); at != std::string::npos)
        item = key.substr(0, at + ask.delimiter.size());
    if (item > ask.after) items.insert(item);
  }
  return {items.begin(), items.end()};
}

TEST(S3Listing, PagesAgreeWithANaiveModel) {
  SeededRandom random(20261124);
  const std::vector<std::string> letters = {"a", "b", "/", "/", "-", "ü", "\x7f"};
  const auto word = [&](std::uint64_t longest) {
    std::string text;
    for (auto left = random.below(longest + 1); left > 0; --left) text += letters[random.below(letters.size())];
    return text;
  };
  const std::vector<std::string> delimiters = {"", "/", "/", "a/", "ü"};
  for (int round = 0; round < 3000; ++round) {
    std::set<std::string> keys;
    for (auto left = random.below(40); left > 0; --left)
      if (const auto key = word(7); !key.empty()) keys.insert(key);
    ListAsk ask;
    ask.prefix = random.below(2) == 0 ? "" : word(2);
    ask.delimiter = delimiters[random.below(delimiters.size())];
    ask.after = random.below(2) == 0 ? "" : word(4);
    ask.limit = 1 + random.below(8);
    std::size_t read = 0;
    const ListSource source = [&](std::string_view from, std::size_t limit) {
      std::vector<store::Record> records;
      for (auto at = keys.lower_bound(std::string(std::max<std::string_view>(from, ask.prefix)));
           at != keys.end() && records.size() < limit; ++at)
        if (at->starts_with(ask.prefix)) records.push_back({*at, ""});
        else break;
      read += records.size();
      return records;
    };
    const auto expected = naive(keys, ask);
    std::vector<std::string> all;
    auto turn = ask;
    while (true) {
      const auto page = listPage(turn, source);
      std::vector<std::string> items(page.common_prefixes);
      for (const auto& record : page.records) items.push_back(record.key);
      std::ranges::sort(items);
      ASSERT_LE(items.size(), ask.limit);
      if (!items.empty()) ASSERT_EQ(page.last, items.back());
      if (page.truncated) ASSERT_EQ(items.size(), ask.limit);
      all.insert(all.end(), items.begin(), items.end());
      if (!page.truncated) break;
      turn.after = page.last;
    }
    ASSERT_EQ(all, expected) << "round " << round << " prefix '" << ask.prefix << "' delimiter '" << ask.delimiter << "' after '"
                             << ask.after << "'";
  }
}

TEST(S3Listing, AGroupIsSkippedNotWalked) {
  std::set<std::string> keys;
  for (int i = 0; i < 10'000; ++i) keys.insert("a/" + std::to_string(i));
  keys.insert("b");
  std::size_t read = 0;
  const auto page = listPage({"", "/", "", 10}, [&](std::string_view from, std::size_t limit) {
    std::vector<store::Record> records;
    for (auto at = keys.lower_bound(std::string(from)); at != keys.end() && records.size() < limit; ++at) records.push_back({*at, ""});
    read += records.size();
    return records;
  });
  EXPECT_EQ(page.common_prefixes, std::vector<std::string>{"a/"});
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_FALSE(page.truncated);
  EXPECT_LT(read, 30U);
}

TEST(S3Listing, AThousandFoldersAreReadByTheFew) {
  std::set<std::string> keys;
  for (int folder = 0; folder < 1000; ++folder)
    for (int i = 0; i < 1000; ++i) keys.insert(fmt::format("{:03}/{:03}", folder, i));
  std::size_t read = 0;
  const auto source = [&](std::string_view from, std::size_t limit) {
    std::vector<store::Record> records;
    for (auto at = keys.lower_bound(std::string(from)); at != keys.end() && records.size() < limit; ++at) records.push_back({*at, ""});
    read += records.size();
    return records;
  };
  const auto page = listPage({"", "/", "", 1000}, source);
  EXPECT_EQ(page.common_prefixes.size(), 1000U);
  EXPECT_FALSE(page.truncated);
  EXPECT_LT(read, 5'000U);
  // Keys that stand for themselves take few readings more.
  std::size_t readings = 0;
  const auto alone = listPage({"", "-", "", 1000}, [&](std::string_view from, std::size_t limit) {
    ++readings;
    return source(from, limit);
  });
  EXPECT_EQ(alone.records.size(), 1000U);
  EXPECT_TRUE(alone.truncated);
  EXPECT_LT(readings, 12U);
}

TEST(S3Listing, NothingIsAskedForNothing) {
  const auto page = listPage({"", "", "", 0}, [](std::string_view, std::size_t) -> std::vector<store::Record> { return {{"a", ""}}; });
  EXPECT_TRUE(page.records.empty());
  EXPECT_FALSE(page.truncated);
}

}  // namespace
}  // namespace sp::services::s3
