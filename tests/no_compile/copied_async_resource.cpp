// expect: AsyncResource(const
#include <weft/ctx/async_resource.h>

// Hooks know a resource by its address and its id: a copy would have neither.
weft::AsyncResource copy_of(const weft::AsyncResource& resource) {
  return resource;
}
