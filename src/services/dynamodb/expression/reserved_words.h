// Words that cannot name an attribute in an expression without a placeholder.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
#pragma once
#include <string_view>

namespace sp::dynamodb {

/// In any case of letters.
bool isReservedWord(std::string_view name);

}  // namespace sp::dynamodb
