// Schedules and groups as records: JSON objects whose members are spelled as in Scheduler's API; those in lower case are our own.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "schedule/ran.h"
#include "schedule/recurrence.h"
#include "services/events/records.h"

namespace sp::services::scheduler {

using events::Checked;
using events::decode;
using events::invalid;
using events::readText;

inline constexpr std::string_view kSchedule = "schedule";
inline constexpr std::string_view kGroup = "schedule_group";
/// How many schedules there are, under the key "all".
inline constexpr std::string_view kCount = "schedule_count";
/// Answers that a repeated delete is given again, by its ClientToken, for a day; timers of the same kind and id end them.
inline constexpr std::string_view kToken = "schedule_token";
/// Timer by which a schedule (id: its key, payload: the time that is due, in microseconds) comes.
inline constexpr std::string_view kTimer = "schedule";
/// Timer by which the deletion of a group (id) goes on.
inline constexpr std::string_view kDeleting = "schedule_group";
/// Timer by which schedules are armed anew after the clock was put back (payload: by how much, and the key that was done last).
inline constexpr std::string_view kClockTimer = "schedule_clock";
inline constexpr std::string_view kDefaultGroup = "default";
inline constexpr std::uint64_t kSchedules = 1'000'000;
inline constexpr std::size_t kGroups = 500;

/// In a form in which no name is the beginning of another's.
std::string scheduleKey(std::string_view group, std::string_view name);
std::string scheduleArn(const Realm& realm, std::string_view group, std::string_view name);
std::string groupArn(const Realm& realm, std::string_view name);

/// ResourceNotFoundException.
Checked<json::Object> findGroup(store::Txn& txn, std::string_view name);
/// ResourceNotFoundException, of the group or the schedule.
Checked<json::Object> findSchedule(store::Txn& txn, std::string_view group, std::string_view name);
void saveGroup(store::Txn& txn, const json::Object& group);
void saveSchedule(store::Txn& txn, const json::Object& schedule);
std::uint64_t countOf(store::Txn& txn);
void saveCount(store::Txn& txn, std::uint64_t count);

/// Which of its times have run.
schedule::Ran ranOf(const json::Object& schedule);
/// The times of a record; an error if this version cannot read them.
Result<schedule::Recurrence> recurrenceOf(const json::Object& schedule);
std::chrono::minutes windowOf(const json::Object& schedule);
/// A member of our own in microseconds; nullopt: it is not there.
std::optional<Instant> momentOf(const json::Object& record, std::string_view key);

/// [0-9a-zA-Z-_.]+ of at most 64 characters; empty if it may be and is not given.
Checked<std::string> readName(const json::Object& input, std::string_view key, bool required);
/// GroupName; "default" when absent.
Checked<std::string> readGroup(const json::Object& input);
/// ClientToken; empty when absent.
Checked<std::string> readToken(const json::Object& input);
/// Seconds since 1970, or ISO 8601 as tasks of state machines write it.
Checked<std::optional<Instant>> readMoment(const json::Object& input, std::string_view key);
/// Tags ([{Key, Value}]) added to `tags`.
Checked<void> readTags(const json::Object& input, json::Object& tags);

/// MaxResults and NextToken of a listing.
Checked<events::Page> readPage(const json::Object& input, std::string bound_to);

/// What a request asks for, whatever its token: a second one with the same token must ask for the same.
std::string askedBy(const json::Object& input);

}  // namespace sp::services::scheduler
