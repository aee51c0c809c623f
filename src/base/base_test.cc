#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "base/hash.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret_box.h"
#include "base/strings.h"
#include "base/time_format.h"

namespace sp {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail("odd", "the number is odd");
  return n / 2;
}

Result<int> quarter(int n) {
  SP_TRY(const int h, withContext(half(n), "halve once"));
  return half(h);
}

TEST(Result, ContextStandsBeforeTheMessage) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(3).error().text(), "halve once: the number is odd");
  EXPECT_EQ(quarter(3).error().code, "odd");
}

TEST(Hash, KnownVectors) {
  EXPECT_EQ(sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(toHex(md5("")), "d41d8cd98f00b204e9800998ecf8427e");
  // The check values of the CRC catalogue: the checksum of "123456789".
  EXPECT_EQ(crc32("123456789"), 0xcbf43926U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc64nvme("123456789"), 0xae8b14860a799888ULL);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xe3069283U);
  EXPECT_EQ(crc64nvme("6789", crc64nvme("12345")), 0xae8b14860a799888ULL);
}

TEST(Hash, HmacOfOneKeyDoesNotDependOnTheOneBefore) {
  // RFC 4231, cases 1, 2 and 6 (a key longer than a block); the empty key from FIPS 198's definition, computed with Python's hmac.
  const auto vectors = [] {
    EXPECT_EQ(toHex(hmacSha256(std::string(20, '\x0b'), "Hi There")), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(toHex(hmacSha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(toHex(hmacSha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    EXPECT_EQ(toHex(hmacSha256("", "x")), "4cbc96099a6467ce002461f10549b4898265ebe6188b45efacc44293516e62c4");
  };
  vectors();
  vectors();
  std::thread(vectors).join();
}

TEST(Hash, EachKindIsItsOwn) {
  EXPECT_EQ(toHex(digest(HashKind::sha1, "abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(toHex(digest(HashKind::sha384, "abc")),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(
      toHex(digest(HashKind::sha512, "abc")),
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

TEST(SecretBox, OpensWhatItSealedForTheSameAlone) {
  SeededRandom random(7);
  const SecretBox box(std::string(32, 'k'));
  for (const std::string& text : {std::string(), std::string("word"), std::string(5000, '\0')}) {
    const auto sealed = box.seal(text, "about", random);
    EXPECT_NE(sealed, box.seal(text, "about", random)) << "each has a nonce of its own";
    EXPECT_EQ(box.open(sealed, "about").value_or("none"), text);
    EXPECT_EQ(box.open(sealed, "another").error().code, "secret.sealed");
    EXPECT_FALSE(SecretBox(std::string(32, 'x')).open(sealed, "about"));
    for (std::size_t at = 0; at < std::min<std::size_t>(sealed.size(), 64); ++at) {
      auto changed = sealed;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      EXPECT_FALSE(box.open(changed, "about")) << at;
      EXPECT_FALSE(box.open(std::string_view(sealed).substr(0, at), "about")) << at;
    }
  }
}

/// Test case 14 of the GCM specification's: a key and a nonce of zeros, one block of zeros.
TEST(SecretBox, IsAesGcm) {
  struct Zeros final : Random {
    void fill(std::span<std::uint8_t> out) override { std::ranges::fill(out, std::uint8_t{0}); }
  } zeros;
  const SecretBox box(std::string(32, '\0'));
  EXPECT_EQ(toHex(box.seal(std::string(16, '\0'), "", zeros)),
            "01"
            "000000000000000000000000"
            "cea7403d4d606b6e074ec5d3baf39d18"
            "d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(Hash, Base64RefusesWhatIsNotBase64) {
  EXPECT_EQ(toBase64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
  EXPECT_EQ(fromBase64("YW55IGNhcm5hbCBwbGVhcw=="), "any carnal pleas");
  EXPECT_FALSE(fromBase64("a"));
  EXPECT_FALSE(fromBase64("ab=c"));
  EXPECT_FALSE(fromBase64("ab\n="));
}

TEST(Strings, WildcardsMatchAsAwsFilters) {
  EXPECT_TRUE(matchesWildcard("web-*", "web-1"));
  EXPECT_TRUE(matchesWildcard("*-?", "a-b-c"));
  EXPECT_TRUE(matchesWildcard("a\\*b", "a*b"));
  EXPECT_FALSE(matchesWildcard("a\\*b", "axb"));
  EXPECT_FALSE(matchesWildcard("a?", "a"));
  EXPECT_TRUE(matchesWildcard("*", ""));
  EXPECT_TRUE(matchesWildcard("", ""));
  EXPECT_FALSE(matchesWildcard("", "a"));
  EXPECT_TRUE(matchesWildcard("*ab*ab", "aababxab"));
}

TEST(Strings, PercentEncodingIsReversed) {
  const std::string text = "a b/ü+%~";
  EXPECT_EQ(percentEncode(text), "a%20b%2F%C3%BC%2B%25~");
  EXPECT_EQ(percentDecode(percentEncode(text)), text);
  EXPECT_FALSE(percentDecode("%4"));
  EXPECT_FALSE(percentDecode("%zz"));
}

TEST(Strings, Utf8RefusesOverlongAndSurrogates) {
  EXPECT_TRUE(isUtf8("aü€😀"));
  EXPECT_FALSE(isUtf8("\xc0\x80"));
  EXPECT_FALSE(isUtf8("\xed\xa0\x80"));
  EXPECT_FALSE(isUtf8("\xe2\x82"));
}

TEST(Time, WrittenFormsAreReadBack) {
  const auto t = *parseIso8601("2024-02-29T23:59:58.123456Z");
  EXPECT_EQ(toIso8601Millis(t), "2024-02-29T23:59:58.123Z");
  EXPECT_EQ(toBasicIso8601(t), "20240229T235958Z");
  EXPECT_EQ(toHttpDate(t), "Thu, 29 Feb 2024 23:59:58 GMT");
  EXPECT_EQ(*parseIso8601("2024-03-01T01:59:58.123456+02:00"), t);
  EXPECT_EQ(toIso8601Seconds(*parseHttpDate("Thu, 29 Feb 2024 23:59:58 GMT")), "2024-02-29T23:59:58Z");
  EXPECT_EQ(toIso8601Seconds(*parseBasicIso8601("20240229T235958Z")), "2024-02-29T23:59:58Z");
  EXPECT_FALSE(parseIso8601("2024-02-30T00:00:00Z"));
  EXPECT_FALSE(parseIso8601("2024-02-29T00:00:00"));
  EXPECT_FALSE(parseIso8601("2024-02-29T00:00:00Zx"));
}

TEST(Random, OrderedUuidsFollowTime) {
  SeededRandom random(7);
  const auto early = random.orderedUuid(fromMicros(1'000'000'000'000'000));
  const auto late = random.orderedUuid(fromMicros(1'000'000'000'001'000));
  EXPECT_EQ(early.substr(0, 15), "00e8d4a5-1000-7");
  EXPECT_THAT(early, ::testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_LT(early, late);
  EXPECT_NE(late, random.orderedUuid(fromMicros(1'000'000'000'001'000)));
}

TEST(Random, SmallDrawsDoNotRepeatEachOther) {
  SystemRandom random;
  std::set<std::string> seen;
  // More than one pool of them.
  for (int i = 0; i < 500; ++i) EXPECT_TRUE(seen.insert(random.hex(16)).second);
  EXPECT_FALSE(seen.contains("0000000000000000"));
}

TEST(Random, UuidHasVersionAndVariant) {
  SeededRandom random(7);
  const auto id = random.uuid();
  ASSERT_EQ(id.size(), 36U);
  EXPECT_EQ(id[14], '4');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
  EXPECT_NE(id, random.uuid());
}

TEST(Strings, TextIsCutBetweenCharacters) {
  EXPECT_EQ(cutText("abc", 3), "abc");
  EXPECT_EQ(cutText("abcd", 3), "abc");
  for (const std::string text : {"aä€😀b", "😀😀", "ää"})
    for (std::size_t most = 0; most <= text.size(); ++most) {
      const auto cut = cutText(text, most);
      EXPECT_TRUE(isUtf8(cut)) << text << most;
      EXPECT_TRUE(cut.size() <= most && cut.size() + 3 >= most);
    }
  EXPECT_EQ(cutText("\x80\x80\x80\x80\x80\x80", 5).size(), 2U) << "no text at all: still no more is lost";
}

}  // namespace
}  // namespace sp
