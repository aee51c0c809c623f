#include "services/events/events.h"

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <unordered_map>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/time_format.h"
#include "schedule/expression.h"
#include "schedule/pattern.h"
#include "schedule/rule_index.h"
#include "services/events/operations.h"
#include "services/events/queue.h"
#include "services/ran_record.h"

namespace sp::services::events {
namespace {

constexpr std::string_view kTimer = "event_rule";
/// By the rule's key: which of its times have run.
constexpr std::string_view kRan = "event_rule_ran";
// Of one commit: so much that a disk's fsync is well used, so little that nobody waits long behind it.
constexpr std::size_t kBatch = 64;
constexpr std::size_t kBatchBytes = std::size_t{1} << 20;
constexpr std::size_t kBatchDeliveries = 512;
/// Of an event's record; no rule is given them. "after" and "place": it has been through the rules up to that one, and made so many
/// deliveries.
constexpr std::array<const char*, 6> kOwnMembers = {"bus", "rule", "hops", "root", "after", "place"};

}  // namespace

/// The rules of one bus that are enabled, as they are matched.
struct Events::Compiled {
  struct Rule {
    std::string key;
    json::Object record;
    std::optional<schedule::Pattern> pattern;
    /// What its pattern asks the detail-type to be one of; empty: anything.
    std::vector<std::string> types;
  };
  std::vector<Rule> rules;
  /// Of those that have a pattern, and where they stand among the rules.
  schedule::RuleIndex index;
  std::vector<std::size_t> indexed;
  /// Places by a rule's key.
  std::unordered_map<std::string, std::size_t> places;
  /// For what has no event yet: by the source that their pattern asks for, and the others.
  std::unordered_map<std::string, std::vector<std::size_t>> by_source;
  std::vector<std::size_t> of_any_source;

  /// Calls `visit` with each rule that may want events of the source; true as soon as it says so.
  bool anyOf(const std::string& source, const std::function<bool(const Rule&)>& visit) const {
    const auto ask = [&](std::size_t i) { return visit(rules[i]); };
    const auto found = by_source.find(source);
    return (found != by_source.end() && std::ranges::any_of(found->second, ask)) || std::ranges::any_of(of_any_source, ask);
  }

  /// Rules whose pattern matches the event, in the order of their keys.
  std::vector<const Rule*> matching(const json::Object& event) const {
    std::vector<const Rule*> out;
    for (const auto position : index.candidates(event)) {
      const auto& rule = rules[indexed[position]];
      if (rule.pattern->matches(event)) out.push_back(&rule);
    }
    return out;
  }
};

Events::Events(Context& context, delivery::Deliveries& deliveries)
    : context_(context), deliveries_(deliveries), hooks_(context, deliveries, inputOf) {
  context_.core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer& timer) { due(txn, timer); });
  context_.core.onDatesSet(clockSet);
  deliveries_.add("", *this);
  deliveries_.whenIdle([this](store::Txn& txn) { return routeSome(txn); });
}

aws::ServiceTable Events::makeEvents() {
  aws::ServiceTable table{"events", aws::Protocol::json11, "AWSEvents", "", {}};
  for (auto operations : {busOperations(), ruleOperations(*this), targetOperations(*this), tagOperations(*this),
                          connectionOperations(hooks_, context_), destinationOperations(hooks_, context_)})
    std::ranges::move(operations, std::back_inserter(table.operations));
  table.operations.push_back(row("PutEvents", [this](const aws::Call& call) -> aws::Outcome {
    const auto* entries = json::find(call.input, "Entries");
    if (entries == nullptr || !entries->is_array()) return invalid("Entries", "null", "not be null");
    return putEvents(*call.txn, entries->get_array(), {});
  }));
  return table;
}

void Events::attach(runtime::Executions& executions) {
  executions.onEnd([](store::Txn& txn, const store::ExecutionRow& row) { Chains::forget(txn, row.arn); });
}

void Events::recover(store::Txn& txn) {
  if (!txn.records().get(kBus, kDefaultBus))
    saveBus(txn, {{"Name", kDefaultBus}, {"Arn", busArn(context_.realm, kDefaultBus)}, {"tags", json::Object()}});
  hooks_.recover(txn);
  deliveries_.recover(txn);
}

void Events::ruleChanged(store::Txn& txn, const json::Object& rule, bool removed) {
  const auto bus = json::textOr(rule, "EventBusName");
  // What the store undoes must not stay in memory.
  compiled_.erase(bus);
  unsettled_[bus] = txn.now();
  txn.afterCommit([this, bus] { unsettled_.erase(bus); });
  const auto key = ruleKey(bus, json::textOr(rule, "Name"));
  const auto come = comeTimer(txn, kTimer, key);
  const bool enabled = !removed && json::textOr(rule, "State") == "ENABLED";
  if (!enabled || !come || come->payload != json::textOr(rule, "ScheduleExpression")) txn.timers().drop(kTimer, key);
  if (removed) txn.records().erase(kRan, key);
  else arm(txn, key, rule);
}

void Events::arm(store::Txn& txn, const std::string& key, const json::Object& rule) {
  const auto text = json::textOr(rule, "ScheduleExpression");
  if (json::textOr(rule, "State") != "ENABLED" || text.empty() || comeTimer(txn, kTimer, key)) return;
  const auto expression = schedule::Expression::parse(text);
  if (!expression) return;
  const auto anchor = fromMicros(json::intOr(rule, "anchor", 0));
  const auto ran = readRan(txn, kRan, key, text);
  const auto next = ran.next([&](Instant after) { return expression->next(anchor, after); }, txn.now());
  if (next) txn.timers().set({std::string(kTimer), key, *next, text});
}

void Events::clockSet(store::Txn& txn, Duration by) {
  if (by >= Duration(0)) return;
  // Only the default bus has rules by schedule.
  for (const auto& record : txn.records().scan(kRule, ruleKey(kDefaultBus, ""), "", kRulesOfABus)) {
    auto rule = decode(record.body);
    if (json::textOr(rule, "ScheduleExpression").empty()) continue;
    // A rate that begins in the future would not run until then.
    if (const auto anchor = fromMicros(json::intOr(rule, "anchor", 0)); anchor > txn.now()) {
      rule["anchor"] = toMicros(anchor + by);
      saveRule(txn, rule);
    }
    if (-by > schedule::kOtherDates) txn.records().erase(kRan, record.key);
    arm(txn, record.key, rule);
  }
}

std::shared_ptr<const Events::Compiled> Events::compiled(store::Txn& txn, const std::string& bus) {
  // The batch that changed them is over, and has failed if it is still told here.
  if (const auto changed = unsettled_.find(bus); changed != unsettled_.end()) {
    if (changed->second == txn.now()) return compile(txn, bus);
    unsettled_.erase(changed);
  }
  auto& slot = compiled_[bus];
  if (!slot) slot = compile(txn, bus);
  return slot;
}

std::shared_ptr<const Events::Compiled> Events::compile(store::Txn& txn, const std::string& bus) const {
  auto made = std::make_shared<Compiled>();
  for (const auto& record : txn.records().scan(kRule, ruleKey(bus, ""), "", kRulesOfABus)) {
    Compiled::Rule rule{record.key, decode(record.body), std::nullopt, {}};
    if (json::textOr(rule.record, "State") != "ENABLED") continue;
    if (auto pattern = schedule::Pattern::parse(json::textOr(rule.record, "EventPattern"))) rule.pattern = std::move(*pattern);
    if (rule.pattern) rule.types = rule.pattern->exactTexts("detail-type");
    const auto index = made->rules.size();
    const auto sources = rule.pattern ? rule.pattern->exactTexts("source") : std::vector<std::string>();
    if (sources.empty()) made->of_any_source.push_back(index);
    for (const auto& source : sources) {
      auto& of_source = made->by_source[source];
      if (of_source.empty() || of_source.back() != index) of_source.push_back(index);
    }
    made->places.emplace(rule.key, index);
    made->rules.push_back(std::move(rule));
  }
  std::vector<const schedule::Pattern*> patterns;
  for (std::size_t i = 0; i < made->rules.size(); ++i) {
    if (!made->rules[i].pattern) continue;
    made->indexed.push_back(i);
    patterns.push_back(&*made->rules[i].pattern);
  }
  made->index = schedule::RuleIndex(patterns);
  return made;
}

bool Events::routeSome(store::Txn& txn) {
  counting_.reset();
  const auto waiting = txn.records().scan(kEvent, "", "", kBatch);
  std::size_t made = 0;
  std::size_t bytes = 0;
  for (const auto& record : waiting) {
    made += route(txn, record);
    bytes += record.body.size();
    if (made >= kBatchDeliveries || bytes >= kBatchBytes) break;
  }
  if (waiting.empty()) return true;
  deliveries_.wake(txn);
  return !failpoint::hit("events.routed");
}

// As many targets as one commit takes; an event that more rules want stays where it is, to go on behind the last that has it.
std::size_t Events::route(store::Txn& txn, const store::Record& record) {
  txn.records().erase(kEvent, record.key);
  auto event = decode(record.body);
  if (event.empty()) {
    log::error("an event cannot be read and is dropped", {{"key", record.key}});
    return 0;
  }
  const auto after = json::textOr(event, "after");
  auto place = json::intOr(event, "place", 0);
  const auto bus = json::textOr(event, "bus", kDefaultBus);
  const auto scheduled_for = json::textOr(event, "rule");
  const auto hops = json::intOr(event, "hops", 0);
  const auto root = json::textOr(event, "root", json::textOr(event, "id"));
  for (const auto* own : kOwnMembers) event.erase(own);
  const auto rules = compiled(txn, bus);
  auto wanting = rules->matching(event);
  // A rule by schedule may have a pattern too, which may want the event of its schedule.
  if (const auto scheduled = rules->places.find(scheduled_for); scheduled != rules->places.end()) {
    const auto* rule = &rules->rules[scheduled->second];
    if (const auto there = std::ranges::lower_bound(wanting, rule->key, {}, &Compiled::Rule::key); there == wanting.end() || *there != rule)
      wanting.insert(there, rule);
  }
  std::erase_if(wanting, [&](const auto* rule) { return rule->key <= after; });
  // Reports of a loop go further than the loop.
  const auto most = json::textOr(event, "source") == kOwnSource ? kMostHopsOfReports : kMostHops;
  std::vector<std::pair<const Compiled::Rule*, const json::Value*>> ways;
  std::string_view last;
  bool more = false;
  for (const auto* rule : wanting) {
    more = ways.size() >= kBatchDeliveries;
    if (more) break;
    last = rule->key;
    if (hops >= most) {
      log::warn("an event has set off events that set it off again: it is not delivered",
                {{"event", json::textOr(event, "id")}, {"rule", json::textOr(rule->record, "Arn")}, {"hops", hops}});
      if (hops < kMostHopsOfReports)
        report(txn, "Event Loop Stopped", {{"event-id", event.at("id")}, {"rule", rule->record.at("Arn")}, {"hops", hops}}, hops + 1);
      continue;
    }
    if (overrun(txn, {hops, root}, event, record.body.size(), rule->record)) continue;
    for (const auto& target : rule->record.at("targets").get_array()) ways.emplace_back(rule, &target);
  }
  const bool shared = delivery::SharedEvents::worthwhile(record.body.size(), ways.size());
  if (shared) delivery::SharedEvents::share(txn, record.key, json::toText(event), static_cast<std::int64_t>(ways.size()));
  for (const auto& [rule, target] : ways) {
    json::Object delivery{{"rule", rule->record.at("Arn")},
                          {"name", rule->record.at("Name")},
                          {"target", *target},
                          {"hops", hops},
                          {"root", root},
                          {"attempts", 0},
                          {"since", toMicros(txn.now())}};
    if (shared) delivery::SharedEvents::name(delivery, record.key, record.body.size());
    else delivery["event"] = event;
    deliveries_.put(txn, fmt::format("{}/{:06}", record.key, place++), delivery);
  }
  if (more) {
    auto rest = decode(record.body);
    rest["after"] = last;
    rest["place"] = place;
    txn.records().put(kEvent, record.key, json::toText(rest));
  }
  return ways.size();
}

// What an event sets off twice doubles with each hop, and 32 of them are no bound that a disk could hold.
bool Events::overrun(store::Txn& txn, const Chain& chain, const json::Object& event, std::size_t bytes, const json::Object& rule) {
  if (chain.hops == 0) return false;
  // A step that a full disk undoes is done again each second: it counts once.
  if (!counting_) {
    counting_ = std::make_shared<ChainCounts>(counts_);
    txn.afterCommit([this, counted = counting_] { counts_ = *counted; });
  }
  const auto verdict = counting_->count(chain.root, static_cast<std::int64_t>(bytes));
  const auto delivered = counting_->delivered(chain.root);
  if (verdict != ChainCounts::Verdict::stopped) return verdict == ChainCounts::Verdict::over;
  log::warn("events of one chain were delivered too often: no more of them are",
            {{"began", chain.root}, {"event", json::textOr(event, "id")}, {"rule", json::textOr(rule, "Arn")}, {"deliveries", delivered}});
  report(txn, "Event Loop Stopped",
         {{"event-id", event.at("id")}, {"rule", rule.at("Arn")}, {"hops", chain.hops}, {"deliveries", delivered}}, kMostHops);
  return true;
}

// A schedule's time has come, now or while the server was down.
void Events::due(store::Txn& txn, const store::Timer& timer) {
  const auto body = txn.records().get(kRule, timer.id);
  if (!body) return;
  const auto rule = decode(*body);
  const auto expression = schedule::Expression::parse(json::textOr(rule, "ScheduleExpression"));
  if (!expression || json::textOr(rule, "State") != "ENABLED") return;
  const auto arn = json::textOr(rule, "Arn");
  const auto anchor = fromMicros(json::intOr(rule, "anchor", 0));
  const auto text = json::textOr(rule, "ScheduleExpression");
  const schedule::NextTime times = [&](Instant after) { return expression->next(anchor, after); };
  auto ran = readRan(txn, kRan, timer.id, text);
  const auto caught = ran.catchUp(times, timer.due, txn.now());
  if (const auto next = caught ? caught->next : ran.next(times, timer.due)) txn.timers().set({std::string(kTimer), timer.id, *next, text});
  // The clock was put back before, and on again over times that it had shown.
  if (!caught) return;
  if (caught->missed > 0) {
    log::warn("runs of a schedule were missed; the latest is made up for",
              {{"rule", arn}, {"missed", static_cast<std::int64_t>(caught->missed)}, {"first", toIso8601Seconds(timer.due)}});
    report(
        txn, "Scheduled Runs Missed",
        {{"rule", arn}, {"missed", caught->missed}, {"first", toIso8601Seconds(timer.due)}, {"made-up-for", toIso8601Seconds(caught->run)}},
        0);
  }
  ran.add(times, caught->run);
  saveRan(txn, kRan, timer.id, text, ran);
  auto event = newEvent(txn, "aws.events", "Scheduled Event");
  event["time"] = toIso8601Seconds(caught->run);
  event["resources"] = json::Array{arn};
  event["rule"] = timer.id;
  keep(txn, std::move(event));
}

json::Object Events::newEvent(store::Txn& txn, std::string_view source, std::string_view type) {
  return {{"version", "0"},
          {"id", context_.random.uuid()},
          {"detail-type", type},
          {"source", source},
          {"account", context_.realm.account},
          {"time", toIso8601Seconds(txn.now())},
          {"region", context_.realm.region},
          {"resources", json::Array()},
          {"detail", json::Object()},
          {"bus", kDefaultBus}};
}

void Events::report(store::Txn& txn, std::string_view type, json::Object detail, std::int64_t hops) {
  auto event = newEvent(txn, kOwnSource, type);
  event["detail"] = std::move(detail);
  event["hops"] = hops;
  keep(txn, std::move(event));
}

void Events::show(store::Txn& txn, const json::Object& event) const {
  const auto bus = json::textOr(event, "bus", kDefaultBus);
  if (!followers_.any(bus)) return;
  auto shown = event;
  for (const auto* own : kOwnMembers) shown.erase(own);
  auto wanting = followers_.wanting(bus, shown);
  if (wanting.empty()) return;
  txn.afterCommit([wanting = std::move(wanting), text = std::make_shared<const std::string>(json::toText(shown))] {
    for (const auto& each : wanting) each->offer(text);
  });
}

Result<std::shared_ptr<Follower>> Events::follow(store::Txn& txn, const std::string& bus, std::string_view pattern) {
  if (!txn.records().get(kBus, bus)) return fail("events.unknown", fmt::format("Event bus {} does not exist.", bus));
  if (pattern.empty()) return followers_.follow(bus, std::nullopt);
  SP_TRY(auto parsed, schedule::Pattern::parse(pattern));
  return followers_.follow(bus, std::move(parsed));
}

bool Events::wanted(store::Txn& txn, std::string_view source, std::string_view type) {
  return followers_.any(kDefaultBus) ||
         compiled(txn, std::string(kDefaultBus))->anyOf(std::string(source), [&](const Compiled::Rule& rule) {
           return rule.pattern && (rule.types.empty() || std::ranges::find(rule.types, type) != rule.types.end());
         });
}

void Events::tell(store::Txn& txn, std::string_view source, std::string_view type, const std::vector<std::string>& resources,
                  json::Object detail, const Chain& chain) {
  auto event = newEvent(txn, source, type);
  event["resources"] = json::Array(resources.begin(), resources.end());
  event["detail"] = std::move(detail);
  if (compiled(txn, std::string(kDefaultBus))->matching(event).empty()) return show(txn, event);
  mark(event, chain);
  keep(txn, std::move(event));
}

}  // namespace sp::services::events
