// Server-sent events out of the bytes they come in.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sp::cli {

struct ServerEvent {
  /// What is given back as Last-Event-ID; the last one that was told.
  std::string id;
  std::string event;
  std::string data;
};

class EventStream {
 public:
  /// Gives each event that is complete to `take`, whose error ends the feeding. What is incomplete at the connection's end is forgotten
  /// by reset(): it comes again. Error "cli.stream" for a line of more than 1 MiB.
  Result<void> feed(std::string_view bytes, const std::function<Result<void>(const ServerEvent&)>& take);
  void reset();

 private:
  std::string line_;
  ServerEvent next_;
  bool has_data_ = false;
};

}  // namespace sp::cli
