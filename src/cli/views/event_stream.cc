#include "cli/views/event_stream.h"

namespace sp::cli {
namespace {

constexpr std::size_t kLineMax = 1U << 20U;

}  // namespace

Result<void> EventStream::feed(std::string_view bytes, const std::function<Result<void>(const ServerEvent&)>& take) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() > kLineMax) return fail("cli.stream", "the server sent a line of more than 1 MiB");
    if (end == std::string_view::npos) return {};
    bytes.remove_prefix(end + 1);
    auto line = std::exchange(line_, {});
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) {
      if (has_data_) SP_CHECK_OK(take(next_));
      next_ = {next_.id, {}, {}};
      has_data_ = false;
      continue;
    }
    const auto colon = line.find(':');
    const auto name = std::string_view(line).substr(0, colon);
    auto value = colon == std::string::npos ? std::string_view() : std::string_view(line).substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "id") next_.id = value;
    if (name == "event") next_.event = value;
    if (name != "data") continue;
    if (has_data_) next_.data += '\n';
    next_.data += value;
    has_data_ = true;
  }
  return {};
}

void EventStream::reset() {
  line_.clear();
  next_ = {};
  has_data_ = false;
}

}  // namespace sp::cli
