// libFuzzer: the decoders that see bytes before anyone is trusted. The first byte chooses which.
#include <cstdint>
#include <string>
#include <string_view>

#include "aws/aws_chunked.h"
#include "aws/canonical.h"
#include "aws/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp::aws;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 4) {
    case 0:
    case 1: (void)decodeForm(text, data[0] % 2 == 0); break;
    case 2: {
      VerifiedRequest request;
      request.payload = data[1] % 2 == 0 ? Payload::chunkedTrailer : Payload::signedChunksTrailer;
      ChunkedDecoder decoder(request, "x-amz-checksum-crc32", std::nullopt);
      std::string out;
      const std::size_t piece = data[1] / 2U + 1U;
      for (std::size_t at = 0; at < text.size(); at += piece)
        if (!decoder.feed(text.substr(at, piece), out)) return 0;
      (void)decoder.finish();
      break;
    }
    default: {
      const RequestView request{"GET", text, {}};
      (void)canonicalPathOnce(request.path());
      (void)canonicalPathTwice(request.path());
      (void)canonicalQuery(request.query(), "X-Amz-Signature");
      (void)scopeService(request);
    }
  }
  return 0;
}
