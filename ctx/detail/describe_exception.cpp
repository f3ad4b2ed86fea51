#include <cstdlib>
#include <cxxabi.h>
#include <memory>

#include <weft/ctx/detail/describe_exception.h>

namespace weft::detail {

std::string type_name(const std::type_info* type) {
  if (type == nullptr) return "an unknown type";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : type->name();
}

std::string describe_current_exception() {
  const std::string type = type_name(abi::__cxa_current_exception_type());
  try {
    throw;
  } catch (const std::exception& error) {
    return std::string(error.what()) + " (" + type + ")";
  } catch (const std::string& text) {
    return "'" + text + "'";
  } catch (const char* text) {
    if (text == nullptr) return "a null pointer";  // `throw nullptr` arrives here
    return "'" + std::string(text) + "'";
  } catch (...) {
    return "an exception of type " + type;
  }
}

std::string describe_exception(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (...) {
    return describe_current_exception();
  }
}

}  // namespace weft::detail
