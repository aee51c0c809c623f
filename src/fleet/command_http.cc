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
  if (error.code == "blob.full" || error.code == "store.full") return 507;
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
  (void)stream.respond(404, {}, "nothing here\n");
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
  const auto name = rest;
  if (instance != stream.agent()) return refuse(stream, {"files.forbidden", "an agent stores its own output only", {}, nullptr});
  if (!step || (name != "stdout" && name != "stderr")) return (void)stream.respond(404, {}, "nothing here\n");
  auto sink = files_.output(command, stream.agent(), *step, name);
  if (!sink) return refuse(stream, sink.error());
  while (true) {
    const auto piece = stream.readBody(kPiece);
    if (!piece) return;
    if (piece->empty()) break;
    if (const auto written = (*sink)->write(*piece); !written) return refuse(stream, written.error());
  }
  if (const auto stored = (*sink)->commit(); !stored) return refuse(stream, stored.error());
  (void)stream.respond(204, {}, "");
}

}  // namespace sp::fleet
