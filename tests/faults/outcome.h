// Outcome: what came of a run with a fault.
#pragma once

#include <exception>
#include <string>
#include <system_error>
#include <vector>

#include <weft/tests/faults/injector.h>

namespace weft::test {

enum class Effect {
  kNotReached,  // there was no such call this time
  kAbsorbed,    // the run ended as without the fault
  kDelivered,   // somebody was told the fault's error
  kIndirect,    // somebody was told of what it led to: a peer that is gone
  kWrong,
};

struct Outcome {
  Effect effect = Effect::kWrong;
  std::string complaints = {};  // a line each
};

// The error's code as it is told; none of a lookup's.
std::error_code code_of(const Fault& fault);

// What `errors`, which a run ended with, say of the fault.
Outcome judge(const Fault& fault, const std::vector<std::exception_ptr>& errors);

// Whether it is a lack, of descriptors, memory or room, or a broken device: such last.
bool may_last(const Fault& fault);

// Counts for the table that is printed when the program ends, if it is asked for.
void count(const Fault& fault, Effect effect);

// Whether WEFT_FAULTS holds the word.
bool is_asked_for(const char* word);

}  // namespace weft::test
