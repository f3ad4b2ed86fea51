#include <arpa/inet.h>
#include <atomic>
#include <dlfcn.h>
#include <initializer_list>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore>
#include <string_view>

#include <weft/tests/support/names.h>

namespace weft::test {
namespace {

std::counting_semaphore<> has_begun{0};
std::counting_semaphore<> may_end{0};
std::atomic<int> last_flags{0};

void be_slow() {
  has_begun.release();
  may_end.acquire();
}

// Chains what the system says of each of `addresses`.
int answer(std::initializer_list<const char*> addresses, const char* service, const addrinfo* hints,
           addrinfo** found) {
  static const auto real =
      reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  last_flags = hints == nullptr ? 0 : hints->ai_flags;
  addrinfo** end = found;
  int code = EAI_NONAME;
  for (const char* const address : addresses) {
    const int said = real(address, service, hints, end);
    if (said != 0) continue;  // of a family that is not asked for
    code = 0;
    while (*end != nullptr) end = &(*end)->ai_next;
  }
  return code;
}

}  // namespace

void let_slow_lookup_end() {
  may_end.release();
}
void wait_for_slow_lookup() {
  has_begun.acquire();
}
int flags_of_last_lookup() {
  return last_flags;
}

}  // namespace weft::test

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** found) {
  const std::string_view wanted = name == nullptr ? "" : name;
  if (wanted == "nobody.test") return EAI_NONAME;
  if (wanted == "two.test") {
    return weft::test::answer({"127.0.0.2", "127.0.0.1"}, service, hints, found);
  }
  if (wanted == "mixed.test") {
    return weft::test::answer({"127.0.0.1", "127.0.0.2", "::1"}, service, hints, found);
  }
  if (wanted == "slow.test") {
    weft::test::be_slow();
    return weft::test::answer({"127.0.0.1"}, service, hints, found);
  }
  return weft::test::answer({name}, service, hints, found);
}

extern "C" int getnameinfo(const sockaddr* address, socklen_t length, char* host,
                           socklen_t host_bytes, char* service, socklen_t service_bytes,
                           int flags) {
  static const auto real =
      reinterpret_cast<decltype(&::getnameinfo)>(::dlsym(RTLD_NEXT, "getnameinfo"));
  if (address->sa_family == AF_INET) {
    const auto ip = ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
    if (ip == 0x7f00'0009) return EAI_NONAME;
    if (ip == 0x7f00'0008) weft::test::be_slow();
    if (ip == 0x7f00'0008 || ip == 0x7f00'0007) flags = NI_NUMERICHOST;
  }
  return real(address, length, host, host_bytes, service, service_bytes, flags);
}
