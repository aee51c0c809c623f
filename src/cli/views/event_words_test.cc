#include "cli/views/event_words.h"

#include <gtest/gtest.h>

namespace sp::cli {
namespace {

std::string words(std::string_view event) { return eventWords(json::parse(event)->get_object()); }

TEST(EventWords, Resources) {
  EXPECT_EQ(shortResource("arn:aws:ec2:us-east-1:000000000000:instance/i-1"), "instance/i-1");
  EXPECT_EQ(shortResource("arn:aws:states:us-east-1:000000000000:execution:m:e"), "execution:m:e");
  EXPECT_EQ(shortResource("arn:short"), "arn:short");
  EXPECT_EQ(shortResource("mine"), "mine");
}

TEST(EventWords, WhatItIsAboutAndHowItStands) {
  EXPECT_EQ(words(R"({"resources":["arn:aws:ec2:r:0:instance/i-1"],"detail":{"state":"stopped"}})"), "instance/i-1 stopped");
  EXPECT_EQ(words(R"({"resources":["arn:aws:states:r:0:execution:m:e"],"detail":{"status":"FAILED","error":"E","cause":"why"}})"),
            "execution:m:e FAILED: E: why");
  EXPECT_EQ(words(R"({"resources":[],"detail":{"backupJobId":"j","state":"FAILED","statusMessage":"\"No.\""}})"), "j FAILED: \"No.\"");
  EXPECT_EQ(words(R"({"resources":[7],"detail":{"a":1}})"), "");
  EXPECT_EQ(words(R"({"detail":"odd"})"), "");
}

TEST(EventWords, OneLineOfBoundedLength) {
  EXPECT_EQ(oneLine("a\xc2\x9b"
                    "31m\xc3\xa9"),
            "a 31m\xc3\xa9")
      << "U+009B begins a sequence too";
  EXPECT_EQ(oneLine("a\x1b[31mred\nline\x7f"), "a [31mred line ");
  EXPECT_EQ(words(R"({"resources":["a\nb\u001b[2J"],"detail":{}})"), "a b [2J");
  const auto longest = words(R"({"resources":[")" + std::string(199, 'x') + R"(ää"],"detail":{}})");
  EXPECT_EQ(longest, std::string(199, 'x') + "…");
}

}  // namespace
}  // namespace sp::cli
