#include "agent/backup/restore_runner.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "agent/backup/own_state.h"
#include "agent/backup/restic_process.h"
#include "agent/backup/tree.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/file.h"

namespace sp::agent {
namespace {

json::Object result(std::string_view state, std::string_view message) {
  return {{"type", "restore.result"}, {"state", state}, {"message", plainText(message)}, {"bytes", 0}, {"files", 0}};
}

/// Bytes that a process has written so far (wchar of /proc/PID/io).
std::uint64_t writtenBy(pid_t pid) {
  const auto text = os::readFile(fmt::format("/proc/{}/io", pid), 65536);
  if (!text) return 0;
  for (const auto line : split(*text, '\n'))
    if (line.starts_with("wchar: ")) return static_cast<std::uint64_t>(parseInt(line.substr(7)).value_or(0));
  return 0;
}

Result<void> makeEmpty(const std::string& folder) {
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  if (error || ::mkdir(folder.c_str(), 0755) != 0)
    return failErrno("restore.folder", "cannot create " + folder, error ? error.value() : errno);
  return {};
}

/// The folder that is restored to, as this process sees it, and the one in it that restic writes into.
struct Place {
  std::string target;
  std::string name;
  std::string aside() const { return target + "/" + name; }
};

Result<void> checkEmpty(const Place& place, const json::Object& request) {
  SP_TRY(const bool empty, isEmptyFolder(place.target, place.name));
  if (empty) return {};
  // inPlace is for machines.
  const bool host = json::textOr(request, "instance") == "host";
  return fail("restore.not_empty",
              fmt::format("{} is not empty: give an empty folder, or one that is not there{}.", json::textOr(request, "targetPath"),
                          host ? "" : ", or inPlace 'true' to restore over what is there"));
}

bool tellsOfFullDisk(std::string_view words) {
  return words.find("no space left on device") != std::string_view::npos || words.find("disk quota exceeded") != std::string_view::npos;
}

/// What restic is told. It says nothing while it restores: what it has written is the measure.
class Writing final : public ResticTask {
 public:
  Writing(RequestContext& context, const Place& place)
      : context_(context),
        place_(place),
        size_(static_cast<double>(std::max<std::int64_t>(json::intOr(context.request(), "size", 0), 1))) {}
  Result<ResticRun> prepare() override {
    const auto& request = context_.request();
    written_ = told_ = lines_ = 0;
    if (!json::boolOr(request, "inPlace", false)) SP_CHECK_OK(checkEmpty(place_, request));
    // What an earlier try left half-made is not completed but made anew.
    const auto aside = place_.aside();
    SP_CHECK_OK(makeEmpty(aside));
    ResticRun run;
    run.arguments = {"restore", json::textOr(request, "snapshotId"), "--verify", "--target", aside};
    if (unlocked_) run.arguments.emplace_back("--no-lock");
    for (const auto& path : textsOf(request, "includePaths")) run.arguments.push_back("--include=" + literalPattern(path));
    return run;
  }
  // All that a restore writes into the vault is its lock, and the server prunes nothing while it runs: a full disk is no reason to
  // keep anyone from the data.
  bool changesCourse(std::string_view words) override { return tellsOfUnwrittenLock(words) && !std::exchange(unlocked_, true); }
  void line(bool, std::string_view) override { ++lines_; }
  json::Object kept() const override { return {}; }
  void recall(const json::Object&) override {}
  void tick(pid_t pid) override {
    const auto now = writtenBy(pid);
    if (now > written_) written_ = now;
    // The last part belongs to verifying and moving.
    const auto percent = std::min(95.0, static_cast<double>(written_) / size_ * 95.0);
    if (written_ == told_) return;
    told_ = written_;
    json::Object members{{"bytesDone", written_}, {"message", "Restoring."}};
    members["percent"] = percent;
    context_.progress(std::move(members));
  }
  std::uint64_t moved() const override { return written_ + lines_; }

 private:
  RequestContext& context_;
  const Place& place_;
  bool unlocked_ = false;
  double size_;
  std::uint64_t written_ = 0;
  std::uint64_t told_ = 0;
  std::uint64_t lines_ = 0;
};

/// The last note that earlier agents made of that step; nullptr: none.
const json::Object* noteOf(const RequestContext& context, std::string_view step) {
  const json::Object* found = nullptr;
  for (const auto& note : context.notes())
    if (json::textOr(note, "step") == step) found = &note;
  return found;
}

/// Restores aside; an error message, or empty.
std::string restoreAside(RequestContext& context, const Place& place, bool& cancelled) {
  const std::chrono::milliseconds stall(json::intOr(context.request(), "stallMs", 600'000));
  Writing writing(context, place);
  const auto outcome =
      runRestic(context, writing, stall, [&](std::string_view what) { context.progress({{"message", what}, {"waiting", true}}); });
  if (!outcome) return outcome.error().text();
  cancelled = outcome->end == ResticEnd::cancelled;
  if (cancelled) return "The restore was cancelled.";
  if (outcome->end == ResticEnd::stalled) return fmt::format("No byte moved for {} seconds. {}", stall.count() / 1000, outcome->words);
  if (outcome->end == ResticEnd::lost) return "restic was ended from outside again and again. " + outcome->words;
  if (!outcome->status.ok() && tellsOfFullDisk(outcome->words))
    return fmt::format(
        "The disk of {} is full: a restore needs as much free space as it restores. Nothing was put in place; make room "
        "there, or give another folder, and start the restore again.",
        json::textOr(context.request(), "targetPath"));
  if (!outcome->status.ok()) return fmt::format("restic ended with {}: {}", outcome->status.text(), outcome->words);
  return {};
}

/// The folder to restore to, and what else is there only for the restore: gone again if nothing comes of it.
class Target {
 public:
  explicit Target(RequestContext& context) : context_(context) {}

  /// Makes the folder if it is not there, which is noted: the next agent would take it for somebody's.
  Result<void> prepare();
  const Place& place() const { return place_; }
  /// What is moved where, if only a part of the recovery point is wanted. `moving`: an earlier agent had begun to.
  Result<void> plan(bool moving);
  /// What of the recovery point is the agent's own does not come over what it has.
  Result<void> leaveOut() const;
  /// Whether put() can be done, by the mounts that are there.
  Result<void> check() const {
    return checkMoves(root_, place_.aside(), moves_.value_or(std::vector<Move>{{place_.aside(), place_.target}}));
  }
  /// Puts what lies aside in its place.
  Result<void> put() const { return moves_ ? moveParts(*moves_, place_.aside()) : mergeTree(place_.aside(), place_.target); }
  bool hasAside() const { return !place_.target.empty() && ::access(place_.aside().c_str(), F_OK) == 0; }
  /// What is not put in place goes, and so do the folders that were made for it.
  void takeBack() const {
    std::error_code ignored;
    if (!place_.target.empty()) std::filesystem::remove_all(place_.aside(), ignored);
    // Only where they are empty.
    for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) ::rmdir(folder->c_str());
  }

 private:
  bool outside() const { return json::boolOr(context_.request(), "outside", false); }
  Result<void> checkOwn() const;

  RequestContext& context_;
  /// What is "/" for the target; empty: this process's own.
  std::string root_;
  Place place_;
  std::optional<std::vector<Move>> moves_;
  std::vector<std::string> made_;
};

Result<void> Target::prepare() {
  const auto& request = context_.request();
  const auto path = json::textOr(request, "targetPath");
  if (outside()) { SP_TRY(root_, machineRoot(context_.identity(), json::textOr(request, "instance"))); }
  if (const auto* made = noteOf(context_, "made"); made != nullptr) made_ = textsOf(*made, "folders");
  const auto before = made_.size();
  SP_TRY(place_.target, makeFolderIn(root_, path, &made_));
  place_.name = ".stillpoint-" + percentEncode(context_.id());
  SP_CHECK_OK(checkOwn());
  if (made_.size() == before) return {};
  json::Array folders;
  for (const auto& folder : made_) folders.emplace_back(folder);
  return context_.note({{"step", "made"}, {"folders", std::move(folders)}});
}

Result<void> Target::checkOwn() const {
  // A stopped machine's agent is not this one: the server knows the place of its state.
  if (outside()) return {};
  const OwnState own(context_.identity());
  if (auto free = own.checkOutside(place_.target, true); !free)
    return fail(free.error().code, "The target is not taken: " + free.error().message);
  for (const auto& path : textsOf(context_.request(), "includePaths"))
    if (auto free = own.checkOutside(place_.target + path, false); !free)
      return fail(free.error().code, "A path to restore is not taken: " + free.error().message);
  return {};
}

Result<void> Target::plan(bool moving) {
  const auto paths = textsOf(context_.request(), "includePaths");
  const bool whole = paths.empty() || std::ranges::any_of(paths, [](const auto& path) { return path.find_first_not_of('/') == path.npos; });
  if (whole) return {};
  std::error_code error;
  const auto aside = std::filesystem::symlink_status(place_.aside(), error).type();
  if (moving && aside == std::filesystem::file_type::not_found) {
    // The folder goes last: that agent ended between its removal and the result.
    moves_.emplace();
    return {};
  }
  SP_TRY(moves_, planMoves(root_, place_.aside(), place_.target, paths));
  return {};
}

Result<void> Target::leaveOut() const {
  if (outside()) return {};
  // From folder to folder: a link above a path leads elsewhere than the tree says.
  std::set<std::pair<std::string, std::string>> folders{{place_.aside(), place_.target}};
  for (const auto& move : moves_.value_or(std::vector<Move>{}))
    folders.emplace(std::filesystem::path(move.from).parent_path(), std::filesystem::path(move.to).parent_path());
  for (const auto& [tree, target] : folders) {
    SP_TRY(const auto left_out, OwnState(context_.identity()).removeFrom(tree, target));
    for (const auto& path : left_out) log::warn("not restored: it is the agent's own", {{"id", context_.id()}, {"path", path}});
  }
  return {};
}

}  // namespace

json::Object RestoreRunner::run(RequestContext& context) {
  if (context.cancelled() && !context.adopted()) return result("ABORTED", "The restore was cancelled before it began.");
  Target target(context);
  const bool moving = noteOf(context, "moving") != nullptr;
  // What is half taken back looks like what was half moved: that nothing comes of it any more is durable before.
  const auto stop = [&](std::string_view state, std::string why) {
    const auto kept = context.note({{"step", "failed"}, {"state", state}, {"why", why}});
    if (!kept && target.hasAside())
      return result(state, fmt::format("{}; what was restored so far is left in {}, remove it: {}", why, target.place().aside(),
                                       kept.error().text()));
    failpoint::hit("agent.restore_failed");
    target.takeBack();
    failpoint::hit("agent.restore_taken_back");
    return result(state, why);
  };
  const auto prepared = target.prepare();
  if (const auto* failed = noteOf(context, "failed"); failed != nullptr) {
    target.takeBack();
    return result(json::textOr(*failed, "state"), json::textOr(*failed, "why"));
  }
  if (!prepared) return stop("FAILED", prepared.error().text());
  const auto& place = target.place();
  if (!moving) {
    bool cancelled = false;
    if (const auto error = restoreAside(context, place, cancelled); !error.empty()) return stop(cancelled ? "ABORTED" : "FAILED", error);
    if (const auto missing = missingIn(place.aside(), textsOf(context.request(), "includePaths")); !missing.empty())
      return stop("FAILED",
                  fmt::format("The recovery point does not have {} of includePaths; nothing was put in place.", join(missing, ", ")));
  }
  if (auto planned = target.plan(moving); !planned) return stop("FAILED", planned.error().text());
  if (!moving) {
    if (auto left_out = target.leaveOut(); !left_out) return stop("FAILED", left_out.error().text());
    if (auto movable = target.check(); !movable) return stop("FAILED", movable.error().text());
  }
  const auto size = measureTree(place.aside());
  if (!moving) {
    if (!size) return stop("FAILED", size.error().text());
    if (size->entries == 0) return stop("FAILED", "The recovery point holds none of includePaths.");
    const json::Object note{{"step", "moving"}, {"entries", size->entries}, {"bytes", size->bytes}};
    if (auto kept = context.note(note); !kept) return stop("FAILED", kept.error().text());
  }
  auto moved = failpoint::hit("agent.restore_moving") ? Result<void>(fail("restore.failpoint", "made to fail")) : target.put();
  if (!moved)
    return stop("FAILED", moved.error().text() + "; what was put in place before it stays: mend that and start the restore again");
  if (failpoint::hit("agent.restore_moved")) return result("FAILED", "made to fail");
  auto message = result("COMPLETED", "");
  // A repeated move finds only what was left of it: the note has the whole.
  auto measured = json::Object{{"entries", size ? size->entries : 0}, {"bytes", size ? size->bytes : 0}};
  if (const auto* note = noteOf(context, "moving"); note != nullptr) measured = *note;
  message["files"] = json::intOr(measured, "entries", 0);
  message["bytes"] = json::intOr(measured, "bytes", 0);
  return message;
}

void RestoreRunner::settled(const std::string& id) { removeResticRun(identity_, id); }

}  // namespace sp::agent
