// Says what keeps a text from being JSON, in the words that Step Functions answers with (its parser is Jackson): users' tests
// compare them.
#pragma once
#include <string>
#include <string_view>

namespace sp::json {

/// "Unexpected character ('x' (code 120)): was expecting comma to separate Object entries\n at [Source: (String)"…"; line: 1,
/// column: 7]". Empty if nothing is wrong with its grammar (it may be nested too deep or be no UTF-8 all the same).
std::string explainSyntax(std::string_view text);

}  // namespace sp::json
