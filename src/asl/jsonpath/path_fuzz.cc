// libFuzzer target: any text as a path. What parses reads a document in bounds, and a reference path reads back what was written at it.
#include <cstdint>

#include "asl/jsonpath/path.h"
#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const auto kDocument = *json::parse(
      R"({"a":{"b":[1,2,{"c":"x","d":-0.5}],"a":{"b":null}},"l":[{"n":1},{"n":2.5},{"n":9007199254740993}],"s":"text","z":null,"e":[]})");
  const auto path = asl::Path::parse(text);
  if (!path) return 0;
  const auto read = path->read(kDocument);
  // Several members of one object make an object.
  if (!path->definite()) SP_ASSERT(!read || read->is_array() || read->is_object());
  std::string why;
  const auto* found = path->definite() ? path->find(kDocument, &why) : nullptr;
  if (path->definite()) SP_ASSERT((found != nullptr) == read.has_value());
  if (found != nullptr) SP_ASSERT(asl::sameValue(*found, *read));
  if (!path->reference()) return 0;
  auto copy = kDocument;
  if (path->write(copy, "written")) {
    const auto* there = path->find(copy);
    SP_ASSERT(there != nullptr && asl::sameValue(*there, json::Value("written")));
  }
  return 0;
}
