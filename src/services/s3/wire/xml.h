// S3's XML: writing answers, reading the few small request bodies.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sp::services::s3 {

inline constexpr std::string_view kXmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Builds one document, element by element. Text is escaped; characters XML cannot hold become character references, as
/// S3 writes them.
class XmlWriter {
 public:
  /// Starts the document with its root element.
  explicit XmlWriter(std::string_view root, std::string_view xmlns = kXmlNamespace);
  XmlWriter& open(std::string_view name);
  XmlWriter& close();
  /// <name>value</name>
  XmlWriter& text(std::string_view name, std::string_view value);
  XmlWriter& number(std::string_view name, std::uint64_t value) { return text(name, std::to_string(value)); }
  XmlWriter& boolean(std::string_view name, bool value) { return text(name, value ? "true" : "false"); }
  /// Markup as it is: between elements, or as the whole content.
  XmlWriter& raw(std::string_view markup);
  /// Closes what is open and gives the document.
  std::string finish();

 private:
  std::string out_;
  std::vector<std::string> open_;
};

std::string escapeXml(std::string_view text);

struct XmlElement {
  std::string name;
  /// Character data; empty if there are children (only white space is allowed between them).
  std::string text;
  std::vector<XmlElement> children;

  /// First child of that name or nullptr.
  const XmlElement* child(std::string_view wanted) const;
};

/// One document: no DOCTYPE (so no entities but the five of XML), nested at most 8 deep, at most 60,000 elements.
/// Attributes are ignored. Error code "xml.syntax".
Result<XmlElement> parseXml(std::string_view text);

}  // namespace sp::services::s3
