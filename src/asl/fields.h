// Which members the objects of a definition have, and of what type each is. One table for all of them: a value of another type is
// told once, as that, wherever it stands.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "json/json.h"

namespace sp::asl {

/// What a member may be. `path` is a text or null; `any` is told of elsewhere, or may be all.
enum class FieldKind { any, text, path, integer, number, boolean, object, array };
/// "String", "Integer" …: as it is told.
std::string_view kindName(FieldKind kind);
bool isOfKind(FieldKind kind, const json::Value& value);
/// The member, if it is there and of that type.
const json::Value* typed(const json::Object& source, std::string_view field, FieldKind kind);

/// Since when values of another type are refused: definitions that were stored before go on.
enum class Refused { always, of_new };

struct Field {
  std::string_view name;
  FieldKind kind;
  Refused refused = Refused::always;
  /// Which types of objects have it, a bit each: of states 1 << StateType.
  std::uint32_t types = ~0U;
};
/// Of rules of Choice: 1 << ChoiceRule::Kind, and so many bits further left within other rules.
constexpr std::uint32_t kKindsOfRules = 4;

namespace fields {
extern const std::span<const Field> kMachine;
extern const std::span<const Field> kState;
extern const std::span<const Field> kBranch;
extern const std::span<const Field> kProcessor;
extern const std::span<const Field> kProcessorConfig;
extern const std::span<const Field> kRetrier;
extern const std::span<const Field> kCatcher;
extern const std::span<const Field> kCredentials;
/// Comparisons have operators besides.
extern const std::span<const Field> kRule;
}  // namespace fields

}  // namespace sp::asl
