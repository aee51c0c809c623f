#include "agent/scripts/diagnosis.h"

#include <gtest/gtest.h>

namespace sp::agent {
namespace {

TEST(Diagnosis, LineEndsOfWindowsAreNamed) {
  EXPECT_NE(lineEndHint("#!/bin/sh\r\necho\r\n", "pre.sh").find("pre.sh end in CRLF"), std::string::npos);
  EXPECT_NE(lineEndHint("echo\r\n", "the script"), "");
  for (const auto* text : {"", "\n", "#!/bin/sh\necho\r\n", "one line\r", "echo a\\\r"}) EXPECT_EQ(lineEndHint(text, "x"), "") << text;
  EXPECT_EQ(lineEndHint(std::string_view("\x7f"
                                         "ELF\0\r\n",
                                         7),
                        "x"),
            "");
}

}  // namespace
}  // namespace sp::agent
