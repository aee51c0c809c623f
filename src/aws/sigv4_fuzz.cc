// libFuzzer target: any text as the head of a request ("METHOD TARGET" and lines "Name: value"), verified as each kind of
// service does. Nothing but a right signature may pass, and a request that we sign ourselves always does.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>
#include <vector>

#include "aws/errors.h"
#include "aws/sigv4.h"
#include "base/assert.h"
#include "base/hash.h"

namespace {

using namespace sp;
using namespace sp::aws;

constexpr Instant kNow{Duration(1'700'000'000'000'000)};
const std::string kSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

const KeyRing& keys() {
  static const auto kRing = [] {
    KeyRing ring;
    ring.add("AKIDEXAMPLE", kSecret);
    return ring;
  }();
  return kRing;
}

struct Head {
  std::string_view method;
  std::string_view target;
  std::vector<HeaderView> headers;
};

Head readHead(std::string_view text) {
  Head head;
  bool first = true;
  for (const auto line : split(text, '\n')) {
    const auto cut = line.find(first ? ' ' : ':');
    const auto left = line.substr(0, cut);
    const auto right = cut == std::string_view::npos ? std::string_view{} : line.substr(cut + 1);
    if (first) head.method = left, head.target = right;
    else head.headers.push_back({left, trim(right)});
    first = false;
  }
  return head;
}

/// Whether HTTP lets such a head through and it has none of what a signature adds.
bool signable(const RequestView& request) {
  if (hasCredentials(request) || !request.target.starts_with('/')) return false;
  const auto visible = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
  if (!std::ranges::all_of(request.target, visible)) return false;
  return std::ranges::all_of(request.headers, [&](const HeaderView& header) {
    const auto name = toLower(header.name);
    return !name.empty() && std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; }) &&
           std::ranges::all_of(header.value, [&](unsigned char c) { return visible(c) || c == ' '; }) && !name.starts_with("x-amz-") &&
           name != "date" && name != "host";
  });
}

bool passes(const RequestView& request, std::string_view service, std::string_view payload_hash) {
  static const Realm kRealm;
  Verifier verifier(keys(), kRealm);
  auto pending = verifier.begin(request, service, kNow);
  if (!pending) return false;
  const auto hash =
      pending->head_decides && !pending->request.payload_hash.empty() ? pending->request.payload_hash : std::string(payload_hash);
  return verifier.finish(std::move(*pending), hash).has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto head = readHead({reinterpret_cast<const char*>(data), size});
  const RequestView request{head.method, head.target, head.headers};
  (void)scopeService(request);
  (void)hasCredentials(request);
  const auto hash = sha256Hex("");
  for (const auto* service : {"s3", "dynamodb"}) {
    SP_ASSERT(!passes(request, service, hash));
    if (!signable(request)) continue;
    auto headers = head.headers;
    headers.push_back({"Host", "localhost"});
    const auto added = signRequest({"AKIDEXAMPLE", kSecret, "us-east-1", service}, {head.method, head.target, headers}, hash, kNow);
    for (const auto& [name, value] : added) headers.push_back({name, value});
    // Sessions are not served: a request with a token of one is refused, however well it is signed.
    SP_ASSERT(passes({head.method, head.target, headers}, service, hash) == !request.parameter("X-Amz-Security-Token").has_value());
  }
  return 0;
}
