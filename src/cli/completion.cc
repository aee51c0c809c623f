#include <fmt/format.h>

#include "cli/verbs/verbs.h"

namespace sp::cli {
namespace {

// Both scripts ask the program itself for the words of a verb: `--help` lists them, so completion never lags behind.
constexpr const char* kBash = R"sh(# bash completion for stillpoint
_stillpoint() {
  local cur=${COMP_WORDS[COMP_CWORD]} words=() i
  for ((i = 1; i < COMP_CWORD; i++)); do [[ ${COMP_WORDS[i]} == -* ]] || words+=("${COMP_WORDS[i]}"); done
  [[ ${words[0]} == aws ]] && return
  local candidates
  candidates=$(stillpoint "${words[@]}" --help 2>/dev/null |
    awk 'function put(w) {if (!told[w]++) print w}
      /^[A-Z]/ {part = $1; next}
      part == "Subcommands:" && /^  [a-z]/ {put($1)}
      part == "Positionals:" && $2 ~ /^[A-Z]+:\{.*\}/ {gsub(/^[A-Z]+:\{|\}.*/, "", $2); n = split($2, a, ","); for (i = 1; i <= n; i++) put(a[i])}
      /^  -/ {n = split($1, a, ","); for (i = 1; i <= n; i++) if (a[i] ~ /^--/) put(a[i])}')
  mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
  [[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}
complete -o filenames -F _stillpoint stillpoint
)sh";

constexpr const char* kZsh = R"sh(#compdef stillpoint
_stillpoint() {
  local -a typed candidates
  typed=(${${words[2,CURRENT-1]}:#-*})
  [[ ${typed[1]} == aws ]] && { _default; return }
  candidates=(${(f)"$(stillpoint $typed --help 2>/dev/null |
    awk 'function put(w) {if (!told[w]++) print w}
      /^[A-Z]/ {part = $1; next}
      part == "Subcommands:" && /^  [a-z]/ {put($1)}
      part == "Positionals:" && $2 ~ /^[A-Z]+:\{.*\}/ {gsub(/^[A-Z]+:\{|\}.*/, "", $2); n = split($2, a, ","); for (i = 1; i <= n; i++) put(a[i])}
      /^  -/ {n = split($1, a, ","); for (i = 1; i <= n; i++) if (a[i] ~ /^--/) put(a[i])}')"})
  compadd -- $candidates || _files
}
_stillpoint "$@"
)sh";

}  // namespace

int completionVerb(const std::string& shell) {
  fmt::print("{}", shell == "zsh" ? kZsh : kBash);
  return 0;
}

}  // namespace sp::cli
