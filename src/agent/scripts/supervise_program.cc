// The supervisor's program, put into this one by the assembler: the build makes it first (CMakeLists.txt names its file).
#include "agent/scripts/supervisor.h"

asm(R"(
  .section .rodata
  .global sp_supervise_begin
  .global sp_supervise_end
sp_supervise_begin:
  .incbin ")" SP_SUPERVISE_PROGRAM R"("
sp_supervise_end:
  .byte 0
  .previous
)");

extern "C" const char sp_supervise_begin[];
extern "C" const char sp_supervise_end[];

namespace sp::agent {

const std::string_view kSuperviseProgram(sp_supervise_begin, static_cast<std::size_t>(sp_supervise_end - sp_supervise_begin));

}  // namespace sp::agent
