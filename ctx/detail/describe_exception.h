// describe_exception: one line for an error report, of any thrown type.
#pragma once

#include <exception>
#include <string>
#include <typeinfo>

namespace weft::detail {

// Context: inside a catch block. what() of a std::exception; else the type's name.
std::string describe_current_exception();
std::string describe_exception(const std::exception_ptr& error);

// As a person writes it; null is "an unknown type".
std::string type_name(const std::type_info* type);

}  // namespace weft::detail
