#include "asl/fields.h"

#include <array>
#include <cmath>

#include "asl/definition.h"
#include "json/big_integer.h"

namespace sp::asl {
namespace {

using enum FieldKind;
using enum Refused;

template <class... Types>
constexpr std::uint32_t of(Types... types) {
  return ((1U << static_cast<std::uint32_t>(types)) | ...);
}
constexpr auto kEvery = ~0U;
constexpr auto kPass = of(StateType::pass);
constexpr auto kTask = of(StateType::task);
constexpr auto kChoice = of(StateType::choice);
constexpr auto kWait = of(StateType::wait);
constexpr auto kFail = of(StateType::fail);
constexpr auto kParallel = of(StateType::parallel);
constexpr auto kMap = of(StateType::map);
// States that do something that may fail.
constexpr auto kWork = kTask | kParallel | kMap;
constexpr auto kGoesOn = kPass | kWork | kWait;

constexpr std::array kMachineFields = {Field{"Comment", text, of_new}, Field{"StartAt", text},           Field{"States", object},
                                       Field{"Version", text, of_new}, Field{"TimeoutSeconds", integer}, Field{"QueryLanguage", text}};

constexpr std::array kStateFields = {Field{"Type", text},
                                     Field{"Comment", text, of_new},
                                     Field{"QueryLanguage", text},
                                     Field{"InputPath", path, always, kEvery & ~kFail},
                                     Field{"OutputPath", path, always, kEvery & ~kFail},
                                     Field{"Next", text, always, kGoesOn},
                                     Field{"End", boolean, always, kGoesOn},
                                     Field{"Result", any, always, kPass},
                                     Field{"ResultPath", path, always, kPass | kWork},
                                     Field{"Parameters", object, of_new, kPass | kWork},
                                     Field{"ResultSelector", object, of_new, kWork},
                                     Field{"Retry", array, always, kWork},
                                     Field{"Catch", array, always, kWork},
                                     Field{"Resource", text, always, kTask},
                                     Field{"TimeoutSeconds", integer, always, kTask},
                                     Field{"TimeoutSecondsPath", text, always, kTask},
                                     Field{"HeartbeatSeconds", integer, always, kTask},
                                     Field{"HeartbeatSecondsPath", text, always, kTask},
                                     Field{"Credentials", object, always, kTask},
                                     Field{"Choices", array, always, kChoice},
                                     Field{"Default", text, always, kChoice},
                                     Field{"Seconds", integer, always, kWait},
                                     Field{"SecondsPath", text, always, kWait},
                                     Field{"Timestamp", text, always, kWait},
                                     Field{"TimestampPath", text, always, kWait},
                                     Field{"Error", text, always, kFail},
                                     Field{"ErrorPath", text, always, kFail},
                                     Field{"Cause", text, always, kFail},
                                     Field{"CausePath", text, always, kFail},
                                     Field{"Branches", array, always, kParallel},
                                     Field{"ItemsPath", text, always, kMap},
                                     Field{"ItemSelector", object, of_new, kMap},
                                     Field{"Iterator", object, always, kMap},
                                     Field{"ItemProcessor", object, always, kMap},
                                     Field{"MaxConcurrency", integer, always, kMap},
                                     Field{"MaxConcurrencyPath", text, always, kMap},
                                     Field{"ToleratedFailureCount", integer, always, kMap},
                                     Field{"ToleratedFailureCountPath", text, always, kMap},
                                     Field{"ToleratedFailurePercentage", number, always, kMap},
                                     Field{"ToleratedFailurePercentagePath", text, always, kMap}};

constexpr std::array kBranchFields = {Field{"StartAt", text}, Field{"States", object}, Field{"Comment", text, of_new}};
constexpr std::array kProcessorFields = {Field{"StartAt", text}, Field{"States", object}, Field{"Comment", text, of_new},
                                         Field{"ProcessorConfig", object}};
constexpr std::array kProcessorConfigFields = {Field{"Mode", text}, Field{"ExecutionType", text, of_new}};
constexpr std::array kRetrierFields = {Field{"ErrorEquals", array},   Field{"IntervalSeconds", integer}, Field{"MaxAttempts", integer},
                                       Field{"BackoffRate", number},  Field{"MaxDelaySeconds", integer}, Field{"JitterStrategy", text},
                                       Field{"Comment", text, of_new}};
constexpr std::array kCatcherFields = {Field{"ErrorEquals", array}, Field{"Next", text}, Field{"ResultPath", path},
                                       Field{"Comment", text, of_new}};
// What RoleArn.$ computes is told as in payloads.
constexpr std::array kCredentialsFields = {Field{"RoleArn", text}, Field{"RoleArn.$", any}};
// The four kinds of rules, and behind them the same of rules within rules.
template <class... Kinds>
constexpr std::uint32_t rules(Kinds... kinds) {
  return of(kinds...) | (of(kinds...) << kKindsOfRules);
}
using Rule = ChoiceRule::Kind;
constexpr std::array kRuleFields = {Field{"And", array, always, rules(Rule::all)},
                                    Field{"Or", array, always, rules(Rule::any)},
                                    Field{"Not", object, always, rules(Rule::no)},
                                    Field{"Variable", text, always, rules(Rule::test)},
                                    Field{"Next", text, always, of(Rule::all, Rule::any, Rule::no, Rule::test)},
                                    Field{"Comment", text, of_new}};

}  // namespace

namespace fields {
const std::span<const Field> kMachine = kMachineFields;
const std::span<const Field> kState = kStateFields;
const std::span<const Field> kBranch = kBranchFields;
const std::span<const Field> kProcessor = kProcessorFields;
const std::span<const Field> kProcessorConfig = kProcessorConfigFields;
const std::span<const Field> kRetrier = kRetrierFields;
const std::span<const Field> kCatcher = kCatcherFields;
const std::span<const Field> kCredentials = kCredentialsFields;
const std::span<const Field> kRule = kRuleFields;
}  // namespace fields

std::string_view kindName(FieldKind kind) {
  constexpr std::array<std::string_view, 8> kNames = {"Any", "String", "String", "Integer", "Number", "Boolean", "Object", "Array"};
  return kNames.at(static_cast<std::size_t>(kind));
}

bool isOfKind(FieldKind kind, const json::Value& value) {
  switch (kind) {
    case any: return true;
    case text: return json::isText(value);
    case path: return value.is_null() || json::isText(value);
    case integer: {
      const auto given = json::numberOf(value);
      return given && std::floor(*given) == *given;
    }
    case number: return json::isNumber(value);
    case boolean: return value.is_bool();
    case object: return value.is_object();
    case array: return value.is_array();
  }
  return false;
}

const json::Value* typed(const json::Object& source, std::string_view field, FieldKind kind) {
  const auto* value = json::find(source, field);
  return value != nullptr && isOfKind(kind, *value) ? value : nullptr;
}

}  // namespace sp::asl
