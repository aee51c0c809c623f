// What GetObject and HeadObject say of an object.
#pragma once
#include "services/s3/call.h"

namespace sp::services::s3 {

/// Looks the object up, judges conditions, range and part number; the response without a body and the bytes it stands for.
struct Found {
  Object object;
  Response response;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  /// 304: no body.
  bool bodiless = false;
};
std::expected<Found, aws::ApiError> findObject(Rows& rows, const Call& call);

}  // namespace sp::services::s3
