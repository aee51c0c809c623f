// The list of fail points. A point is added here and passed as failpoint::hit("name") where it lies.
#pragma once
#include <array>

#include "base/failpoint.h"

namespace sp::failpoint {

inline constexpr std::array kPoints = {
    Point{"store.before_commit", "server", "a batch was executed, nothing of it is durable"},
    Point{"store.after_commit", "server", "a batch is durable, nobody was told"},
};

}  // namespace sp::failpoint
