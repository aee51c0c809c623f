#include "services/ssm/output/feed.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kPiece = 32 * 1024;
/// An agent that has told the end and does not send the rest of the output is waited for so long.
constexpr std::chrono::seconds kRestPatience{60};
constexpr std::array<std::string_view, 2> kStreams{"stdout", "stderr"};

/// How many of the last bytes may be the beginning of a character.
std::size_t unfinished(std::string_view bytes) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, bytes.size()); ++back) {
    const auto c = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((c & 0xC0U) == 0x80U) continue;
    const std::size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

const StepRecord* stepOf(const Invocation& invocation, const std::string& name) {
  const auto found = std::ranges::find(invocation.steps, name, &StepRecord::name);
  return found == invocation.steps.end() ? nullptr : &*found;
}

/// What the record has of a stream, if that is all of it.
const std::string* wholeInRecord(const Invocation& invocation, const store::OutputKey& key) {
  const auto* step = stepOf(invocation, key.step);
  if (step == nullptr) return nullptr;
  const bool out = key.stream == "stdout";
  const auto& text = out ? step->output : step->error;
  return std::cmp_equal(text.size(), out ? step->output_bytes : step->error_bytes) ? &text : nullptr;
}

bool hasFile(const store::OutputState& state) { return state.have > 0 || state.ended; }

}  // namespace

std::string OutputFeed::Position::text() const {
  std::string out;
  for (const auto& [step, at] : steps) out += fmt::format("{}{}={}.{}", out.empty() ? "" : "&", percentEncode(step), at[0], at[1]);
  return out;
}

OutputFeed::Position OutputFeed::Position::parse(std::string_view text) {
  Position position;
  for (const auto each : split(text, '&')) {
    const auto equals = each.find('=');
    const auto dot = each.find('.', equals == std::string_view::npos ? each.size() : equals);
    if (dot == std::string_view::npos) return {};
    const auto step = percentDecode(each.substr(0, equals));
    const auto output = parseInt(each.substr(equals + 1, dot - equals - 1));
    const auto error = parseInt(each.substr(dot + 1));
    if (!step || !output || !error || *output < 0 || *error < 0) return {};
    position.steps[*step] = {static_cast<std::uint64_t>(*output), static_cast<std::uint64_t>(*error)};
  }
  return position;
}

OutputFeed::OutputFeed(store::OutputStore& outputs, const Invocation& invocation, Position from)
    : outputs_(outputs), command_(invocation.command_id), instance_(invocation.instance_id), position_(std::move(from)) {
  for (const auto& step : invocation.steps) add(step.name);
}

void OutputFeed::add(const std::string& step) {
  for (std::size_t index = 0; index < kStreams.size(); ++index) {
    streams_.push_back({{command_, instance_, step, std::string(kStreams[index])}, index});
    if (only_last_ == 0) continue;
    const auto state = outputs_.state(streams_.back().key);
    const auto there = state.ended ? state.total : state.have;
    at(streams_.back()) = std::max(at(streams_.back()), there - std::min(there, only_last_));
  }
}

/// What of a step runs is only known once it prints.
void OutputFeed::addParts() {
  for (const auto& name : outputs_.steps(command_, instance_)) {
    const auto slash = name.find('/');
    if (slash == std::string::npos || std::ranges::any_of(streams_, [&](const Stream& stream) { return stream.key.step == name; }))
      continue;
    in_parts_.insert(name.substr(0, slash));
    add(name);
  }
}

OutputFeed::~OutputFeed() {
  if (watch_ != 0) outputs_.unwatch(watch_);
}

void OutputFeed::onlyLast(std::uint64_t bytes) {
  only_last_ = bytes;
  auto known = std::exchange(streams_, {});
  for (const auto& stream : known)
    if (stream.index == 0) add(stream.key.step);
}

void OutputFeed::ended(const Invocation& invocation, json::Object report) {
  std::function<void()> ready;
  {
    const std::lock_guard lock(mutex_);
    end_ = std::make_shared<const End>(End{invocation, std::move(report)});
    ready = ready_;
  }
  if (ready) ready();
}

void OutputFeed::onReady(std::function<void()> ready) {
  {
    const std::lock_guard lock(mutex_);
    ready_ = ready;
  }
  watch_ = outputs_.watch(command_, instance_, std::move(ready));
}

void OutputFeed::emit(std::string& out, std::string_view event, const json::Object& data) const {
  out += fmt::format("id: {}\nevent: {}\ndata: {}\n\n", position_.text(), event, json::toText(data));
}

Result<std::string> OutputFeed::read(std::size_t limit) {
  std::string out;
  std::shared_ptr<const End> end;
  {
    const std::lock_guard lock(mutex_);
    end = end_;
  }
  if (over_) return out;
  addParts();
  bool more = true;
  while (more && out.size() < limit) {
    more = false;
    for (const auto& stream : streams_) {
      SP_TRY(const bool told, tellStream(out, stream, end.get()));
      more = more || told;
    }
  }
  const auto now = std::chrono::steady_clock::now();
  if (!out.empty()) last_progress_ = now;
  if (!end || more) return out;
  if (!status_told_) {
    status_told_ = true;
    last_progress_ = now;
    emit(out, "status", end->report);
  }
  const bool complete =
      std::ranges::all_of(streams_, [&](const Stream& stream) { return finished(stream, outputs_.state(stream.key), end.get()); });
  if (!complete && now - last_progress_ < kRestPatience) return out;
  over_ = true;
  emit(out, "end", {{"complete", complete}});
  return out;
}

/// The next bytes; none where nothing is (yet).
Result<std::string> OutputFeed::bytesAt(const Stream& stream, const store::OutputState& state, const End* end) {
  if (hasFile(state)) return outputs_.read(stream.key, at(stream), kPiece);
  if (end == nullptr || in_parts_.contains(stream.key.step)) return std::string();
  const auto* text = wholeInRecord(end->invocation, stream.key);
  if (text == nullptr || at(stream) >= text->size()) return std::string();
  return text->substr(at(stream), kPiece);
}

bool OutputFeed::finished(const Stream& stream, const store::OutputState& state, const End* end) {
  const auto position = at(stream);
  if (in_parts_.contains(stream.key.step)) return true;
  if (hasFile(state)) return state.ended && position >= state.total;
  const auto* text = end == nullptr ? nullptr : wholeInRecord(end->invocation, stream.key);
  return text != nullptr && position >= text->size();
}

Result<bool> OutputFeed::tellStream(std::string& out, const Stream& stream, const End* end) {
  const auto state = outputs_.state(stream.key);
  json::Object data{{"step", stream.key.step}, {"stream", stream.key.stream}, {"offset", at(stream)}};
  if (state.ended && at(stream) >= state.have && at(stream) < state.tail_at) {
    data["bytes"] = state.tail_at - at(stream);
    at(stream) = state.tail_at;
    emit(out, "gap", data);
    return true;
  }
  SP_TRY(auto bytes, bytesAt(stream, state, end));
  if (bytes.empty()) return false;
  // A character that is cut here is told with what follows it, if anything does.
  const auto cut = unfinished(bytes);
  const bool follows = hasFile(state) ? !state.ended || at(stream) + bytes.size() < state.total : false;
  if (cut < bytes.size() && (follows || !isUtf8(bytes)) && isUtf8(std::string_view(bytes).substr(0, bytes.size() - cut)))
    bytes.resize(bytes.size() - cut);
  at(stream) += bytes.size();
  if (isUtf8(bytes)) data["text"] = bytes;
  else data["base64"] = toBase64(bytes);
  emit(out, "output", data);
  return true;
}

OutputFeeds::OutputFeeds(Commands& commands, store::OutputStore& outputs) : commands_(commands), outputs_(outputs) {
  commands_.onInvocationEnded([this](store::Txn& txn, const Invocation& invocation) { invocationEnded(txn, invocation); });
}

json::Object OutputFeeds::report(const Invocation& invocation) const {
  return invocationReport(invocation, commands_.shownStatus(invocation), commands_.shownDetails(invocation), outputs_);
}

Result<std::shared_ptr<OutputFeed>> OutputFeeds::open(store::Txn& txn, const std::string& command, const std::string& instance,
                                                      OutputFeed::Position from, std::uint64_t last) {
  std::erase_if(open_, [](const auto& each) { return each.second.expired(); });
  if (open_.size() >= kMost) return fail("feed.many", fmt::format("{} streams are open, and no more may be: end one first", kMost));
  const auto invocation = commands_.invocation(txn, command, instance);
  if (!invocation) return fail("feed.unknown", fmt::format("there is no invocation of command '{}' on instance '{}'", command, instance));
  auto feed = std::make_shared<OutputFeed>(outputs_, *invocation, std::move(from));
  if (last > 0) feed->onlyLast(last);
  if (invocation->hasEnded()) feed->ended(*invocation, report(*invocation));
  else open_.emplace(invocation->key(), feed);
  return feed;
}

// Nothing is told before it is durable.
void OutputFeeds::invocationEnded(store::Txn& txn, const Invocation& invocation) {
  const auto [first, last] = open_.equal_range(invocation.key());
  std::vector<std::weak_ptr<OutputFeed>> feeds;
  for (auto each = first; each != last; ++each) feeds.push_back(each->second);
  if (feeds.empty()) return;
  txn.afterCommit([this, feeds = std::move(feeds), invocation] {
    for (const auto& each : feeds)
      if (const auto feed = each.lock()) feed->ended(invocation, report(invocation));
    open_.erase(invocation.key());
  });
}

}  // namespace sp::services::ssm
