// libFuzzer target: any bytes as frames, cut in any way. What comes out is what went in, and nothing is held but one frame.
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "net/frame_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kFrameMax = 64;
  if (size == 0) return 0;
  const std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = data[0] % 96U + 1U;
  sp::net::FrameReader reader(kFrameMax);
  std::size_t taken = 0;
  for (std::size_t at = 0; at < wire.size(); at += piece) {
    reader.append(wire.substr(at, piece));
    while (true) {
      const auto frame = reader.next();
      if (!frame) {
        SP_ASSERT(!reader.next());
        return 0;
      }
      if (!*frame) break;
      SP_ASSERT(**frame == wire.substr(taken + 4, (*frame)->size()));
      taken += 4 + (*frame)->size();
    }
    SP_ASSERT(reader.pending() < kFrameMax + 4);
    SP_ASSERT(taken + reader.pending() == std::min(wire.size(), at + piece));
  }
  return 0;
}
