#include "agent/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/hash.h"
#include "base/log.h"

namespace sp::agent {
namespace {

constexpr std::size_t kHeader = 8;
constexpr std::uint32_t kRecordMax = 8U << 20U;
constexpr std::uint64_t kCompactAbove = 4ULL << 20ULL;
/// After a compaction that failed (a full disk) the next is tried when so much more was written: megabytes at every settling would be
/// written in vain.
constexpr std::uint64_t kCompactPause = 256U << 10U;
constexpr std::size_t kSettledKept = 4096;
constexpr off_t kReserve = 1 << 20;
/// Zeros are written so far ahead: an fsync of records within the file costs one write of the disk, where one that makes the file
/// longer costs the file system a commit of its own journal as well.
constexpr std::uint64_t kAhead = 256U << 10U;
constexpr std::size_t kZeros = 16U << 10U;

std::uint32_t readBigEndian32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = (value << 8U) | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// The JSON text of the record at the head of `bytes`; nullopt if it is torn or damaged.
std::optional<std::string_view> recordAt(std::string_view bytes) {
  if (bytes.size() < kHeader) return std::nullopt;
  const auto length = readBigEndian32(bytes);
  if (length == 0 || length > kRecordMax || bytes.size() - kHeader < length) return std::nullopt;
  const auto text = bytes.substr(kHeader, length);
  if (crc32c(text) != readBigEndian32(bytes.substr(4))) return std::nullopt;
  return text;
}

Result<void> writeAt(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0)
      return failErrno(errno == ENOSPC || errno == EDQUOT ? "journal.full" : "journal.write", "cannot write the agent's journal", errno);
    bytes.remove_prefix(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

/// Zeros from `from` to `to`; how far they reach now.
std::uint64_t writeZeros(int fd, std::uint64_t from, std::uint64_t to) {
  static constexpr std::array<char, kZeros> zeros{};
  while (from < to) {
    const auto size = std::min<std::uint64_t>(zeros.size(), to - from);
    if (!writeAt(fd, {zeros.data(), size}, from)) break;
    from += size;
  }
  return from;
}

json::Object record(std::string_view kind, std::string_view id) { return {{"k", kind}, {"id", id}}; }

json::Object freezeRecord(const std::string& id, const Freeze& freeze) {
  auto out = record("freeze", id);
  out["freeze"] = freeze.encode();
  return out;
}

json::Object objectOr(const json::Object& object, std::string_view key) {
  const auto* value = json::find(object, key);
  return value && value->is_object() ? value->get_object() : json::Object();
}

}  // namespace

std::string encodeRecord(const json::Object& record) {
  const auto text = json::toText(record);
  return bigEndian32(static_cast<std::uint32_t>(text.size())) + bigEndian32(crc32c(text)) + text;
}

json::Object Freeze::encode() const {
  json::Object taken;
  for (const auto& [attempt, id] : attempts) taken[attempt] = id;
  json::Object out{{"refused", refused}, {"why", why}, {"attempts", std::move(taken)}};
  if (thawed) out["thawed"] = *thawed;
  if (guard) out["guard"] = guard->encode();
  if (!broken.empty()) out["broken"] = broken;
  return out;
}

Freeze Freeze::decode(const json::Object& object) {
  Freeze out;
  out.refused = json::boolOr(object, "refused", false);
  out.why = json::textOr(object, "why");
  if (const auto* thawed = json::find(object, "thawed"); thawed && thawed->is_object()) out.thawed = thawed->get_object();
  if (const auto* guard = json::find(object, "guard"); guard && guard->is_object()) out.guard = GuardOrder::decode(guard->get_object());
  out.broken = json::textOr(object, "broken");
  for (const auto& [attempt, id] : objectOr(object, "attempts"))
    if (id.is_string()) out.attempts.emplace(std::string(attempt), json::toStd(id.get_string()));
  return out;
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& directory) {
  SP_CHECK_OK(os::makeDirectories(directory));
  std::unique_ptr<Journal> journal(new Journal(directory));
  SP_CHECK_OK(journal->load());
  // A full disk must not keep an agent from starting: the old file is right, only long.
  if (auto compacted = journal->compact(); !compacted) log::warn("journal not compacted", {{"why", compacted.error().text()}});
  journal->restoreReserve();
  return journal;
}

Result<void> Journal::load() {
  const auto path = directory_ + "/journal";
  file_ = os::Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file_) return failErrno("journal.open", "cannot open the agent's journal " + path, errno);
  SP_TRY(const auto bytes, os::readFile(path, 1ULL << 31ULL));
  std::string_view rest = bytes;
  while (const auto text = recordAt(rest)) {
    auto value = json::parse(*text);
    if (!value || !value->is_object()) break;
    apply(value->get_object());
    rest.remove_prefix(kHeader + text->size());
  }
  size_ = bytes.size() - rest.size();
  allocated_ = bytes.size();
  if (rest.find_first_not_of('\0') != std::string_view::npos) {
    log::warn("torn tail of the journal cut off", {{"file", path}, {"bytes", rest.size()}});
    if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0)
      return failErrno("journal.open", "cannot cut the torn tail of " + path, errno);
    allocated_ = size_;
  }
  return os::fsyncDirectory(directory_);
}

void Journal::apply(const json::Object& record) {
  const auto kind = json::textOr(record, "k");
  const auto id = json::textOr(record, "id");
  if (kind == "accept") {
    Entry entry;
    entry.request = objectOr(record, "request");
    entry.sequence = next_sequence_++;
    entries_.insert_or_assign(id, std::move(entry));
  } else if (kind == "note") {
    if (const auto found = entries_.find(id); found != entries_.end()) found->second.notes.push_back(objectOr(record, "note"));
  } else if (kind == "result") {
    if (const auto found = entries_.find(id); found != entries_.end()) found->second.result = objectOr(record, "result");
  } else if (kind == "settled") {
    entries_.erase(id);
    cancelled_.erase(id);
    whole_.erase(id);
    rememberSettled(id);
  } else if (kind == "freeze") {
    freezes_.insert_or_assign(id, Freeze::decode(objectOr(record, "freeze")));
  } else if (kind == "cancel") {
    cancelled_.insert(id);
  }
}

void Journal::rememberSettled(const std::string& id) {
  if (!settled_.insert(id).second) return;
  settled_order_.push_back(id);
  while (settled_order_.size() > kSettledKept) {
    settled_.erase(settled_order_.front());
    settled_order_.pop_front();
  }
}

Result<void> Journal::append(const std::vector<json::Object>& records, bool durable) {
  std::string bytes;
  for (const auto& one : records) bytes += encodeRecord(one);
  // On a full disk there are none ahead, and the record may still fit.
  if (size_ + bytes.size() > allocated_) allocated_ = writeZeros(file_.get(), allocated_, size_ + bytes.size() + kAhead);
  auto written = writeAt(file_.get(), bytes, size_);
  if (written && durable && failpoint::hit("agent.journal.before_fsync"))
    written = fail("journal.full", "cannot write the agent's journal: fail point");
  if (written && durable && ::fdatasync(file_.get()) != 0) written = failErrno("journal.write", "cannot fsync the agent's journal", errno);
  if (!written) {
    // What stands behind the last whole record would hide everything written after it.
    if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) log::error("journal tail not cut", {{"errno", errno}});
    allocated_ = size_;
    return written;
  }
  if (durable) failpoint::hit("agent.journal.after_fsync");
  size_ += bytes.size();
  allocated_ = std::max(allocated_, size_);
  for (const auto& one : records) apply(one);
  return {};
}

Journal::Seen Journal::seen(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  if (settled_.contains(id)) return Seen::settled;
  const auto found = entries_.find(id);
  if (found == entries_.end()) return Seen::fresh;
  return found->second.result ? Seen::finished : Seen::open;
}

std::vector<std::pair<std::string, Entry>> Journal::entries() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, Entry>> out(entries_.begin(), entries_.end());
  std::ranges::sort(out, {}, [](const auto& one) { return one.second.sequence; });
  return out;
}

std::optional<Entry> Journal::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  return found == entries_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<json::Object> Journal::results() const {
  std::vector<json::Object> out;
  for (auto& [id, entry] : entries())
    if (entry.result) out.push_back(std::move(*entry.result));
  return out;
}

std::vector<std::string> Journal::openIds() const {
  std::vector<std::string> out;
  const auto all = entries();
  const std::lock_guard lock(mutex_);
  for (const auto& [id, entry] : all)
    if (entry.result || !json::boolOr(entry.request, kWithheld, false) || whole_.contains(id)) out.push_back(id);
  return out;
}

void Journal::whole(const std::string& id) {
  const std::lock_guard lock(mutex_);
  whole_.insert(id);
}

Result<void> Journal::accept(const std::string& id, const json::Object& request,
                             const std::optional<std::pair<std::string, Freeze>>& freeze, bool durable) {
  auto accepted = record("accept", id);
  accepted["request"] = request;
  // What a freeze has come to first: a request without its mark on the freeze would be one that never was.
  std::vector<json::Object> records;
  if (freeze) records.push_back(freezeRecord(freeze->first, freeze->second));
  records.push_back(std::move(accepted));
  const std::lock_guard lock(mutex_);
  return append(records, durable);
}

Result<void> Journal::note(const std::string& id, const json::Object& note) {
  auto noted = record("note", id);
  noted["note"] = note;
  const std::lock_guard lock(mutex_);
  return append({noted});
}

Result<void> Journal::finish(const std::string& id, const json::Object& result,
                             const std::optional<std::pair<std::string, Freeze>>& freeze) {
  auto finished = record("result", id);
  finished["result"] = result;
  std::vector<json::Object> records{std::move(finished)};
  if (freeze) records.push_back(freezeRecord(freeze->first, freeze->second));
  const std::lock_guard lock(mutex_);
  return append(records);
}

Result<void> Journal::settle(const std::string& id) {
  const std::lock_guard lock(mutex_);
  SP_CHECK_OK(append({record("settled", id)}, false));
  if (size_ <= std::max(kCompactAbove, 4 * compacted_size_) || size_ < compact_again_) return {};
  // It is settled all the same.
  if (auto compacted = compactLocked(); !compacted) {
    compact_again_ = size_ + kCompactPause;
    log::warn("journal not compacted", {{"why", compacted.error().text()}});
  }
  return {};
}

Result<void> Journal::cancel(const std::string& id) {
  const std::lock_guard lock(mutex_);
  return append({record("cancel", id)});
}

bool Journal::cancelled(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return cancelled_.contains(id);
}

std::optional<Freeze> Journal::freeze(const std::string& freeze_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = freezes_.find(freeze_id);
  return found == freezes_.end() ? std::nullopt : std::optional(found->second);
}

Result<void> Journal::setFreeze(const std::string& freeze_id, const Freeze& freeze) {
  const std::lock_guard lock(mutex_);
  return append({freezeRecord(freeze_id, freeze)});
}

std::map<std::string, Freeze> Journal::guarded() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, Freeze> out;
  for (const auto& [id, freeze] : freezes_)
    if (freeze.guard) out.emplace(id, freeze);
  return out;
}

std::vector<json::Object> Journal::snapshot() const {
  std::vector<json::Object> out;
  for (const auto& id : settled_order_) out.push_back(record("settled", id));
  for (const auto& id : cancelled_) out.push_back(record("cancel", id));
  for (const auto& [id, freeze] : freezes_) out.push_back(freezeRecord(id, freeze));
  std::vector<std::pair<std::string, const Entry*>> open;
  for (const auto& [id, entry] : entries_) open.emplace_back(id, &entry);
  std::ranges::sort(open, {}, [](const auto& one) { return one.second->sequence; });
  for (const auto& [id, entry] : open) {
    auto accepted = record("accept", id);
    accepted["request"] = entry->request;
    out.push_back(std::move(accepted));
    for (const auto& note : entry->notes) {
      auto noted = record("note", id);
      noted["note"] = note;
      out.push_back(std::move(noted));
    }
    if (entry->result) {
      auto finished = record("result", id);
      finished["result"] = *entry->result;
      out.push_back(std::move(finished));
    }
  }
  return out;
}

Result<void> Journal::compact() {
  const std::lock_guard lock(mutex_);
  return compactLocked();
}

Result<void> Journal::compactLocked() {
  std::string bytes;
  for (const auto& one : snapshot()) bytes += encodeRecord(one);
  const auto path = directory_ + "/journal";
  const auto aside = path + ".new";
  os::Fd fresh(::open(aside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fresh) return failErrno("journal.write", "cannot create " + aside, errno);
  auto written = writeAt(fresh.get(), bytes, 0);
  const auto allocated = written ? writeZeros(fresh.get(), bytes.size(), bytes.size() + kAhead) : 0;
  if (written && ::fsync(fresh.get()) != 0) written = failErrno("journal.write", "cannot fsync " + aside, errno);
  failpoint::hit("agent.journal.compact_written");
  if (written && ::rename(aside.c_str(), path.c_str()) != 0) written = failErrno("journal.write", "cannot rename to " + path, errno);
  if (!written) {
    ::unlink(aside.c_str());
    return written;
  }
  failpoint::hit("agent.journal.compact_renamed");
  file_ = std::move(fresh);
  size_ = bytes.size();
  allocated_ = allocated;
  compacted_size_ = size_;
  return os::fsyncDirectory(directory_);
}

std::uint64_t Journal::bytes() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

void Journal::releaseReserve() {
  if (::unlink((directory_ + "/reserve").c_str()) == 0) log::warn("disk full: the agent's reserve is given back", {{"bytes", kReserve}});
}

void Journal::restoreReserve() {
  const auto path = directory_ + "/reserve";
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && info.st_blocks * 512 >= kReserve) return;
  const os::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (file && ::posix_fallocate(file.get(), 0, kReserve) != 0) ::unlink(path.c_str());
}

}  // namespace sp::agent
