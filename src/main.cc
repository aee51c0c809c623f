#include <cstdio>

#include "agent/agent.h"

int main(int argc, char** argv) {
  // Before anything else: these are started often and must be quick.
  if (const auto code = sp::agent::internalVerb(argc, argv)) return *code;
  std::fputs("stillpoint\n", stderr);
  return 0;
}
