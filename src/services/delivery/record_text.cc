#include "services/delivery/record_text.h"

namespace sp::services::delivery {

json::Object decode(std::string_view body) {
  // A Detail may be 1,000 deep; around it stand an event and a delivery, and a dead letter around those.
  auto parsed = json::parse(body, 1'011);
  return parsed && parsed->is_object() ? std::move(parsed->get_object()) : json::Object();
}

}  // namespace sp::services::delivery
