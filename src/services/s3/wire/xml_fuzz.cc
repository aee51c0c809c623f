// libFuzzer target: any text as one of S3's small XML bodies. What is taken holds to the limits and, written again, reads the
// same.
#include <cstdint>

#include "base/assert.h"
#include "services/s3/wire/xml.h"

namespace {

using namespace sp::services::s3;

std::size_t depthOf(const XmlElement& element) {
  std::size_t deepest = 0;
  for (const auto& child : element.children) deepest = std::max(deepest, depthOf(child));
  return deepest + 1;
}

void write(std::string& out, const XmlElement& element) {
  out += "<" + element.name + ">" + escapeXml(element.text);
  for (const auto& child : element.children) write(out, child);
  out += "</" + element.name + ">";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto root = parseXml({reinterpret_cast<const char*>(data), size});
  if (!root) {
    SP_ASSERT(root.error().code == "xml.syntax" && !root.error().message.empty());
    return 0;
  }
  SP_ASSERT(depthOf(*root) <= 8);
  std::string text;
  write(text, *root);
  const auto again = parseXml(text);
  SP_ASSERT(again.has_value());
  std::string second;
  write(second, *again);
  SP_ASSERT(second == text);
  return 0;
}
