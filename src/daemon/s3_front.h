// Carries S3's requests between the HTTP server and services/s3: takes aws-chunked bodies apart on the way in.
#pragma once
#include "daemon/api_front.h"
#include "services/s3/s3.h"

namespace sp::daemon {

class S3Gate final : public S3Front {
 public:
  /// `s3` and `clock` outlive it.
  S3Gate(services::s3::S3& s3, const Clock& clock) : s3_(s3), clock_(clock) {}
  std::unique_ptr<net::Exchange> begin(net::RequestHead head, aws::VerifiedRequest auth, std::string request_id) override;

 private:
  services::s3::S3& s3_;
  const Clock& clock_;
};

}  // namespace sp::daemon
