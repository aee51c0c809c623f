#include "model/documents/yaml.h"

#include <yaml.h>

#include <charconv>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::document {
namespace {

constexpr std::size_t kDepthMax = 64;

struct Parser {
  yaml_parser_t raw{};
  Parser() { yaml_parser_initialize(&raw); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { yaml_parser_delete(&raw); }
};

struct Event {
  yaml_event_t raw{};
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&raw); }
};

std::string_view viewOf(const yaml_char_t* text, std::size_t length) { return {reinterpret_cast<const char*>(text), length}; }

/// Digits that begin with no zero, with a sign or without.
bool looksWhole(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return false;
  return text.size() == 1 || text.front() != '0';
}

std::optional<double> fraction(std::string_view text) {
  const auto digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return std::nullopt;
  if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// What a scalar without quotes means.
json::Value plain(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (looksWhole(text)) {
    if (const auto number = parseInt(text.starts_with('+') ? text.substr(1) : text)) return *number;
  } else if (text.find_first_of(".eE") != std::string_view::npos && text.find_first_of("0123456789") != std::string_view::npos) {
    if (const auto number = fraction(text)) return *number;
  }
  return json::Value(text);
}

class Reading {
 public:
  explicit Reading(std::string_view text) {
    yaml_parser_set_encoding(&parser_.raw, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_.raw, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }

  Result<json::Value> document() {
    Event event;
    SP_CHECK_OK(next(event));
    Event begin;
    SP_CHECK_OK(next(begin));
    if (begin.raw.type == YAML_STREAM_END_EVENT) return fail("yaml.syntax", "the text holds no YAML document");
    Event first;
    SP_CHECK_OK(next(first));
    SP_TRY(auto value, node(first, 0));
    Event end;
    SP_CHECK_OK(next(end));
    Event last;
    SP_CHECK_OK(next(last));
    if (last.raw.type != YAML_STREAM_END_EVENT) return problem(last, "a second document begins; one is allowed");
    return value;
  }

 private:
  static std::unexpected<Error> problem(const Event& event, std::string_view what) {
    return fail("yaml.syntax", fmt::format("line {}, column {}: {}", event.raw.start_mark.line + 1, event.raw.start_mark.column + 1, what));
  }

  Result<void> next(Event& event) {
    if (yaml_parser_parse(&parser_.raw, &event.raw) == 1) return {};
    const auto& raw = parser_.raw;
    const auto* what = raw.problem == nullptr ? "cannot be read" : raw.problem;
    if (raw.error == YAML_READER_ERROR) return fail("yaml.syntax", fmt::format("byte {}: {}", raw.problem_offset, what));
    return fail("yaml.syntax", fmt::format("line {}, column {}: {}", raw.problem_mark.line + 1, raw.problem_mark.column + 1, what));
  }

  Result<json::Value> node(const Event& event, std::size_t depth) {
    if (depth > kDepthMax) return problem(event, fmt::format("nested deeper than {} levels", kDepthMax));
    switch (event.raw.type) {
      case YAML_SCALAR_EVENT: {
        const auto& scalar = event.raw.data.scalar;
        if (scalar.anchor != nullptr) return problem(event, "anchors are not allowed");
        if (scalar.tag != nullptr) return problem(event, "tags are not allowed");
        const auto text = viewOf(scalar.value, scalar.length);
        return scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain(text) : json::Value(text);
      }
      case YAML_SEQUENCE_START_EVENT:
        if (event.raw.data.sequence_start.anchor != nullptr) return problem(event, "anchors are not allowed");
        if (event.raw.data.sequence_start.tag != nullptr) return problem(event, "tags are not allowed");
        return sequence(depth);
      case YAML_MAPPING_START_EVENT:
        if (event.raw.data.mapping_start.anchor != nullptr) return problem(event, "anchors are not allowed");
        if (event.raw.data.mapping_start.tag != nullptr) return problem(event, "tags are not allowed");
        return mapping(depth);
      case YAML_ALIAS_EVENT: return problem(event, "aliases are not allowed");
      default: return problem(event, "a value is missing");
    }
  }

  Result<json::Value> sequence(std::size_t depth) {
    json::Array array;
    while (true) {
      Event event;
      SP_CHECK_OK(next(event));
      if (event.raw.type == YAML_SEQUENCE_END_EVENT) return json::Value(std::move(array));
      SP_TRY(auto value, node(event, depth + 1));
      array.push_back(std::move(value));
    }
  }

  Result<json::Value> mapping(std::size_t depth) {
    json::Object object;
    while (true) {
      Event key;
      SP_CHECK_OK(next(key));
      if (key.raw.type == YAML_MAPPING_END_EVENT) return json::Value(std::move(object));
      if (key.raw.type != YAML_SCALAR_EVENT) return problem(key, "a key must be a text");
      const auto name = viewOf(key.raw.data.scalar.value, key.raw.data.scalar.length);
      if (object.contains(name)) return problem(key, fmt::format("the key '{}' stands there twice", name));
      Event event;
      SP_CHECK_OK(next(event));
      SP_TRY(auto value, node(event, depth + 1));
      object.emplace(name, std::move(value));
    }
  }

  Parser parser_;
};

/// Writes into a string.
class Writing {
 public:
  Writing() {
    yaml_emitter_initialize(&raw_);
    yaml_emitter_set_output(&raw_, &Writing::take, &text_);
    yaml_emitter_set_unicode(&raw_, 1);
    yaml_emitter_set_width(&raw_, -1);
  }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  ~Writing() { yaml_emitter_delete(&raw_); }

  std::string document(const json::Value& value) {
    emit([](yaml_event_t* event) { yaml_stream_start_event_initialize(event, YAML_UTF8_ENCODING); });
    emit([](yaml_event_t* event) { yaml_document_start_event_initialize(event, nullptr, nullptr, nullptr, 1); });
    node(value);
    emit([](yaml_event_t* event) { yaml_document_end_event_initialize(event, 1); });
    emit([](yaml_event_t* event) { yaml_stream_end_event_initialize(event); });
    return text_;
  }

 private:
  static int take(void* into, unsigned char* bytes, std::size_t size) {
    static_cast<std::string*>(into)->append(reinterpret_cast<const char*>(bytes), size);
    return 1;
  }

  template <class Make>
  void emit(Make make) {
    yaml_event_t event{};
    make(&event);
    yaml_emitter_emit(&raw_, &event);
  }

  void scalar(std::string_view text, yaml_scalar_style_t style) {
    emit([&](yaml_event_t* event) {
      auto* bytes = reinterpret_cast<yaml_char_t*>(const_cast<char*>(text.data()));
      yaml_scalar_event_initialize(event, nullptr, nullptr, bytes, static_cast<int>(text.size()), 1, 1, style);
    });
  }

  void text(std::string_view text) {
    // Lines are kept as lines; what would read as a number or a word of YAML's own is quoted.
    if (text.find('\n') != std::string_view::npos && text.front() != ' ' && text.front() != '\n')
      return scalar(text, YAML_LITERAL_SCALAR_STYLE);
    const auto read = plain(text);
    scalar(text, read.is_string() ? YAML_ANY_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
  }

  void node(const json::Value& value) {
    if (value.is_object()) {
      emit([](yaml_event_t* event) { yaml_mapping_start_event_initialize(event, nullptr, nullptr, 1, YAML_BLOCK_MAPPING_STYLE); });
      for (const auto& [key, member] : value.get_object()) {
        text({key.data(), key.size()});
        node(member);
      }
      emit([](yaml_event_t* event) { yaml_mapping_end_event_initialize(event); });
    } else if (value.is_array()) {
      emit([](yaml_event_t* event) { yaml_sequence_start_event_initialize(event, nullptr, nullptr, 1, YAML_BLOCK_SEQUENCE_STYLE); });
      for (const auto& each : value.get_array()) node(each);
      emit([](yaml_event_t* event) { yaml_sequence_end_event_initialize(event); });
    } else if (value.is_string()) {
      text(json::toView(value.get_string()));
    } else {
      scalar(json::toText(value), YAML_PLAIN_SCALAR_STYLE);
    }
  }

  yaml_emitter_t raw_{};
  std::string text_;
};

}  // namespace

Result<json::Value> parseYaml(std::string_view text) {
  if (!isUtf8(text)) return fail("yaml.syntax", "the text is not UTF-8");
  if (text.empty()) return fail("yaml.syntax", "the text holds no YAML document");
  return Reading(text).document();
}

std::string toYaml(const json::Value& value) { return Writing().document(value); }

}  // namespace sp::document
