#include "services/ssm/files.h"

#include <algorithm>
#include <future>

#include <fmt/format.h>

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

/// Runs a read-only job on the core and waits for what it found.
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

class BucketSink final : public runtime::CommandFiles::Sink {
 public:
  BucketSink(s3::Objects& objects, std::string bucket, std::string key, std::unique_ptr<s3::Incoming> incoming)
      : objects_(objects), bucket_(std::move(bucket)), key_(std::move(key)), incoming_(std::move(incoming)) {}
  Result<void> write(std::string_view bytes) override { return incoming_->write(bytes); }
  Result<void> commit() override {
    // Shared: the callback may still be on its way out when the waiting thread goes on.
    auto promise = std::make_shared<std::promise<Result<void>>>();
    auto future = promise->get_future();
    objects_.store(bucket_, key_, "text/plain", std::move(incoming_), [promise](Result<s3::ObjectInfo> stored) {
      if (stored) promise->set_value({});
      else promise->set_value(std::unexpected(std::move(stored.error())));
    });
    return future.get();
  }

 private:
  s3::Objects& objects_;
  std::string bucket_;
  std::string key_;
  std::unique_ptr<s3::Incoming> incoming_;
};

}  // namespace

Result<std::unique_ptr<runtime::CommandFiles::Source>> BucketFiles::source(std::string_view command, std::string_view agent,
                                                                           std::string_view key) {
  using Reader = std::shared_ptr<s3::ObjectReader>;
  const auto question = [&](store::Txn& txn) -> Result<Reader> {
    SP_TRY(const auto open, openInvocation(txn, commands_, std::string(command), std::string(agent)));
    if (const auto wanted = sourceOf(commands_.stepsOf(txn, command).steps, key)) {
      auto reader = objects_.open(txn, wanted->bucket, key);
      if (!reader) return fail("files.missing", fmt::format("s3://{}/{}: {}", wanted->bucket, key, reader.error().message));
      return *reader;
    }
    return fail("files.forbidden", fmt::format("command {} does not download '{}'", command, key));
  };
  SP_TRY(auto reader, askCore<Reader>(context_.core, question));
  return std::make_unique<BucketSource>(std::move(reader));
}

Result<std::unique_ptr<runtime::CommandFiles::Sink>> BucketFiles::output(std::string_view command, std::string_view agent,
                                                                         std::string_view step, std::string_view stream) {
  struct Place {
    std::string bucket;
    std::string key;
  };
  const auto question = [&](store::Txn& txn) -> Result<Place> {
    SP_TRY(const auto open, openInvocation(txn, commands_, std::string(command), std::string(agent)));
    auto found = std::ranges::find(open.invocation.steps, step, &StepRecord::name);
    // "STEP/PART" of a step that runs several scripts.
    std::string_view part;
    if (const auto slash = step.find('/'); found == open.invocation.steps.end() && slash != std::string_view::npos) {
      found = std::ranges::find(open.invocation.steps, step.substr(0, slash), &StepRecord::name);
      part = step.substr(slash + 1);
    }
    if (open.command.output_bucket.empty() || found == open.invocation.steps.end())
      return fail("files.forbidden", fmt::format("command {} stores no output of step '{}'", command, step));
    return Place{open.command.output_bucket, outputKey(open.command.output_prefix, command, agent, *found, stream, part)};
  };
  SP_TRY(auto place, askCore<Place>(context_.core, question));
  SP_TRY(auto incoming, objects_.begin());
  return std::make_unique<BucketSink>(objects_, std::move(place.bucket), std::move(place.key), std::move(incoming));
}

}  // namespace sp::services::ssm
