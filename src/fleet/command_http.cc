#include "fleet/command_http.h"

#include "base/log.h"
#include "base/strings.h"

namespace sp::fleet {
namespace {

constexpr std::string_view kPrefix = "/commands/";
constexpr std::size_t kPiece = 64 * 1024;

int statusOf(const Error& error) {
  if (error.code == "files.forbidden") return 403;
  if (error.code == "files.missing") return 404;
  if (error.code == "files.held" || error.code == "output.offset" || error.code == "output.superseded") return 409;
  if (error.code == "output.ended") return 410;
  if (error.code == "blob.full" || error.code == "store.full" || error.code == "os.full" || error.code == "output.limited") return 507;
  return 500;
}

void refuse(AgentHttpStream& stream, const Error& error) { (void)stream.respond(statusOf(error), {}, error.message + "\n"); }

/// Splits off what stands before the first '/'.
std::string_view takeSegment(std::string_view& rest) {
  const auto slash = rest.find('/');
  const auto segment = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  return segment;
}

}  // namespace

void CommandHttp::serve(AgentHttpStream& stream) {
  const std::string target = stream.head().target;
  std::string_view rest = target;
  rest.remove_prefix(std::min(kPrefix.size(), rest.size()));
  const auto command = takeSegment(rest);
  const auto what = takeSegment(rest);
  if (what == "source" && stream.head().method == "GET") return sendSource(stream, command, rest);
  if (what == "output" && stream.head().method == "PUT") return takeOutput(stream, command, rest);
  if (what == "reboot" && stream.head().method == "POST") return reboot(stream, command);
  (void)stream.respond(404, {}, "nothing here\n");
}

void CommandHttp::reboot(AgentHttpStream& stream, std::string_view command) {
  const auto by = files_.reboot(command, stream.agent());
  if (!by) return refuse(stream, by.error());
  (void)stream.respond(*by == runtime::CommandFiles::RebootBy::driver ? 202 : 200, {}, "");
}

void CommandHttp::sendSource(AgentHttpStream& stream, std::string_view command, std::string_view key) {
  const auto decoded = percentDecode(key);
  if (!decoded) return refuse(stream, {"files.missing", "the key is not percent-encoded well", {}, nullptr});
  const auto source = files_.source(command, stream.agent(), *decoded);
  if (!source) return refuse(stream, source.error());
  const auto size = (*source)->size();
  if (!stream.respondHead(200, {{"Content-Type", "application/octet-stream"}}, size)) return;
  for (std::uint64_t at = 0; at < size;) {
    const auto piece = (*source)->read(kPiece);
    // Cutting the answer short is the only way left to say so: the agent sees fewer bytes than announced.
    if (!piece || piece->empty()) {
      log::error("cannot read a script", {{"command", command}, {"error", piece ? "too short" : piece.error().text()}});
      return;
    }
    if (!stream.write(*piece)) return;
    at += piece->size();
  }
}

void CommandHttp::takeOutput(AgentHttpStream& stream, std::string_view command, std::string_view rest) {
  const auto instance = takeSegment(rest);
  const auto step = percentDecode(takeSegment(rest));
  const auto question = rest.find('?');
  const auto name = rest.substr(0, question);
  const auto query = question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
  const auto number = parseInt(query.substr(query.find('=') + 1));
  const bool adds = query.starts_with("offset=");
  if (instance != stream.agent()) return refuse(stream, {"files.forbidden", "an agent sends its own output only", {}, nullptr});
  if (!step || (name != "stdout" && name != "stderr")) return (void)stream.respond(404, {}, "nothing here\n");
  if ((!adds && !query.starts_with("total=")) || !number || *number < 0)
    return (void)stream.respond(400, {}, "the query must be offset=N or total=N\n");
  store::OutputKey key{std::string(command), stream.agent(), *step, std::string(name)};
  // The core is asked once for each output, not once for each piece.
  if (!outputs_.writes(key)) {
    const auto allowed = files_.output(command, stream.agent(), *step, name);
    if (!allowed) return refuse(stream, allowed.error());
    key = *allowed;
  }
  if (adds) addOutput(stream, key, static_cast<std::uint64_t>(*number));
  else endOutput(stream, key, static_cast<std::uint64_t>(*number));
}

void CommandHttp::addOutput(AgentHttpStream& stream, const store::OutputKey& key, std::uint64_t offset) {
  const auto answer = [&](const Error& error) {
    (void)stream.respond(statusOf(error), {{"X-Have", std::to_string(outputs_.state(key).have)}}, error.message + "\n");
  };
  const auto writer = outputs_.append(key, offset);
  if (!writer) return answer(writer.error());
  while (true) {
    const auto piece = stream.readBody(kPiece);
    if (!piece) return;
    if (piece->empty()) break;
    if (const auto written = (*writer)->write(*piece); !written) return answer(written.error());
  }
  (void)stream.respond(204, {{"X-Have", std::to_string(outputs_.state(key).have)}}, "");
}

void CommandHttp::endOutput(AgentHttpStream& stream, const store::OutputKey& key, std::uint64_t total) {
  std::string tail;
  while (true) {
    const auto piece = stream.readBody(kPiece);
    if (!piece) return;
    if (piece->empty()) break;
    if (tail.size() + piece->size() > store::kOutputTail) return (void)stream.respond(413, {}, "the end of an output is shorter\n");
    tail += *piece;
  }
  const auto ended = files_.endOutput(key, total, tail);
  const auto have = outputs_.state(key).have;
  if (!ended) return (void)stream.respond(statusOf(ended.error()), {{"X-Have", std::to_string(have)}}, ended.error().message + "\n");
  (void)stream.respond(204, {{"X-Have", std::to_string(have)}}, "");
}

}  // namespace sp::fleet
