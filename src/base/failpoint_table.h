// The list of fail points. A point is added here and passed as failpoint::hit("name") where it lies.
#pragma once
#include <array>

#include "base/failpoint.h"

namespace sp::failpoint {

inline constexpr std::array kPoints = {
    Point{"store.before_commit", "server", "a batch was executed, nothing of it is durable"},
    Point{"store.after_commit", "server", "a batch is durable, nobody was told"},
    Point{"blob.write", "server", "a piece of a blob is to be written aside"},
    Point{"blob.written", "server", "a blob's bytes are written aside, nothing of it is durable"},
    Point{"blob.durable", "server", "a blob is durable, no row names it"},
    Point{"s3.replaced", "server", "a row is durable that no longer names a blob, the blob is still there"},
};

}  // namespace sp::failpoint
