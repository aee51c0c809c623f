#include <cstdio>

int main() {
  std::fputs("stillpoint\n", stderr);
  return 0;
}
