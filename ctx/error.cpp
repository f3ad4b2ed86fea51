#include <weft/ctx/error.h>

namespace weft {
namespace {

std::string missing_text(std::string_view name) {
  std::string text = "no value for AsyncLocal ";
  text += name.empty() ? std::string_view("(give it a name with .name)") : name;
  text += ": call this from inside run() or scope(), or from work started there;";
  text += " use get() where a value may be missing";
  return text;
}

}  // namespace

MissingContext::MissingContext(std::string_view local_name)
    : std::logic_error(missing_text(local_name)) {}

}  // namespace weft
