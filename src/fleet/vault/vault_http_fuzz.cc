// libFuzzer target: any bytes as requests to a vault, with a credential for one repository. Whatever is asked, each request
// gets at most one answer, nothing appears outside of that repository, and nothing there is overwritten.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "base/assert.h"
#include "fleet/vault_http.h"
#include "net/request_parser.h"
#include "os/file.h"

namespace {

using namespace sp;
using namespace sp::fleet;

const std::string kKept = "what was there before";

class Access final : public runtime::VaultAccess {
 public:
  explicit Access(runtime::VaultDirection direction) : direction_(direction) {}
  std::optional<runtime::VaultGrant> admit(std::string_view, std::string_view user, std::string_view) override {
    return user.empty() ? std::nullopt : std::optional(runtime::VaultGrant{"job", "i-1", "v", "r", direction_});
  }
  bool beginChange(const runtime::VaultGrant&) override { return true; }
  void changed(const runtime::VaultGrant&) override {}
  Result<void> snapshotComing(const runtime::VaultGrant&, std::string_view) override { return {}; }
  Result<void> snapshotStored(const runtime::VaultGrant&, std::string_view) override { return {}; }
  void full(const runtime::VaultGrant&, const std::string&) override {}
  void moved(const runtime::VaultGrant&, std::uint64_t, std::uint64_t) override {}

 private:
  runtime::VaultDirection direction_;
};

class Stream final : public AgentHttpStream {
 public:
  Stream(net::RequestHead head, std::string body) : head_(std::move(head)), body_(std::move(body)) {}
  const net::RequestHead& head() const override { return head_; }
  const std::string& agent() const override { return agent_; }
  std::optional<std::pair<std::string, std::string>> credential() const override {
    if (!net::findHeader(head_.headers, "Authorization")) return std::nullopt;
    return std::pair("user", "secret");
  }
  Result<std::string_view> readBody(std::size_t limit) override {
    const auto piece = std::string_view(body_).substr(read_, limit);
    read_ += piece.size();
    return piece;
  }
  Result<void> respond(int status, const net::Headers&, std::string_view) override {
    SP_ASSERT(++answers_ == 1 && status >= 200 && status < 600);
    return {};
  }
  Result<void> respondHead(int status, const net::Headers&, std::uint64_t length) override {
    promised_ = length;
    return respond(status, {}, "");
  }
  Result<void> write(std::string_view bytes) override {
    SP_ASSERT(answers_ == 1 && bytes.size() <= promised_);
    promised_ -= bytes.size();
    return {};
  }
  void check() const { SP_ASSERT(answers_ == 1 && (promised_ == 0 || head_.method == "HEAD")); }

 private:
  net::RequestHead head_;
  std::string body_;
  std::size_t read_ = 0;
  std::string agent_ = "i-1";
  int answers_ = 0;
  std::uint64_t promised_ = 0;
};

/// One folder for the life of the program: DIR/vaults/v/r with a few files, and DIR/outside.
class Ground {
 public:
  Ground() {
    auto name = std::string(std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp") + "/vault-fuzz-XXXXXX";
    SP_ASSERT(::mkdtemp(name.data()) != nullptr);
    root = name;
    put("vaults/v/r/config");
    put("vaults/v/r/keys/" + std::string(64, 'a'));
    put("vaults/v/r/data/aa/" + std::string(64, 'a'));
    put("vaults/v/other/config");
    put("outside");
  }
  ~Ground() { std::filesystem::remove_all(root); }
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;

  void check() const {
    for (const auto* file : {"vaults/v/r/config", "vaults/v/other/config", "outside"})
      SP_ASSERT(os::readFile(root + "/" + file, 100).value_or("") == kKept);
    SP_ASSERT(os::readFile(root + "/vaults/v/r/data/aa/" + std::string(64, 'a'), 100).value_or("") == kKept);
    SP_ASSERT(entries(root) == 2 && entries(root + "/vaults") == 1);
    for (const auto& entry : std::filesystem::directory_iterator(root + "/vaults/v")) {
      const auto name = entry.path().filename();
      SP_ASSERT(name == "r" || name == "other" || name == ".stillpoint");
    }
    // An upload that was refused leaves nothing.
    SP_ASSERT(!std::filesystem::exists(root + "/vaults/v/.stillpoint/incoming") || entries(root + "/vaults/v/.stillpoint/incoming") == 0);
  }
  std::string root;

 private:
  static std::ptrdiff_t entries(const std::string& folder) {
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
  }
  void put(const std::string& name) const {
    const auto path = root + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    SP_ASSERT(os::writeFileDurably(path, kKept).has_value());
  }
};

void serve(VaultHttp& route, net::RequestHead head, std::string body) {
  Stream stream(std::move(head), std::move(body));
  route.serve(stream);
  stream.check();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Ground kGround;
  if (size == 0) return 0;
  Access access(data[0] % 2 == 0 ? runtime::VaultDirection::backup : runtime::VaultDirection::restore);
  VaultHttp route(kGround.root + "/vaults", access);
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  net::RequestParser parser{net::HttpLimits{}};
  net::RequestHead head;
  std::string body;
  while (true) {
    const auto event = parser.next(input);
    using Step = net::RequestParser::Step;
    if (event.step == Step::error || event.step == Step::needMore) break;
    if (event.step == Step::head) head = parser.takeHead();
    if (event.step == Step::body) body.append(event.bytes);
    if (event.step != Step::complete) continue;
    serve(route, std::exchange(head, {}), std::exchange(body, {}));
    parser.reset();
  }
  kGround.check();
  return 0;
}
