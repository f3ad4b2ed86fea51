// describe_current_exception: one line for an error report, of any thrown type.
#pragma once

#include <exception>
#include <string>

namespace weft::detail {

// Context: inside a catch block. what() of a std::exception; else the type's name.
std::string describe_current_exception();
std::string describe_exception(const std::exception_ptr& error);

}  // namespace weft::detail
