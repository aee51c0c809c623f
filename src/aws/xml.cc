#include "aws/xml.h"

#include <fmt/format.h>

namespace sp::aws {

void appendXmlText(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\n':
      case '\t': out += c; break;
      default:
        // XML 1.0 has no way to write most of these; AWS writes them so all the same.
        if (static_cast<unsigned char>(c) < 0x20) fmt::format_to(std::back_inserter(out), "&#x{:x};", static_cast<unsigned>(c));
        else out += c;
    }
  }
}

XmlWriter& XmlWriter::open(std::string_view name, std::string_view xml_namespace) {
  out_.append("<").append(name);
  if (!xml_namespace.empty()) out_.append(" xmlns=\"").append(xml_namespace).append("\"");
  out_ += '>';
  open_.emplace_back(name);
  return *this;
}

XmlWriter& XmlWriter::close() {
  out_.append("</").append(open_.back()).append(">");
  open_.pop_back();
  return *this;
}

XmlWriter& XmlWriter::element(std::string_view name, std::string_view text) {
  out_.append("<").append(name).append(">");
  appendXmlText(out_, text);
  out_.append("</").append(name).append(">");
  return *this;
}

std::string XmlWriter::take() {
  while (!open_.empty()) close();
  return std::move(out_);
}

}  // namespace sp::aws
