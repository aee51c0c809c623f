#include "services/ssm/commands.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/ssm/command_keys.h"
#include "services/ssm/rate_control.h"

namespace sp::services::ssm {
namespace {

/// What a document is for, for people.
std::string platformsOf(const PlannedDocument& planned) {
  return planned.platforms.empty() ? "none: its steps ask for another platform than they can run on" : join(planned.platforms, ", ");
}

constexpr std::size_t kFilesMax = 1000;
constexpr auto kRepeatWithin = std::chrono::hours(1);
constexpr auto kFirstForget = std::chrono::minutes(1);

bool matches(const std::string& id, const json::Object& tags, const Target& target) {
  if (!target.is_tag) return std::ranges::find(target.values, id) != target.values.end();
  const auto* tag = json::find(tags, target.key);
  return tag != nullptr && tag->is_string() && std::ranges::find(target.values, json::toView(tag->get_string())) != target.values.end();
}

std::unexpected<aws::ApiError> invalidInstances(const std::vector<std::string>& ids, std::string_view account) {
  return aws::refuse("InvalidInstanceId", fmt::format("Instances [[{}]] not in a valid state for account {}", join(ids, ", "), account));
}

/// The machines the call means, in order. InvalidInstanceId for ids that are none.
std::expected<std::vector<std::string>, aws::ApiError> resolve(store::Txn& txn, const ec2::Instances& instances, const SendInput& input,
                                                               std::string_view account) {
  auto named = input.instance_ids;
  for (const auto& target : input.targets)
    if (!target.is_tag) named.insert(named.end(), target.values.begin(), target.values.end());
  std::vector<std::string> wrong;
  for (const auto& id : named) {
    const auto instance = instances.find(txn, id);
    if (!instance || instance->isGone()) wrong.push_back(id);
  }
  if (!wrong.empty()) return invalidInstances(wrong, account);
  if (!input.instance_ids.empty()) return input.instance_ids;
  std::vector<std::string> found;
  instances.eachTagged(txn, [&](const std::string& id, const json::Object& tags) {
    if (std::ranges::all_of(input.targets, [&](const Target& target) { return matches(id, tags, target); })) found.push_back(id);
  });
  return found;
}

std::string fileName(std::string_view key) {
  return std::string(key.substr(key.rfind('/') == std::string_view::npos ? 0 : key.rfind('/') + 1));
}

}  // namespace

bool isGuards(const Command& command) { return json::boolOr(command.freeze, "guard", false); }

std::string freezeText(const json::Object& freeze) {
  return fmt::format("freeze {} {} attempt {}", json::textOr(freeze, "id"), json::textOr(freeze, "phase"),
                     json::intOr(freeze, "attempt", 1));
}

Commands::Commands(Context& context, ec2::Instances& instances, s3::Objects& objects)
    : context_(context), instances_(instances), objects_(objects) {
  const auto bind = [this](void (Commands::*handle)(store::Txn&, const std::string&, const json::Object&)) {
    return [this, handle](store::Txn& txn, const std::string& agent, const json::Object& message) { (this->*handle)(txn, agent, message); };
  };
  context_.reports.on("accepted", bind(&Commands::handleAccepted));
  context_.reports.on("command.result", bind(&Commands::handleResult));
  context_.reports.on("refused", bind(&Commands::handleRefused));
  context_.reports.on("absent", bind(&Commands::handleAbsent));
  context_.reports.on(std::string(runtime::kUnasked), bind(&Commands::handleUnasked));
  context_.reports.on("hello", bind(&Commands::handleHello));
  // The cancelled command says by its own result how it ended.
  context_.reports.on("cancel.result", [](store::Txn&, const std::string&, const json::Object&) {});
  context_.core.onTimer(std::string(kExpiryTimer), [this](store::Txn& txn, const store::Timer& timer) { handleExpiry(txn, timer.id); });
  context_.core.onTimer(std::string(kForgetTimer), [this](store::Txn& txn, const store::Timer&) { forgetOld(txn); });
  instances_.onSettled([this](store::Txn& txn, const Instance& instance, const std::string&) {
    if (instance.state == InstanceState::terminated) handleGone(txn, instance);
  });
  context_.core.post([](store::Txn& txn) {
    txn.timers().set({std::string(kForgetTimer), "", txn.now() + kFirstForget, ""});
    return true;
  });
}

std::expected<std::pair<SendInput, PlannedDocument>, aws::ApiError> Commands::read(store::Txn& txn, const json::Object& given) const {
  SP_TRY(auto input, readSendInput(given));
  SP_TRY(auto planned, planDocument(txn, input.document, input.version, input.parameters));
  if (!input.hash.empty() && input.hash != planned.found.version.hash())
    return aws::refuse("InvalidDocument", fmt::format("The document {} has the hash {}, not the one given.", planned.found.document.name,
                                                      planned.found.version.hash()));
  if (!input.output_bucket.empty() && !objects_.bucketExists(txn, input.output_bucket))
    return aws::refuse(
        "InvalidOutputFolder",
        fmt::format("The S3 bucket '{}' does not exist: make it first, or leave OutputS3BucketName out.", input.output_bucket));
  return std::pair(std::move(input), std::move(planned));
}

std::expected<void, aws::ApiError> Commands::check(store::Txn& txn, const json::Object& input) const {
  SP_CHECK_OK(read(txn, input));
  return {};
}

std::expected<Commands::Aimed, aws::ApiError> Commands::aim(store::Txn& txn, const json::Object& given) const {
  SP_TRY(auto right, read(txn, given));
  auto& [input, planned] = right;
  SP_TRY(auto targets, resolve(txn, instances_, input, context_.realm.account));
  // All machines run Linux.
  const bool fits = std::ranges::find(planned.platforms, "Linux") != planned.platforms.end();
  if (!fits && !input.instance_ids.empty())
    return aws::refuse("UnsupportedPlatformType",
                       fmt::format("Cannot perform operation for instance id {} of platform type Linux: the document {} is for {}.",
                                   input.instance_ids.front(), planned.found.document.name, platformsOf(planned)));
  return Aimed{std::move(input), std::move(planned), std::move(targets), fits};
}

std::expected<Command, aws::ApiError> Commands::send(store::Txn& txn, const SendSpec& spec) {
  if (!spec.dedup_key.empty())
    for (const auto& record : txn.records().findBy(kCommandKind, kDedupIndex, spec.dedup_key, "", 1))
      if (auto earlier = find(txn, record.key); earlier && txn.now() - earlier->requested < kRepeatWithin) return *earlier;
  SP_TRY(const auto aimed, aim(txn, spec.input));
  const auto& [input, planned, targets, fits] = aimed;
  const bool many = tooMany(txn, targets.size());
  auto command = create(txn, spec, input, planned, targets);
  std::vector<Invocation> over;
  if (many)
    over =
        endUnsent(txn, command, "LimitExceeded",
                  fmt::format("more than {} invocations would be open: wait for some to end, or raise most_open_invocations", most_open_));
  else if (!fits) over = endUnsent(txn, command, "InvalidPlatform", fmt::format("the document is for {}", platformsOf(planned)));
  finish(txn, command, std::move(over));
  return command;
}

std::vector<Invocation> Commands::endUnsent(store::Txn& txn, Command& command, std::string_view details, const std::string& why) {
  std::vector<Invocation> over;
  while (const auto id = letGo(txn, command)) {
    auto held = invocationOf(txn, command, *id);
    if (!held) continue;
    held->message = why;
    conclude(*held, details, txn.now());
    over.push_back(std::move(*held));
  }
  return over;
}

bool Commands::tooMany(store::Txn& txn, std::size_t more) {
  if (!open_) {
    std::int64_t open = 0;
    eachOpen(txn, [&open](const Command& command) { open += command.target_count - ended(command.tally); });
    open_ = open;
  }
  return *open_ + static_cast<std::int64_t>(more) > most_open_;
}

// What a commit takes back is not counted.
void Commands::countOpen(store::Txn& txn, std::int64_t change) {
  if (open_ && change != 0) txn.afterCommit([this, change] { *open_ += change; });
}

Command Commands::describe(store::Txn& txn, const SendSpec& spec, const SendInput& input, const PlannedDocument& planned) const {
  Command command;
  command.id = context_.random.uuid();
  command.document_name = planned.found.document.name;
  command.document_version = input.version;
  command.comment = input.comment;
  if (spec.freeze) command.freeze = *spec.freeze;
  for (const auto& [name, value] : spec.environment) command.environment[name] = value;
  command.parameters = input.parameters;
  command.instance_ids = input.instance_ids;
  command.targets = input.raw_targets;
  command.requested = txn.now();
  command.timeout_seconds = input.timeout_seconds;
  command.execution_seconds = planned.plan.seconds();
  command.expires = command.requested + std::chrono::seconds(command.timeout_seconds + command.execution_seconds);
  command.max_concurrency = input.max_concurrency;
  command.max_errors = input.max_errors;
  command.output_bucket = input.output_bucket;
  command.output_prefix = input.output_prefix;
  command.output_region = input.output_region;
  command.service_role = input.service_role;
  command.notification = input.notification;
  command.cloudwatch = input.cloudwatch;
  command.by = spec.by;
  command.dedup_key = spec.dedup_key;
  command.promise = spec.promise;
  return command;
}

Command Commands::create(store::Txn& txn, const SendSpec& spec, const SendInput& input, const PlannedDocument& planned,
                         const std::vector<std::string>& targets) {
  auto command = describe(txn, spec, input, planned);
  if (spec.freeze)
    command.comment =
        command.comment.empty() ? freezeText(*spec.freeze) : fmt::format("{} ({})", command.comment, freezeText(*spec.freeze));
  command.target_count = static_cast<std::int64_t>(targets.size());
  command.waiting = command.target_count;
  if (!spec.dedup_key.empty()) txn.records().index(kCommandKind, command.id, kDedupIndex, spec.dedup_key);
  put(txn, command, targets, planned.plan);
  return command;
}

// All invocations exist before anything is answered: an empty list would read as success.
void Commands::put(store::Txn& txn, const Command& command, const std::vector<std::string>& targets, const document::Plan& plan) {
  std::int64_t place = 0;
  for (const auto& id : targets) {
    Invocation invocation;
    invocation.command_id = command.id;
    invocation.place = place++;
    invocation.instance_id = id;
    invocation.document_name = command.document_name;
    invocation.comment = command.comment;
    invocation.requested = command.requested;
    invocation.freeze = command.freeze;
    // Whoever says that it has begun has it.
    invocation.accepted = invocation.place < command.next;
    invocation.status = invocation.details = command.status;
    for (const auto& each : plan.steps) {
      StepRecord step;
      step.name = each.name;
      step.plugin = each.plugin;
      step.skipped = each.skipped;
      invocation.steps.push_back(std::move(step));
    }
    txn.records().put(kInvocationKind, invocation.key(), json::toText(invocation.encode()));
    txn.records().put(kInvocationOrder, orderOnKey(id, command.requested, command.id), "");
  }
  txn.records().put(kCommandKind, command.id, json::toText(command.encode()));
  txn.records().put(kTargetsKind, command.id, json::toText(json::Object{{"machines", json::Array(targets.begin(), targets.end())}}));
  txn.records().put(kProgressKind, command.id, json::toText(command.encodeProgress()));
  // Whatever becomes of the document, this command does what it was sent for.
  txn.records().put(kPlanKind, command.id, json::toText(plan.encode()));
  if (!targets.empty()) txn.records().index(kCommandKind, command.id, kOpenIndex, kOpenCommand);
  countOpen(txn, command.target_count);
  txn.records().put(kCommandOrder, orderKey(command.requested, command.id), "");
  if (!targets.empty()) txn.timers().set({std::string(kExpiryTimer), command.id, command.expires, ""});
  for (const auto& listener : created_) listener(txn, command);
}

json::Object Commands::runMessage(store::Txn& txn, const Command& command, const document::Plan& plan,
                                  const std::string& instance_id) const {
  json::Array steps;
  for (const auto& step : plan.steps)
    if (step.skipped.empty()) steps.push_back(agentStep(txn, command, step));
  auto environment = command.environment;
  environment["AWS_SSM_REGION_NAME"] = context_.realm.region;
  return {{"commandId", command.id},
          {"instance", instance_id},
          {"documentName", command.document_name},
          {"steps", std::move(steps)},
          {"environment", std::move(environment)},
          {"upload", !command.output_bucket.empty()}};
}

void Commands::dispatch(store::Txn& txn, const Command& command, const std::string& instance_id) {
  const auto start_by = command.requested + std::chrono::seconds(command.timeout_seconds);
  const auto known = plan(txn, command.id);
  auto message = runMessage(txn, command, known ? known->steps : document::Plan(), instance_id);
  message["type"] = "command.run";
  message["id"] = requestId(command.id, instance_id);
  message["startWithinMs"] = std::max<std::int64_t>(0, (start_by - txn.now()).count() / 1000);
  if (!command.freeze.empty()) message["freeze"] = command.freeze;
  if (!command.promise.empty())
    if (auto thaw = promisedRun(txn, command.promise)) message["thaw"] = std::move(*thaw);
  context_.agents.request(txn, instance_id, message);
}

json::Object Commands::agentStep(store::Txn& txn, const Command& command, const document::PlannedStep& step) const {
  auto message = step.encode();
  if (step.source || !step.file_name.empty()) {
    for (const auto* own : {"s3", "fileName", "fileText"}) message.erase(own);
    addFiles(txn, command, step, message);
  }
  if (!step.steps.empty()) {
    json::Array inner;
    for (const auto& each : step.steps)
      if (each.skipped.empty()) inner.push_back(agentStep(txn, command, each));
    message["steps"] = std::move(inner);
  }
  return message;
}

// A key that is an object is one file; else it is a prefix, and all below it comes.
void Commands::addFiles(store::Txn& txn, const Command& command, const document::PlannedStep& step, json::Object& message) const {
  json::Array files;
  std::string error;
  const auto place = [&](const std::string& name) {
    return step.working_directory.empty() ? name : fmt::format("{}/{}", step.working_directory, name);
  };
  const auto add = [&](const std::string& name, const std::string& key) {
    files.push_back(json::Object{
        {"path", place(name)}, {"source", fmt::format("/commands/{}/source/{}", command.id, percentEncode(key, true))}, {"sha256", ""}});
  };
  if (!step.file_name.empty()) {
    message["files"] = json::Array{json::Object{{"path", place(step.file_name)}, {"content", step.file_text}}};
    return;
  }
  const auto& source = *step.source;
  if (!objects_.bucketExists(txn, source.bucket)) {
    error = fmt::format("cannot download s3://{}/{}: the bucket does not exist", source.bucket, source.key);
  } else if (objects_.get(txn, source.bucket, source.key)) {
    add(fileName(source.key), source.key);
  } else {
    const auto prefix = source.key.ends_with('/') ? source.key : source.key + "/";
    const auto below = objects_.list(txn, source.bucket, prefix, "", kFilesMax + 1);
    if (below)
      for (const auto& object : *below)
        if (!object.key.ends_with('/')) add(object.key.substr(prefix.size()), object.key);
    if (files.empty())
      error = fmt::format("cannot download s3://{}/{}: there is no such object, and none below it", source.bucket, source.key);
    if (files.size() > kFilesMax)
      error = fmt::format("cannot download s3://{}/{}: there are more than {} objects below it", source.bucket, source.key, kFilesMax);
  }
  if (!error.empty()) {
    files.clear();
    message["error"] = error;
  }
  message["files"] = std::move(files);
}

// What ended is counted once; its steps that never ran say why.
void Commands::record(store::Txn& txn, Command& command, const Invocation& invocation) const {
  ++command.tally[invocation.details];
  ++command.window;
  save(txn, invocation);
}

std::optional<std::string> Commands::letGo(store::Txn& txn, Command& command) const {
  const auto known = command.waiting > 0 ? plan(txn, command.id) : nullptr;
  while (known && command.next < std::ssize(known->targets)) {
    const auto& next = known->targets[static_cast<std::size_t>(command.next++)];
    if (std::erase(command.passed_over, next) > 0) continue;
    --command.waiting;
    return next;
  }
  return std::nullopt;
}

void Commands::passOver(Command& command, const std::string& instance_id) {
  --command.waiting;
  command.passed_over.push_back(instance_id);
  if (command.waiting > 0) return;
  command.next = command.target_count;
  command.passed_over.clear();
}

void Commands::advance(store::Txn& txn, Command& command, std::vector<Invocation>& ended_now) {
  const auto limit = errorLimit(command.max_errors, command.target_count).value_or(0);
  if (errors(command.tally) > limit) {
    while (const auto id = letGo(txn, command)) {
      auto held = invocationOf(txn, command, *id);
      if (!held) continue;
      conclude(*held, "Terminated", txn.now());
      record(txn, command, *held);
      ended_now.push_back(std::move(*held));
    }
  }
  const auto running = command.target_count - command.waiting - ended(command.tally);
  const auto concurrency = concurrencyLimit(command.max_concurrency, command.target_count).value_or(1);
  for (auto left = mayStart(command.window, concurrency, running, command.waiting); left > 0; --left)
    if (auto next = letGo(txn, command)) dispatch(txn, command, *next);
  if (ended(command.tally) < command.target_count) {
    // A short script's result comes without an "accepted" before it.
    if (command.status == "Pending" && !ended_now.empty()) command.status = command.details = "InProgress";
    return;
  }
  const auto verdict = commandVerdict(command.tally, limit);
  command.status = verdict.status;
  command.details = verdict.details;
}

// Listeners come last: they may send, cancel and read commands themselves.
void Commands::finish(store::Txn& txn, Command& command, std::vector<Invocation> ended_now) {
  for (const auto& each : ended_now) record(txn, command, each);
  advance(txn, command, ended_now);
  save(txn, command);
  countOpen(txn, -static_cast<std::int64_t>(ended_now.size()));
  if (command.hasEnded()) {
    txn.records().index(kCommandKind, command.id, kOpenIndex, "");
    if (isGuards(command)) txn.records().index(kCommandKind, command.id, kGuardIndex, "");
  }
  const Command done = command;
  if (done.hasEnded()) txn.timers().drop(kExpiryTimer, done.id);
  for (const auto& each : ended_now)
    for (const auto& listener : invocation_ended_) listener(txn, each);
  if (done.hasEnded())
    for (const auto& listener : command_ended_) listener(txn, done);
}

}  // namespace sp::services::ssm
