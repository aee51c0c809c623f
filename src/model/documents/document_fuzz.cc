// libFuzzer: any text as a document, JSON or YAML. What is accepted is planned, and what is planned survives its own encoding; YAML
// that was read is written and read back the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/documents/plan.h"
#include "model/documents/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto value = document::parseYaml(text)) {
    const auto back = document::parseYaml(document::toYaml(*value));
    if (!back || json::toText(*back) != json::toText(*value)) std::abort();
  }
  const auto content = document::parseContent(text);
  if (!content) return 0;
  document::Values values;
  for (const auto& parameter : content->parameters) values[parameter.name] = parameter.otherwise.value_or("x");
  const auto plan = document::makePlan(*content, values, {});
  if (plan && json::toText(document::Plan::decode(plan->encode()).encode()) != json::toText(plan->encode())) std::abort();
  return 0;
}
