#include "json/duplicates.h"

#include <set>

#include <fmt/format.h>
#include <boost/json/basic_parser_impl.hpp>

namespace sp::json {
namespace {

// Steps that are kept, in bytes: a text of 1 MiB may repeat a member of a very long name very often.
constexpr std::size_t kMostBytes = 8U << 20U;

/// Walks a document with the names of the members seen in each object that is open.
class Walker {
 public:
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = max_object_size;
  static constexpr std::size_t max_key_size = max_object_size;
  static constexpr std::size_t max_string_size = max_object_size;
  using Code = boost::json::error_code;
  using View = boost::json::string_view;

  Walker(std::size_t most, const WantedDuplicate& wanted) : most_(most), wanted_(wanted) {}

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return open(true); }
  bool on_object_end(std::size_t, Code&) { return close(); }
  bool on_array_begin(Code&) { return open(false); }
  bool on_array_end(std::size_t, Code&) { return close(); }
  bool on_key_part(View s, std::size_t, Code&) {
    key_.append(s.data(), s.size());
    return true;
  }
  bool on_key(View s, std::size_t, Code&) {
    key_.append(s.data(), s.size());
    auto& object = open_.back();
    object.name = std::exchange(key_, {});
    if (!object.seen.insert(object.name).second && found_.size() < most_ && bytes_ < kMostBytes && isWanted()) {
      found_.push_back({steps()});
      for (const auto& step : found_.back().steps) bytes_ += step.size();
    }
    return true;
  }
  bool on_string_part(View, std::size_t, Code&) { return true; }
  bool on_string(View, std::size_t, Code&) { return value(); }
  bool on_number_part(View, Code&) { return true; }
  bool on_int64(std::int64_t, View, Code&) { return value(); }
  bool on_uint64(std::uint64_t, View, Code&) { return value(); }
  bool on_double(double, View, Code&) { return value(); }
  bool on_bool(bool, Code&) { return value(); }
  bool on_null(Code&) { return value(); }
  bool on_comment_part(View, Code&) { return true; }
  bool on_comment(View, Code&) { return true; }

  std::vector<Duplicate> take() { return std::move(found_); }

 private:
  struct Open {
    bool object = false;
    std::string name;
    std::set<std::string> seen;
    std::size_t index = 0;
  };

  bool open(bool object) {
    open_.push_back({object, {}, {}, 0});
    return true;
  }
  bool close() {
    open_.pop_back();
    return value();
  }
  bool value() {
    if (!open_.empty()) ++open_.back().index;
    return true;
  }
  bool isWanted() const {
    if (!wanted_) return true;
    std::vector<std::string_view> all;
    all.reserve(open_.size());
    for (const auto& one : open_) all.push_back(one.object ? std::string_view(one.name) : "[]");
    return wanted_(all);
  }
  std::vector<std::string> steps() const {
    std::vector<std::string> all;
    for (const auto& one : open_) all.push_back(one.object ? one.name : fmt::format("[{}]", one.index));
    return all;
  }

  std::vector<Open> open_;
  std::string key_;
  std::vector<Duplicate> found_;
  std::size_t most_;
  std::size_t bytes_ = 0;
  const WantedDuplicate& wanted_;
};

}  // namespace

std::vector<Duplicate> findDuplicates(std::string_view text, std::size_t most, const WantedDuplicate& wanted) {
  boost::json::parse_options options;
  options.max_depth = 512;
  boost::json::basic_parser<Walker> parser(options, most, wanted);
  boost::json::error_code error;
  const auto read = parser.write_some(false, text.data(), text.size(), error);
  if (error || read < text.size()) return {};
  return parser.handler().take();
}

}  // namespace sp::json
