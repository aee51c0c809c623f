// The access keys this server knows.
#pragma once
#include <map>
#include <string>
#include <string_view>

namespace sp::aws {

/// Access key → secret. Filled before the server listens, then only read.
class KeyRing {
 public:
  void add(std::string access_key, std::string secret) { secrets_[std::move(access_key)] = std::move(secret); }
  /// nullptr for a key that is not known.
  const std::string* secretOf(std::string_view access_key) const {
    const auto found = secrets_.find(access_key);
    return found == secrets_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, std::string, std::less<>> secrets_;
};

}  // namespace sp::aws
