// Where scripts and documents lie in S3, as people write it.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace sp::document {

/// An object, or all objects below a prefix.
struct S3Source {
  std::string bucket;
  std::string key;
};

/// Bucket and key of the forms in which people write S3 objects: s3://B/K, https://B.s3.amazonaws.com/K,
/// https://B.s3.REGION.amazonaws.com/K, https://s3.REGION.amazonaws.com/B/K, http(s)://OUR-ENDPOINT/B/K. '+' and %XX are
/// decoded. Error "s3.url".
Result<S3Source> parseS3Url(std::string_view url);

}  // namespace sp::document
