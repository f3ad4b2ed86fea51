// StackContext: a stack that is not running, or the place to put the running one.
#pragma once

#include <cstddef>

namespace weft::detail {

struct Execution;

// The per-thread exception state of the C++ runtime (Itanium ABI, 2.2.2).
struct ExceptionState {
  void* caught = nullptr;
  unsigned int uncaught = 0;
  unsigned int padding = 0;  // copied along: 16 bytes move in one instruction
};

struct StackContext {
  void* registers = nullptr;       // boost's fcontext: the saved stack pointer
  ExceptionState exceptions;       // while not running
  Execution* execution = nullptr;  // this stack's, always
  // For the sanitizers; unused otherwise.
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  std::size_t size = 0;
  void* tsan_fiber = nullptr;
};

}  // namespace weft::detail
