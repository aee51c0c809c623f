// The images RunInstances knows.
#pragma once
#include <array>
#include <optional>
#include <string_view>

#include "aws/api_error.h"

namespace sp::services::ec2 {

struct Image {
  std::string_view id;
  std::string_view name;
  std::string_view description;
};

inline constexpr std::array kImages = {
    Image{"ami-bare", "stillpoint-bare", "A bare machine in Linux namespaces of the server's host: an agent and nothing else"},
    Image{"ami-demo", "stillpoint-demo", "A machine in Linux namespaces with PostgreSQL 15 and a writer that appends all the time"},
};

/// InvalidAMIID.NotFound or .Malformed; nullopt if there is such an image.
std::optional<aws::ApiError> checkImage(std::string_view id);

}  // namespace sp::services::ec2
