#include "services/s3/wire/xml.h"

#include <algorithm>
#include <memory>

#include <expat.h>
#include <fmt/format.h>

namespace sp::services::s3 {
namespace {

constexpr std::size_t kDepthMax = 8;
constexpr std::size_t kElementsMax = 60'000;

bool isBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

// What expat's callbacks build.
struct Building {
  XML_Parser parser = nullptr;
  XmlElement root;
  std::vector<XmlElement*> path;
  std::size_t elements = 0;
  std::string problem;

  void stop(std::string why) {
    if (problem.empty()) problem = std::move(why);
    XML_StopParser(parser, XML_FALSE);
  }
};

Building& buildingOf(void* data) { return *static_cast<Building*>(data); }

void onStart(void* data, const XML_Char* name, const XML_Char** /*attributes*/) {
  auto& b = buildingOf(data);
  if (++b.elements > kElementsMax) return b.stop(fmt::format("more than {} elements", kElementsMax));
  if (b.path.size() == kDepthMax) return b.stop(fmt::format("nested deeper than {}", kDepthMax));
  if (b.path.empty()) {
    b.root.name = name;
    b.path.push_back(&b.root);
    return;
  }
  auto& parent = *b.path.back();
  if (parent.children.empty()) {
    if (!isBlank(parent.text)) return b.stop(fmt::format("text before an element in '{}'", parent.name));
    parent.text.clear();
  }
  parent.children.push_back({name, {}, {}});
  b.path.push_back(&parent.children.back());
}

void onEnd(void* data, const XML_Char* /*name*/) { buildingOf(data).path.pop_back(); }

void onText(void* data, const XML_Char* text, int length) {
  auto& b = buildingOf(data);
  const std::string_view bytes(text, static_cast<std::size_t>(length));
  auto& element = *b.path.back();
  if (element.children.empty()) element.text += bytes;
  else if (!isBlank(bytes)) b.stop(fmt::format("text between the elements of '{}'", element.name));
}

void onDoctype(void* data, const XML_Char* /*name*/, const XML_Char* /*system*/, const XML_Char* /*pub*/, int /*internal*/) {
  buildingOf(data).stop("a document type declaration is not allowed");
}

}  // namespace

std::string escapeXml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') out += fmt::format("&#x{:x};", static_cast<unsigned>(c));
        else out += c;
    }
  }
  return out;
}

XmlWriter::XmlWriter(std::string_view root, std::string_view xmlns) : out_("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") {
  if (xmlns.empty()) out_ += fmt::format("<{}>", root);
  else out_ += fmt::format("<{} xmlns=\"{}\">", root, xmlns);
  open_.emplace_back(root);
}

XmlWriter& XmlWriter::open(std::string_view name) {
  out_ += fmt::format("<{}>", name);
  open_.emplace_back(name);
  return *this;
}

XmlWriter& XmlWriter::close() {
  out_ += fmt::format("</{}>", open_.back());
  open_.pop_back();
  return *this;
}

XmlWriter& XmlWriter::text(std::string_view name, std::string_view value) {
  out_ += fmt::format("<{}>{}</{}>", name, escapeXml(value), name);
  return *this;
}

XmlWriter& XmlWriter::raw(std::string_view markup) {
  out_ += markup;
  return *this;
}

std::string XmlWriter::finish() {
  while (!open_.empty()) close();
  return std::move(out_);
}

const XmlElement* XmlElement::child(std::string_view wanted) const {
  const auto found = std::ranges::find(children, wanted, &XmlElement::name);
  return found == children.end() ? nullptr : &*found;
}

Result<XmlElement> parseXml(std::string_view text) {
  const std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser(XML_ParserCreate(nullptr), &XML_ParserFree);
  Building building;
  building.parser = parser.get();
  XML_SetUserData(parser.get(), &building);
  XML_SetElementHandler(parser.get(), onStart, onEnd);
  XML_SetCharacterDataHandler(parser.get(), onText);
  XML_SetStartDoctypeDeclHandler(parser.get(), onDoctype);
  constexpr std::size_t kTextMax = 64U << 20U;
  if (text.size() > kTextMax) return fail("xml.syntax", fmt::format("{} bytes of XML, at most {} are read", text.size(), kTextMax));
  if (XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), XML_TRUE) == XML_STATUS_OK) return std::move(building.root);
  if (building.problem.empty()) building.problem = XML_ErrorString(XML_GetErrorCode(parser.get()));
  return fail("xml.syntax", fmt::format("line {}, column {}: {}", XML_GetCurrentLineNumber(parser.get()),
                                        XML_GetCurrentColumnNumber(parser.get()) + 1, building.problem));
}

}  // namespace sp::services::s3
