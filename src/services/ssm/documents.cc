#include "services/ssm/documents.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::services::ssm {
namespace {

constexpr std::string_view kRunShellScript = "AWS-RunShellScript";
constexpr std::string_view kRunRemoteScript = "AWS-RunRemoteScript";
constexpr std::int64_t kShellSecondsMax = 172'800;
constexpr std::int64_t kRemoteSecondsMax = 28'800;
// Below this the agent of AWS falls back to its default without a word; so do we.
constexpr std::int64_t kSecondsLeast = 5;
constexpr std::int64_t kSecondsDefault = 3600;

/// A parameter as its document declares it.
struct Parameter {
  std::string_view name;
  bool required = false;
  /// A list of texts; else only the first element counts.
  bool list = false;
};
constexpr std::array kShellParameters = {Parameter{"commands", true, true}, Parameter{"workingDirectory"}, Parameter{"executionTimeout"}};
constexpr std::array kRemoteParameters = {Parameter{"sourceType", true}, Parameter{"sourceInfo", true}, Parameter{"commandLine", true},
                                          Parameter{"workingDirectory"}, Parameter{"executionTimeout"}};

std::unexpected<aws::ApiError> invalid(std::string message) { return aws::refuse("InvalidParameters", std::move(message)); }

using Values = std::map<std::string, std::vector<std::string>, std::less<>>;

std::expected<Values, aws::ApiError> readValues(std::span<const Parameter> declared, std::string_view document, const json::Object& given) {
  Values values;
  for (const auto& [key, value] : given) {
    const std::string_view name(key.data(), key.size());
    const auto parameter = std::ranges::find(declared, name, &Parameter::name);
    if (parameter == declared.end())
      return invalid(fmt::format("Parameter \"{}\" is not defined in the document content of {}.", name, document));
    std::vector<std::string> texts;
    if (!value.is_array()) return invalid(fmt::format("Parameter \"{}\" must be a list of strings, not {}.", name, json::kindName(value)));
    for (const auto& each : value.get_array()) {
      if (!each.is_string())
        return invalid(fmt::format("Parameter \"{}\" must be a list of strings; it holds {}.", name, json::kindName(each)));
      texts.push_back(json::toStd(each.get_string()));
    }
    values.emplace(std::string(name), std::move(texts));
  }
  for (const auto& parameter : declared) {
    if (!parameter.required) continue;
    const auto found = values.find(parameter.name);
    if (found == values.end() || found->second.empty())
      return invalid(fmt::format("Parameter \"{}\" of document {} is required and has no value.", parameter.name, document));
  }
  return values;
}

std::string first(const Values& values, std::string_view name) {
  const auto found = values.find(name);
  return found == values.end() || found->second.empty() ? std::string() : found->second.front();
}

std::expected<std::int64_t, aws::ApiError> readSeconds(const Values& values, std::int64_t most) {
  const auto text = first(values, "executionTimeout");
  if (text.empty()) return kSecondsDefault;
  const auto seconds = parseInt(text);
  if (text.front() < '1' || text.front() > '9' || !seconds || *seconds > most)
    return invalid(fmt::format("Parameter \"executionTimeout\" with value \"{}\" is not a number of seconds from 1 to {}.", text, most));
  return *seconds < kSecondsLeast ? kSecondsDefault : *seconds;
}

std::expected<Rendered, aws::ApiError> renderShell(const json::Object& parameters) {
  SP_TRY(const auto values, readValues(kShellParameters, kRunShellScript, parameters));
  Rendered rendered;
  SP_TRY(rendered.execution_seconds, readSeconds(values, kShellSecondsMax));
  DocumentStep step;
  step.name = step.plugin = "aws:runShellScript";
  step.script = join(values.at("commands"), "\n");
  step.working_directory = first(values, "workingDirectory");
  rendered.steps.push_back(std::move(step));
  return rendered;
}

std::expected<S3Source, aws::ApiError> readSourceInfo(const Values& values) {
  const auto type = first(values, "sourceType");
  if (type != "S3" && type != "GitHub")
    return invalid(fmt::format("Parameter \"sourceType\" with value \"{}\" is not one of the allowed values: [GitHub, S3].", type));
  if (type == "GitHub")
    return invalid("Parameter \"sourceType\" with value \"GitHub\" is not served here: put the script into a bucket and use S3.");
  const auto text = first(values, "sourceInfo");
  const auto info = json::parse(text);
  if (!info || !info->is_object())
    return invalid(fmt::format("Parameter \"sourceInfo\" must be a JSON object like {{\"path\":\"https://…\"}}; got {}.", text));
  const auto path = json::textOr(info->get_object(), "path");
  if (path.empty()) return invalid("Parameter \"sourceInfo\" must have a member \"path\": the S3 URL of the script.");
  const auto source = parseS3Url(path);
  if (!source) return invalid("Parameter \"sourceInfo\": " + source.error().message);
  return *source;
}

std::expected<Rendered, aws::ApiError> renderRemote(const json::Object& parameters) {
  SP_TRY(const auto values, readValues(kRemoteParameters, kRunRemoteScript, parameters));
  Rendered rendered;
  SP_TRY(rendered.execution_seconds, readSeconds(values, kRemoteSecondsMax));
  DocumentStep download;
  download.name = "downloadContent";
  download.plugin = "aws:downloadContent";
  download.working_directory = first(values, "workingDirectory");
  SP_TRY(download.source, readSourceInfo(values));
  DocumentStep windows;
  windows.name = "runPowerShellScript";
  windows.plugin = "aws:runPowerShellScript";
  windows.skipped = "Step execution skipped due to unsupported platform. Step name: runPowerShellScript";
  DocumentStep run;
  run.name = "runShellScript";
  run.plugin = "aws:runShellScript";
  run.script =
      substitute("directory=$(pwd)\nexport PATH=$PATH:$directory\n {{ commandLine }} \n", {{"commandLine", first(values, "commandLine")}});
  run.working_directory = download.working_directory;
  rendered.steps = {std::move(download), std::move(windows), std::move(run)};
  return rendered;
}

std::string decodeKey(std::string_view path) {
  const auto decoded = percentDecode(path, true);
  return decoded ? *decoded : std::string(path);
}

}  // namespace

std::string substitute(std::string_view text, const std::map<std::string, std::string, std::less<>>& parameters) {
  std::string out;
  while (true) {
    const auto open = text.find("{{");
    const auto close = open == std::string_view::npos ? open : text.find("}}", open);
    if (close == std::string_view::npos) return out += text;
    const auto name = trim(text.substr(open + 2, close - open - 2));
    const auto parameter = parameters.find(name);
    out += text.substr(0, open);
    out += parameter == parameters.end() ? text.substr(open, close + 2 - open) : std::string_view(parameter->second);
    text.remove_prefix(close + 2);
  }
}

std::optional<std::string> documentName(std::string_view name_or_arn) {
  auto name = name_or_arn;
  if (name.starts_with("arn:"))
    if (const auto at = name.find(":document/"); at != std::string_view::npos)
      name = name.substr(at + std::string_view(":document/").size());
  if (name == kRunShellScript || name == kRunRemoteScript) return std::string(name);
  return std::nullopt;
}

std::expected<Rendered, aws::ApiError> render(std::string_view document, std::string_view version, const json::Object& parameters) {
  const auto name = documentName(document);
  if (!name) return aws::refuse("InvalidDocument", fmt::format("Document with name {} does not exist.", document));
  if (!version.empty() && version != "$DEFAULT" && version != "$LATEST" && version != "1")
    return aws::refuse("InvalidDocumentVersion",
                       fmt::format("Document version {} of {} does not exist; there is version 1.", version, *name));
  return *name == kRunShellScript ? renderShell(parameters) : renderRemote(parameters);
}

Result<S3Source> parseS3Url(std::string_view url) {
  const auto bad = [url](std::string_view why) { return fail("s3.url", fmt::format("'{}' is no S3 URL: {}", url, why)); };
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return bad("it must begin with s3://, https:// or http://");
  const auto scheme = toLower(url.substr(0, scheme_end));
  auto rest = url.substr(scheme_end + 3);
  rest = rest.substr(0, rest.find_first_of("?#"));
  const auto slash = rest.find('/');
  const auto host = rest.substr(0, slash);
  const auto path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  if (scheme == "s3") {
    // s3:// is no HTTP URL: its key is written as it is.
    if (host.empty() || path.empty()) return bad("it must name a bucket and a key");
    return S3Source{std::string(host), std::string(path)};
  }
  if (scheme != "https" && scheme != "http") return bad("it must begin with s3://, https:// or http://");
  const auto amazon = toLower(host);
  // BUCKET.s3.amazonaws.com, BUCKET.s3.REGION.amazonaws.com, BUCKET.s3-REGION.amazonaws.com
  if (amazon.ends_with(".amazonaws.com") && !amazon.starts_with("s3.") && !amazon.starts_with("s3-")) {
    const auto at = std::max(amazon.rfind(".s3.") == std::string::npos ? 0 : amazon.rfind(".s3."),
                             amazon.rfind(".s3-") == std::string::npos ? 0 : amazon.rfind(".s3-"));
    if (at == 0) return bad("its host is not S3's");
    if (path.empty()) return bad("it must name a key");
    return S3Source{std::string(host.substr(0, at)), decodeKey(path)};
  }
  // s3.REGION.amazonaws.com/BUCKET/KEY and this server's own endpoint.
  const auto bucket_end = path.find('/');
  if (bucket_end == std::string_view::npos || bucket_end == 0 || bucket_end + 1 == path.size())
    return bad("it must name a bucket and a key");
  return S3Source{decodeKey(path.substr(0, bucket_end)), decodeKey(path.substr(bucket_end + 1))};
}

}  // namespace sp::services::ssm
