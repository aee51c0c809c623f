// What every service is given: made once by the daemon, outlives all of them.
#pragma once
#include "base/clock.h"
#include "base/random.h"
#include "model/arn.h"
#include "runtime/core.h"
#include "runtime/machine_lock.h"
#include "runtime/ports.h"
#include "store/blob_store.h"

namespace sp::services {

struct Context {
  runtime::Core& core;
  const Realm& realm;
  const Clock& clock;
  Random& random;
  store::BlobStore& blobs;
  runtime::AgentPort& agents;
  runtime::AgentReports& reports;
  runtime::MachineLock& locks;
};

}  // namespace sp::services
