#include <gtest/gtest.h>

#include "cli/api.h"

namespace sp::cli {
namespace {

TEST(XmlRead, NestedElementsOfTheSameNameStayInside) {
  const std::string xml = "<set><item><id>1</id><tags><item><k>a</k></item></tags></item><item><id>2</id></item></set>";
  const auto items = xmlAll(xmlText(xml, "set"), "item");
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(xmlText(items[0], "id"), "1");
  EXPECT_EQ(xmlText(items[1], "id"), "2");
}

TEST(XmlRead, EntitiesAreDecodedAndMissingElementsAreEmpty) {
  EXPECT_EQ(xmlText("<m>a &amp;&lt;b&gt; &quot;c&quot;</m>", "m"), "a &<b> \"c\"");
  EXPECT_EQ(xmlText("<m>a</m>", "n"), "");
  EXPECT_EQ(xmlText("<m>a", "m"), "");
}

}  // namespace
}  // namespace sp::cli
