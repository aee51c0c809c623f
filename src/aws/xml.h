// Writing XML, as the query, EC2 and S3 protocols want it: no indentation, text escaped.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sp::aws {

/// Appends `text` with & < > " and control characters escaped.
void appendXmlText(std::string& out, std::string_view text);

/// Builds one document from the outside in. Names are the caller's constants and are not escaped.
class XmlWriter {
 public:
  /// With the XML declaration.
  XmlWriter() { out_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"; }
  /// <name xmlns="…">; an empty namespace is left out.
  XmlWriter& open(std::string_view name, std::string_view xml_namespace = {});
  XmlWriter& close();
  /// <name>text</name>
  XmlWriter& element(std::string_view name, std::string_view text);
  /// Closes what is open and gives the document.
  std::string take();

 private:
  std::string out_;
  std::vector<std::string> open_;
};

}  // namespace sp::aws
