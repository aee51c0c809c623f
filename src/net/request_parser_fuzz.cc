// libFuzzer target: any bytes as HTTP requests. However the bytes are cut, the same requests come out of them.
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "net/request_parser.h"

namespace {

using namespace sp::net;

struct Seen {
  std::string requests;
  bool refused = false;
  /// It ended within a request.
  bool unfinished = false;
};

Seen parseInPieces(std::string_view wire, std::size_t piece) {
  const HttpLimits limits;
  RequestParser parser(limits);
  Seen seen;
  std::string request;
  std::string buffer;
  while (true) {
    std::string_view input = buffer;
    while (true) {
      const auto before = input.size();
      const auto event = parser.next(input);
      SP_ASSERT(input.size() <= before);
      using Step = RequestParser::Step;
      if (event.step == Step::error) {
        SP_ASSERT(event.status >= 400 && event.status < 600 && !event.reason.empty());
        seen.refused = true;
        return seen;
      }
      if (event.step == Step::needMore) break;
      if (event.step == Step::head) {
        const auto head = parser.takeHead();
        request = "\n" + head.method + " " + head.target;
        for (const auto& header : head.headers) request += "\n" + header.name + ":" + header.value;
        request += "\n\n";
      }
      if (event.step == Step::body) request.append(event.bytes);
      if (event.step == Step::complete) {
        seen.requests += request + (parser.keepAlive() ? "\nkept" : "\nclosed");
        parser.reset();
      }
    }
    buffer.erase(0, buffer.size() - input.size());
    if (wire.empty()) {
      seen.unfinished = !buffer.empty() || parser.midRequest();
      return seen;
    }
    buffer.append(wire.substr(0, piece));
    wire.remove_prefix(std::min(piece, wire.size()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = parseInPieces(wire, wire.size() + 1);
  const auto cut = parseInPieces(wire, data[0] % 32U + 1U);
  SP_ASSERT(cut.requests == whole.requests);
  // A fault may be seen as soon as it is there, or only with the rest of its head.
  SP_ASSERT(cut.refused == whole.refused || (cut.refused ? whole.unfinished : cut.unfinished));
  return 0;
}
