#include "agent/requests.h"

#include <malloc.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <thread>

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "os/process.h"

namespace sp::agent {
namespace {

constexpr std::size_t kResultMax = 900U << 10U;
/// Folders are removed after so long without a settled request, and not later than that while there are ever new ones.
constexpr std::chrono::milliseconds kQuiet{500};
constexpr std::chrono::seconds kTidyWithin{10};

std::string resultTypeOf(const std::string& type) {
  const auto dot = type.find('.');
  return (dot == std::string::npos ? type : type.substr(0, dot)) + ".result";
}

/// What is answered for a request that its handler could not do: the words of every kind of result.
json::Object failed(const json::Object& request, std::string_view fate, const std::string& message) {
  const auto type = resultTypeOf(json::textOr(request, "type"));
  json::Object out{{"type", type}, {"message", message}};
  if (type == agentwire::kCommandResult) {
    out["status"] = "Failed";
    out["fate"] = fate;
    out["steps"] = json::Array();
  } else if (type == agentwire::kPowerResult) {
    out["instance"] = json::textOr(request, "instance");
    out["error"] = message;
  } else {
    out["state"] = "FAILED";
  }
  return out;
}

/// Whether the reserve is there for it: a thaw, and all that is no script, must be possible on a full disk.
bool undoes(const json::Object& request) {
  return FreezeTag::of(request).value_or(FreezeTag{}).thaw || json::textOr(request, "type") != agentwire::kCommandRun;
}

/// Of a thaw of the agent's own: why it is made.
constexpr std::string_view kGuardWhy = "guard";
/// Of its result: when it ended, since it may be told much later.
constexpr std::string_view kEndedAt = "endedAt";
constexpr std::int64_t kTriesKept = 100;
constexpr std::string_view kNeverBegun = "never begun";

json::Object nowStamp() {
  const SystemClock clock;
  return {{"bootId", os::bootId()}, {"boottime", clock.boottime().count()}, {"wall", toMicros(clock.now())}};
}

/// What the result of a freeze's request tells of its guard.
void addGuard(json::Object& result, const json::Object& request, const std::optional<FreezeTag>& tag, const std::optional<Freeze>& freeze) {
  if (!tag->thaw && freeze && freeze->guard) result["guarded"] = true;
  if (!tag->thaw && freeze && !freeze->broken.empty() && json::textOr(result, "status") != "Success" &&
      json::textOr(result, "message").empty())
    result["message"] = freeze->broken;
  const auto why = json::textOr(request, kGuardWhy);
  if (why.empty()) return;
  const auto said = json::textOr(result, "message");
  result["message"] = said.empty() ? why : fmt::format("{}; {}", why, said);
  result[kEndedAt] = nowStamp();
}

/// When a request was accepted stands in the journal beside it: on the boot's own clock, and on the wall's for other boots.
json::Object stamped(const json::Object& message) {
  auto out = message;
  out["acceptedAt"] = nowStamp();
  return out;
}

/// Those members of a request that may not stand in the journal.
json::Object secretsOf(const json::Object& message, const RequestHandler* handler) {
  json::Object out;
  if (!handler) return out;
  for (const auto name : handler->secrets())
    if (const auto* secret = json::find(message, name)) out[name] = *secret;
  return out;
}

std::chrono::milliseconds sinceOf(const json::Object& object, std::string_view stamp) {
  const SystemClock clock;
  const auto* value = json::find(object, stamp);
  if (!value || !value->is_object()) return std::chrono::milliseconds(0);
  const auto& at = value->get_object();
  const bool same_boot = json::textOr(at, "bootId") == os::bootId();
  const auto us =
      same_boot ? clock.boottime().count() - json::intOr(at, "boottime", 0) : toMicros(clock.now()) - json::intOr(at, "wall", 0);
  return std::chrono::milliseconds(us / 1000);
}

}  // namespace

json::Object bounded(json::Object result) {
  for (std::size_t limit = 24U << 10U; limit >= 256 && json::toText(result).size() > kResultMax; limit /= 4) {
    auto* steps = result.if_contains("steps");
    if (!steps || !steps->is_array()) break;
    for (auto& step : steps->get_array())
      for (const char* stream : {"stdout", "stderr"})
        if (auto* text = step.is_object() ? step.get_object().if_contains(stream) : nullptr; text && text->is_string()) {
          auto& string = text->get_string();
          auto size = std::min(string.size(), limit);
          while (size > 0 && size < string.size() && (static_cast<unsigned char>(string[size]) & 0xC0U) == 0x80U) --size;
          string.resize(size);
        }
  }
  return result;
}

class Requests::Running final : public RequestContext {
 public:
  Running(Requests& owner, std::string id, Entry entry, bool adopted, std::optional<json::Object> secrets, Told told,
          RequestHandler* handler)
      : handler_(handler),
        owner_(owner),
        id_(std::move(id)),
        entry_(std::move(entry)),
        adopted_(adopted),
        told_(told == Told::yes),
        cancel_(::eventfd(0, EFD_CLOEXEC)),
        secrets_(std::move(secrets)) {}

  const std::string& id() const override { return id_; }
  const json::Object& request() const override { return entry_.request; }
  std::optional<json::Object> secrets(std::chrono::milliseconds limit) override {
    std::unique_lock lock(secrets_mutex_);
    came_.wait_for(lock, limit, [this] { return secrets_.has_value(); });
    return secrets_;
  }
  const Identity& identity() const override { return owner_.identity_; }
  bool adopted() const override { return adopted_; }
  const std::vector<json::Object>& notes() const override { return entry_.notes; }
  Result<void> note(json::Object note) override {
    auto noted = owner_.journal_.note(id_, note);
    if (!noted && undoes(entry_.request)) {
      owner_.journal_.releaseReserve();
      noted = owner_.journal_.note(id_, note);
    }
    if (noted) tellAccepted();
    return noted;
  }
  bool cancelled() const override { return cancelled_.load(); }
  int cancelFd() const override { return cancel_.get(); }
  void progress(json::Object members) override {
    members["type"] = agentwire::kProgress;
    members["id"] = id_;
    owner_.outbox_.send(members);
  }
  std::chrono::milliseconds age() const override { return sinceOf(entry_.request, "acceptedAt"); }
  bool sleep(std::chrono::milliseconds time) override { return os::waitReadable(cancel_.get(), time); }

  /// Once it is durable. The request's own thread.
  void tellAccepted() {
    if (!std::exchange(told_, true)) owner_.outbox_.send({{"type", agentwire::kAccepted}, {"id", id_}});
  }

  void give(json::Object secrets) {
    const std::lock_guard lock(secrets_mutex_);
    secrets_ = std::move(secrets);
    came_.notify_all();
  }

  void cancel() {
    cancelled_.store(true);
    ::eventfd_write(cancel_.get(), 1);
  }

  RequestHandler* const handler_;

 private:
  Requests& owner_;
  const std::string id_;
  const Entry entry_;
  const bool adopted_;
  bool told_;
  std::atomic<bool> cancelled_{false};
  os::Fd cancel_;
  std::mutex secrets_mutex_;
  std::condition_variable came_;
  std::optional<json::Object> secrets_;
};

Requests::Requests(Journal& journal, const Identity& identity, Outbox& outbox, std::vector<std::unique_ptr<RequestHandler>> handlers)
    : journal_(journal), identity_(identity), outbox_(outbox), handlers_(std::move(handlers)), guards_(journal, identity, outbox, *this) {}

Requests::~Requests() = default;

RequestHandler* Requests::handlerOf(const std::string& type) const {
  for (const auto& handler : handlers_)
    for (const auto& taken : handler->types())
      if (taken == type) return handler.get();
  return nullptr;
}

void Requests::adopt() {
  adoptLeases();
  for (const auto& [id, entry] : journal_.entries())
    if (!entry.result) adopt(id, entry);
  (void)guards_.begin();
}

void Requests::adoptGuarded() {
  adoptLeases();
  const auto guarded = journal_.guarded();
  for (const auto& [id, entry] : journal_.entries())
    if (const auto tag = FreezeTag::of(entry.request); tag && !entry.result && guarded.contains(tag->id)) adopt(id, entry);
}

// Before anything is started: what arms anew would be taken for the leavings of an earlier process.
void Requests::adoptLeases() {
  std::set<std::string> thawing;
  for (const auto& [id, entry] : journal_.entries())
    if (const auto tag = FreezeTag::of(entry.request); tag && tag->thaw && !entry.result) thawing.insert(tag->id);
  guards_.adopt(thawing);
}

void Requests::adopt(const std::string& id, const Entry& entry) {
  log::info("request taken up again", {{"id", id}, {"type", json::textOr(entry.request, "type")}});
  if (json::textOr(entry.request, "type") == agentwire::kCancel) cancel(entry.request);
  else if (json::boolOr(entry.request, kWithheld, false)) start(id, entry, true, std::nullopt);
  // Also one that an earlier version wrote down whole.
  else start(id, entry, true, secretsOf(entry.request, handlerOf(json::textOr(entry.request, "type"))));
}

void Requests::onRequest(const json::Object& message) {
  const auto id = json::textOr(message, "id");
  const auto type = json::textOr(message, "type");
  switch (journal_.seen(id)) {
    case Journal::Seen::fresh:
      if (type != agentwire::kCancel && !handlerOf(type))
        return outbox_.send({{"type", agentwire::kRefused}, {"id", id}, {"message", fmt::format("this agent does not know '{}'", type)}});
      if (const auto accepted = accept(id, message); !accepted)
        outbox_.send({{"type", agentwire::kRefused}, {"id", id}, {"message", accepted.error().text()}});
      return;
    case Journal::Seen::open: hearAgain(id, message); return outbox_.send({{"type", agentwire::kAccepted}, {"id", id}});
    case Journal::Seen::finished:
      if (const auto entry = journal_.find(id); entry && entry->result) outbox_.send(*entry->result);
      return;
    case Journal::Seen::settled:
      return outbox_.send({{"type", agentwire::kRefused},
                           {"id", id},
                           {"fate", "unknown"},
                           {"message", fmt::format("request {} was done and settled before", id)}});
  }
}

Result<void> Requests::accept(const std::string& id, const json::Object& received) {
  auto message = stamped(received);
  std::optional<std::pair<std::string, Freeze>> freeze;
  const auto tag = FreezeTag::of(message);
  const auto* handler = handlerOf(json::textOr(message, "type"));
  auto secrets = secretsOf(message, handler);
  for (const auto& [name, secret] : secrets) {
    message.erase(name);
    message[kWithheld] = true;
  }
  // What waits for its turn may wait long.
  const auto told = !tag && handler && handler->notesAtOnce(message) ? Told::with_note : Told::yes;
  Result<void> accepted;
  {
    const std::lock_guard lock(freeze_mutex_);
    if (tag) freeze.emplace(tag->id, onAccept(journal_.freeze(tag->id), *tag, id, json::textOr(message, kGuardWhy)));
    accepted = journal_.accept(id, message, freeze, told == Told::yes);
    if (!accepted && undoes(message)) {
      journal_.releaseReserve();
      accepted = journal_.accept(id, message, freeze);
    }
  }
  if (!accepted) {
    log::error("request refused", {{"id", id}, {"why", accepted.error().text()}});
    return accepted;
  }
  failpoint::hit("agent.request.accepted");
  if (told == Told::yes) outbox_.send({{"type", agentwire::kAccepted}, {"id", id}});
  if (json::textOr(message, "type") == agentwire::kCancel) {
    cancel(message);
    return {};
  }
  if (tag && tag->thaw) cancelFreezePhase(tag->id);
  Entry entry;
  entry.request = message;
  if (!secrets.empty()) journal_.whole(id);
  start(id, entry, false, std::move(secrets), told);
  return {};
}

Result<void> Requests::changeFreeze(const std::string& freeze_id, const std::function<void(Freeze&)>& change) {
  const std::lock_guard lock(freeze_mutex_);
  auto freeze = journal_.freeze(freeze_id).value_or(Freeze());
  change(freeze);
  auto set = journal_.setFreeze(freeze_id, freeze);
  if (!set) {
    journal_.releaseReserve();
    set = journal_.setFreeze(freeze_id, freeze);
  }
  return set;
}

Result<void> Requests::beginThaw(const json::Object& request) {
  const auto id = json::textOr(request, "id");
  if (journal_.seen(id) == Journal::Seen::fresh) return accept(id, request);
  // Of this number it has been made before; a power cut has set the count of them back.
  const auto tag = FreezeTag::of(request);
  if (tag)
    SP_CHECK_OK(changeFreeze(tag->id, [&](Freeze& freeze) {
      if (freeze.guard) freeze.guard->attempts = std::max(freeze.guard->attempts, -tag->attempt);
    }));
  return fail("agent.guard", fmt::format("request {} was made before: the next has another number", id));
}

bool Requests::thawUnderWay(const std::string& freeze_id) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(running_, [&](const auto& each) {
    const auto tag = FreezeTag::of(each.second->request());
    return tag && tag->thaw && tag->id == freeze_id;
  });
}

// What the journal does not keep comes again after a restart.
void Requests::hearAgain(const std::string& id, const json::Object& message) {
  journal_.whole(id);
  const std::lock_guard lock(mutex_);
  if (const auto found = running_.find(id); found != running_.end()) found->second->give(secretsOf(message, found->second->handler_));
}

void Requests::start(const std::string& id, const Entry& entry, bool adopted, std::optional<json::Object> secrets, Told told) {
  auto* handler = handlerOf(json::textOr(entry.request, "type"));
  auto running = std::make_shared<Running>(*this, id, entry, adopted, std::move(secrets), told, handler);
  if (journal_.cancelled(id)) cancelTarget(id);
  if (journal_.cancelled(id)) running->cancel();
  // Its freeze was thawed meanwhile: what it has begun is to end.
  const auto own = FreezeTag::of(entry.request);
  if (own && !own->thaw && journal_.freeze(own->id).value_or(Freeze()).refused) running->cancel();
  {
    const std::lock_guard lock(mutex_);
    if (!running_.try_emplace(id, running).second) return;
    if (const auto tag = FreezeTag::of(entry.request)) turns_[tag->id].push_back(id);
  }
  try {
    std::thread([this, running] { work(running); }).detach();
  } catch (const std::exception& error) {
    // Not a single step was made: it is taken up again by the next start of the agent if this fails too.
    log::error("no thread for a request", {{"id", id}, {"why", error.what()}});
    finish(*running, FreezeTag::of(entry.request), failed(entry.request, adopted ? "unknown" : "known", error.what()));
  }
}

void Requests::work(const std::shared_ptr<Running>& running) {
  const auto tag = FreezeTag::of(running->request());
  if (tag) awaitTurn(tag->id, running->id());
  auto result = outcome(*running, tag);
  finish(*running, tag, std::move(result));
}

json::Object Requests::outcome(Running& running, const std::optional<FreezeTag>& tag) {
  if (!running.handler_) return failed(running.request(), "unknown", "this agent does not know the request any more");
  if (tag) {
    const auto freeze = journal_.freeze(tag->id).value_or(Freeze());
    const auto decision = decide(freeze, *tag, running.id());
    // A script that has begun is followed to its end, whatever was decided since.
    if (decision.kind == FreezeDecision::Kind::answer && running.notes().empty()) return decision.result;
    if (decision.kind == FreezeDecision::Kind::refuse && running.notes().empty())
      return failed(running.request(), "known", decision.message);
  }
  try {
    if (tag && !tag->thaw && running.notes().empty())
      if (const auto armed = guards_.arm(running, tag->id); !armed)
        return failed(running.request(), kNeverBegun, "no freeze without a guard, nothing was run: " + armed.error().text());
    return running.handler_->run(running);
  } catch (const std::exception& error) { return failed(running.request(), "unknown", fmt::format("the agent failed: {}", error.what())); }
}

void Requests::finish(Running& running, const std::optional<FreezeTag>& tag, json::Object result) {
  const auto& id = running.id();
  result["id"] = id;
  if (tag) addGuard(result, running.request(), tag, journal_.freeze(tag->id));
  result = bounded(std::move(result));
  bool sent = false;
  while (true) {
    std::optional<std::pair<std::string, Freeze>> freeze;
    Result<void> finished;
    {
      const std::lock_guard lock(freeze_mutex_);
      if (tag) freeze.emplace(tag->id, onResult(journal_.freeze(tag->id).value_or(Freeze()), *tag, result));
      finished = journal_.finish(id, result, freeze);
    }
    if (finished || journal_.seen(id) == Journal::Seen::settled) break;
    log::error("result not journalled", {{"id", id}, {"why", finished.error().text()}});
    // It rests on what stands on disk elsewhere (the script's status), so the server may know it already.
    if (!sent) outbox_.send(result);
    sent = true;
    journal_.releaseReserve();
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  failpoint::hit("agent.result.journaled");
  running.tellAccepted();
  outbox_.send(result);
  failpoint::hit("agent.result.sent");
  if (tag) endTurn(tag->id, id);
  {
    const std::lock_guard lock(mutex_);
    running_.erase(id);
  }
  if (tag && tag->byGuard()) forgetTry(running.request(), -tag->attempt);
  if (tag && tag->thaw) guards_.thawEnded(tag->id);
}

// It may try for months while nobody hears of it: the first ones and the latest are kept.
void Requests::forgetTry(const json::Object& request, std::int64_t attempt) {
  const auto made = agentwire::promiseOf(json::textOr(request, "commandId"));
  if (!made || attempt <= kTriesKept) return;
  const auto before = fmt::format("cmd/{}/{}", agentwire::guardCommandId(made->promise, attempt - 1), json::textOr(request, "instance"));
  if (journal_.seen(before) == Journal::Seen::finished) onSettled(before);
}

void Requests::cancel(const json::Object& message) {
  const auto id = json::textOr(message, "id");
  cancelTarget(json::textOr(message, "target"));
  const json::Object result{{"type", agentwire::kCancelResult}, {"id", id}};
  if (auto finished = journal_.finish(id, result, std::nullopt); !finished)
    log::error("result not journalled", {{"id", id}, {"why", finished.error().text()}});
  outbox_.send(result);
}

void Requests::cancelTarget(const std::string& target) {
  const auto seen = journal_.seen(target);
  if (seen == Journal::Seen::finished || seen == Journal::Seen::settled) return;
  const auto entry = journal_.find(target);
  if (const auto tag = entry ? FreezeTag::of(entry->request) : std::nullopt; tag && !tag->thaw) {
    const std::lock_guard lock(freeze_mutex_);
    if (auto set = journal_.setFreeze(tag->id, onCancel(journal_.freeze(tag->id).value_or(Freeze()), *tag)); !set)
      log::error("freeze not marked cancelled", {{"freeze", tag->id}, {"why", set.error().text()}});
  }
  if (auto marked = journal_.cancel(target); !marked) log::error("cancel not journalled", {{"id", target}, {"why", marked.error().text()}});
  const std::lock_guard lock(mutex_);
  if (const auto found = running_.find(target); found != running_.end()) found->second->cancel();
}

void Requests::cancelFreezePhase(const std::string& freeze_id) {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, running] : running_)
    if (const auto tag = FreezeTag::of(running->request()); tag && !tag->thaw && tag->id == freeze_id) running->cancel();
}

void Requests::awaitTurn(const std::string& freeze_id, const std::string& id) {
  std::unique_lock lock(mutex_);
  turn_.wait(lock, [&] { return turns_[freeze_id].front() == id; });
}

void Requests::endTurn(const std::string& freeze_id, const std::string& id) {
  const std::lock_guard lock(mutex_);
  auto& waiting = turns_[freeze_id];
  std::erase(waiting, id);
  if (waiting.empty()) turns_.erase(freeze_id);
  turn_.notify_all();
}

void Requests::onSettled(const std::string& id) {
  failpoint::hit("agent.settled");
  const auto entry = journal_.find(id);
  if (!entry) return;
  if (auto settled = journal_.settle(id); !settled) {
    // The result is sent again after the next welcome, and settled then.
    log::error("settling not journalled", {{"id", id}, {"why", settled.error().text()}});
    return;
  }
  tidyLater(handlerOf(json::textOr(entry->request, "type")), id);
  journal_.restoreReserve();
}

// Removing files and giving memory back takes longer than a short script: the next request, which may be here at once, need not
// wait for it, nor share a commit of the file system's journal with it.
void Requests::tidyLater(RequestHandler* handler, const std::string& id) {
  const bool done = !handler || handler->settledAtOnce(id);
  const std::lock_guard lock(mutex_);
  if (!done) leftovers_.emplace_back(handler, id);
  untidy_ = true;
  last_settled_ = std::chrono::steady_clock::now();
  if (tidying_) return;
  try {
    std::thread([this] { tidy(); }).detach();
    tidying_ = true;
  } catch (const std::exception& error) { log::warn("no thread to tidy up: later", {{"why", error.what()}}); }
}

void Requests::tidy() {
  std::unique_lock lock(mutex_);
  while (untidy_) {
    const auto latest = std::chrono::steady_clock::now() + kTidyWithin;
    for (auto due = std::min(last_settled_ + kQuiet, latest); due > std::chrono::steady_clock::now();
         due = std::min(last_settled_ + kQuiet, latest)) {
      lock.unlock();
      std::this_thread::sleep_until(due);
      lock.lock();
    }
    const auto over = std::exchange(leftovers_, {});
    untidy_ = false;
    lock.unlock();
    for (const auto& [handler, id] : over) handler->settled(id);
    for (const auto& handler : handlers_) handler->quiet();
    ::malloc_trim(0);
    lock.lock();
  }
  tidying_ = false;
}

void Requests::resend() {
  {
    // Of thaws of its own the server has not heard.
    const std::lock_guard lock(mutex_);
    for (const auto& [id, running] : running_)
      if (running->request().contains(kGuardWhy)) outbox_.send({{"type", agentwire::kAccepted}, {"id", id}});
  }
  for (auto& result : journal_.results()) {
    if (result.contains(kEndedAt)) result["agoMs"] = sinceOf(result, kEndedAt).count();
    outbox_.send(result);
  }
}

std::size_t Requests::running() const {
  const std::lock_guard lock(mutex_);
  return running_.size();
}

}  // namespace sp::agent
