#include "services/ssm/files.h"

#include <algorithm>
#include <future>

#include <fmt/format.h>

#include "base/log.h"
#include "model/power.h"
#include "services/ssm/outputs.h"

namespace sp::services::ssm {
namespace {

struct Open {
  Command command;
  Invocation invocation;
};

Result<Open> openInvocation(store::Txn& txn, const Commands& commands, const std::string& command_id, const std::string& agent) {
  auto command = commands.find(txn, command_id);
  auto invocation = commands.invocation(txn, command_id, agent);
  if (!command || !invocation || !invocation->dispatched || invocation->hasEnded())
    return fail("files.forbidden", fmt::format("agent {} has no open invocation of command {}", agent, command_id));
  return Open{std::move(*command), std::move(*invocation)};
}

/// The source that the key belongs to, of any step.
std::optional<document::S3Source> sourceOf(const std::vector<document::PlannedStep>& steps, std::string_view key) {
  for (const auto& step : steps) {
    if (auto inner = sourceOf(step.steps, key)) return inner;
    if (!step.source) continue;
    const auto& wanted = step.source->key;
    const bool below = key.starts_with(wanted) && (wanted.ends_with('/') || key.substr(wanted.size()).starts_with('/'));
    if (key == wanted || below) return step.source;
  }
  return std::nullopt;
}

/// Runs a job on the core and waits for what it found, or did durably.
template <class T>
Result<T> askCore(runtime::Core& core, std::function<Result<T>(store::Txn&)> question) {
  // Shared: the core's thread may still be within set_value when the waiting one goes on.
  struct Shared {
    std::promise<Result<T>> promise;
    std::optional<Result<T>> found;
  };
  const auto shared = std::make_shared<Shared>();
  auto future = shared->promise.get_future();
  core.post(
      [shared, question = std::move(question)](store::Txn& txn) {
        shared->found = question(txn);
        return true;
      },
      [shared](const Error* error) {
        if (error != nullptr) shared->promise.set_value(std::unexpected(*error));
        else shared->promise.set_value(std::move(*shared->found));
      });
  return future.get();
}

class BucketSource final : public runtime::CommandFiles::Source {
 public:
  explicit BucketSource(std::shared_ptr<s3::ObjectReader> reader) : reader_(std::move(reader)) {}
  std::uint64_t size() const override { return reader_->size(); }
  Result<std::string> read(std::size_t limit) override { return reader_->read(limit); }

 private:
  std::shared_ptr<s3::ObjectReader> reader_;
};

constexpr std::size_t kPiece = 256 * 1024;

/// What stands in an object where bytes are missing.
std::string gapText(std::uint64_t missing) {
  return fmt::format("\n--{} bytes are missing here: the server had no room for them--\n", missing);
}

}  // namespace

Result<std::unique_ptr<runtime::CommandFiles::Source>> BucketFiles::source(std::string_view command, std::string_view agent,
                                                                           std::string_view key) {
  using Reader = std::shared_ptr<s3::ObjectReader>;
  const auto question = [&](store::Txn& txn) -> Result<Reader> {
    auto plan = commands_.promisedSteps(txn, command, agent);
    if (!plan) {
      SP_CHECK_OK(openInvocation(txn, commands_, std::string(command), std::string(agent)));
      plan = commands_.stepsOf(txn, command);
    }
    if (const auto wanted = sourceOf(plan->steps, key)) {
      auto reader = objects_.open(txn, wanted->bucket, key);
      if (!reader) return fail("files.missing", fmt::format("s3://{}/{}: {}", wanted->bucket, key, reader.error().message));
      return *reader;
    }
    return fail("files.forbidden", fmt::format("command {} does not download '{}'", command, key));
  };
  SP_TRY(auto reader, askCore<Reader>(context_.core, question));
  return std::make_unique<BucketSource>(std::move(reader));
}

Result<store::OutputKey> BucketFiles::output(std::string_view command, std::string_view agent, std::string_view step,
                                             std::string_view stream) {
  const auto question = [&](store::Txn& txn) -> Result<store::OutputKey> {
    auto invocation = commands_.invocation(txn, command, agent);
    // Its first word of what it ran by itself may be what that printed.
    if (!invocation && commands_.guardSpoke(txn, std::string(command), std::string(agent)))
      invocation = commands_.invocation(txn, command, agent);
    // It may have ended long ago: a long output comes after the result.
    const bool known = invocation && invocation->dispatched && stepOf(*invocation, step) != invocation->steps.end();
    if (!known) return fail("files.forbidden", fmt::format("agent {} was not asked for step '{}' of command {}", agent, step, command));
    return store::OutputKey{std::string(command), std::string(agent), std::string(step), std::string(stream)};
  };
  return askCore<store::OutputKey>(context_.core, question);
}

Result<BucketFiles::Place> BucketFiles::placeOf(const store::OutputKey& key) {
  const auto question = [&](store::Txn& txn) -> Result<Place> {
    const auto command = commands_.find(txn, key.command);
    auto invocation = commands_.invocation(txn, key.command, key.instance);
    if (!command || !invocation) return fail("files.forbidden", fmt::format("command {} is not known any more", key.command));
    const auto step = stepOf(*invocation, key.step);
    if (command->output_bucket.empty() || step == invocation->steps.end()) return Place{};
    // "STEP/PART" of a step that runs several scripts.
    const auto part = step->name == key.step ? std::string_view() : std::string_view(key.step).substr(step->name.size() + 1);
    return Place{command->output_bucket, outputKey(command->output_prefix, key.command, key.instance, *step, key.stream, part)};
  };
  return askCore<Place>(context_.core, question);
}

Result<void> BucketFiles::endOutput(const store::OutputKey& key, std::uint64_t total, std::string_view tail) {
  const auto state = outputs_.state(key);
  if (state.ended) return {};
  // Numbers that make no sense are refused there, before an object is made of them.
  if (total < state.have || tail.size() > total - state.have) return outputs_.end(key, total, tail);
  SP_TRY(const auto place, placeOf(key));
  // As with Run Command, an object that cannot be stored does not fail the command; the output stays where it is.
  if (!place.bucket.empty())
    if (const auto stored = storeObject(place, key, total, tail); !stored)
      log::warn("output not stored in S3", {{"command", key.command}, {"bucket", place.bucket}, {"why", stored.error().text()}});
  SP_CHECK_OK(outputs_.end(key, total, tail));
  if (state.have < total) noteMissing(key, total, outputs_.state(key).tail_at);
  return {};
}

Result<void> BucketFiles::storeObject(const Place& place, const store::OutputKey& key, std::uint64_t total, std::string_view tail) {
  SP_TRY(auto incoming, objects_.begin());
  const auto have = outputs_.state(key).have;
  for (std::uint64_t at = 0; at < have;) {
    SP_TRY(const auto piece, outputs_.read(key, at, kPiece));
    if (piece.empty()) return fail("output.read", fmt::format("the output of command {} ends at {} bytes of {}", key.command, at, have));
    SP_CHECK_OK(incoming->write(piece));
    at += piece.size();
  }
  if (have + tail.size() < total) SP_CHECK_OK(incoming->write(gapText(total - have - tail.size())));
  SP_CHECK_OK(incoming->write(tail));
  // Shared: the callback may still be on its way out when the waiting thread goes on.
  auto promise = std::make_shared<std::promise<Result<void>>>();
  auto future = promise->get_future();
  objects_.store(place.bucket, place.key, "text/plain", std::move(incoming), [promise](Result<s3::ObjectInfo> stored) {
    if (stored) promise->set_value({});
    else promise->set_value(std::unexpected(std::move(stored.error())));
  });
  return future.get();
}

Result<runtime::CommandFiles::RebootBy> BucketFiles::reboot(std::string_view command, std::string_view agent) {
  const auto question = [&](store::Txn& txn) -> Result<RebootBy> {
    SP_TRY(const auto open, openInvocation(txn, commands_, std::string(command), std::string(agent)));
    const auto instance = instances_.find(txn, agent);
    if (!instance || instance->isGone()) return fail("files.forbidden", fmt::format("there is no machine {}", agent));
    // Asked again, or somebody stops or reboots it: that is the reboot, and one more could hit the script's next run.
    if (instance->state != InstanceState::running || !instance->power_request.empty()) return RebootBy::driver;
    const auto by = "command:" + open.command.id;
    if (instance->driver == kNoPower) {
      const auto holder = context_.locks.holder(txn, instance->id);
      if (!holder || context_.locks.idle(txn, instance->id)) return RebootBy::agent;
      return fail("files.held", fmt::format("machine {} is held by {} and cannot be rebooted meanwhile", instance->id, *holder));
    }
    if (const auto rebooted = instances_.reboot(txn, agent, by); !rebooted) return fail("files.held", rebooted.error().message);
    log::info("a script has its machine rebooted", {{"command", open.command.id}, {"instance", instance->id}});
    return RebootBy::driver;
  };
  return askCore<RebootBy>(context_.core, question);
}

void BucketFiles::noteMissing(const store::OutputKey& key, std::uint64_t total, std::uint64_t tail_at) {
  const auto head = outputs_.state(key).have;
  const auto text = fmt::format(
      "{} of step {} has {} bytes; of these the first {} and the last {} are kept, since the outputs' quota is used "
      "up or the server's disk is nearly full ([commands] output_quota_bytes)",
      key.stream, key.step, total, head, total - tail_at);
  log::warn("output not kept whole", {{"command", key.command}, {"instance", key.instance}, {"why", text}});
  context_.core.post([this, key, text](store::Txn& txn) {
    commands_.noteOutput(txn, key.command, key.instance, key.step, text);
    return true;
  });
}

}  // namespace sp::services::ssm
