// The API port: a request's way from its head to its operation and back.
//
// Head → which service, signature → body → operation (core thread, one transaction; detached ones at once) → answer.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "aws/codec.h"
#include "aws/key_ring.h"
#include "aws/sigv4.h"
#include "base/random.h"
#include "net/http.h"
#include "runtime/core.h"

namespace sp::daemon {

/// Where S3's requests go: their bodies are streams. Network thread.
class S3Front {
 public:
  virtual ~S3Front() = default;
  /// `auth` is verified; for payload kinds other than `open` the body must still be checked against it.
  virtual std::unique_ptr<net::Exchange> begin(net::RequestHead head, aws::VerifiedRequest auth, std::string request_id) = 0;
};

class StreamFront;

/// All services behind one port. begin() runs on the network thread.
class ApiFront final : public net::Handler {
 public:
  /// `realm`, `core`, `clock` and `random` outlive it.
  ApiFront(std::vector<aws::ServiceTable> services, aws::KeyRing keys, const Realm& realm, runtime::Core& core, const Clock& clock,
           Random& random);
  ApiFront(const ApiFront&) = delete;
  ApiFront& operator=(const ApiFront&) = delete;
  ~ApiFront() override;

  /// Before the server listens; without it S3's requests are answered NotImplemented. `s3` outlives this.
  void serveS3(S3Front& s3) { s3_ = &s3; }

  /// The same for live output; without it there is none.
  void serveStreams(StreamFront& streams) { streams_ = &streams; }

  std::unique_ptr<net::Exchange> begin(net::RequestHead head) override;

 private:
  std::unique_ptr<net::Exchange> beginStream(net::RequestHead head, const std::string& request_id);
  friend class ApiExchange;
  std::string newRequestId();

  aws::Router router_;
  aws::KeyRing keys_;
  const Realm& realm_;
  runtime::Core& core_;
  const Clock& clock_;
  Random& random_;
  aws::Verifier verifier_;
  S3Front* s3_ = nullptr;
  StreamFront* streams_ = nullptr;
  /// Chance drawn in advance: an id a request would cost a system call.
  std::array<std::uint8_t, 4096> chance_{};
  std::size_t chance_used_ = sizeof chance_;
};

}  // namespace sp::daemon
