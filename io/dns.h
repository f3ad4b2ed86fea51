// Names: the addresses of a host, and the host of an address.
//
//   for (const io::Address& address : io::lookup_all("example.org", {.port = 443})) {
//     std::puts(address.to_string().c_str());
//   }
//
// The system answers (getaddrinfo, getnameinfo): /etc/hosts, then whatever it is set up
// to ask. That blocks, so it runs on Pool::dns(), whose threads nothing else needs: a
// slow name server holds up other lookups, but neither files nor offload(). TCP connects
// by name look it up in the same way.
//
// A lookup is a resource of Node's types GETADDRINFOREQWRAP and GETNAMEINFOREQWRAP.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weft/io/address.h>
#include <weft/runtime/await.h>

namespace weft::io {

enum class LookupFamily { kAny, kIpv4, kIpv6 };

enum class LookupOrder {
  kVerbatim,  // as the system sorts them (RFC 6724)
  kIpv4First,
  kIpv6First,
};

struct LookupOptions {
  LookupFamily family = LookupFamily::kAny;
  LookupOrder order = LookupOrder::kVerbatim;
  // Only addresses of families in which the machine has an address itself, beside its
  // loopback: AI_ADDRCONFIG.
  bool addrconfig = false;
  // With kIpv6, a host that has IPv4 addresses only gets them as ::ffff:1.2.3.4.
  bool v4mapped = false;
  // Of the addresses in the answer.
  std::uint16_t port = 0;
};

// All addresses of `host`, at least one. An IP address is its own answer.
//
// Context:  fiber; the form with `done`: loop thread
// Suspends: the form without `done`, unless `host` is an IP address.
// Errors:   uv_category()'s EAI_NONAME (no such name; an empty one), EAI_AGAIN (no name
//           server answers), EAI_NODATA ...; invalid_argument or filename_too_long for
//           what cannot be a name; resource_unavailable_try_again when the pool's queue
//           is full; too_many_files_open. UsageError for a null character in `host`.
// Cancel:   at once. The system's call cannot be stopped: one that runs ends unheard,
//           and run() does not wait for it. One that waits for a thread is not made.
// Source:   Node `dns.lookup` with `all`; uv_getaddrinfo. There family and hints of an
//           IP address mean nothing either.
std::vector<Address> lookup_all(std::string_view host, const LookupOptions& options = {});
void lookup_all(std::string_view host, Callback<std::vector<Address>> done);
void lookup_all(std::string_view host, const LookupOptions& options,
                Callback<std::vector<Address>> done);

// The first of them.
// Source: Node `dns.lookup`.
Address lookup(std::string_view host, const LookupOptions& options = {});
void lookup(std::string_view host, Callback<Address> done);
void lookup(std::string_view host, const LookupOptions& options, Callback<Address> done);

struct ServiceName {
  std::string host;     // "localhost"
  std::string service;  // "http"; the number in digits when it has no name
};

// The names of an address and its port.
//
// Suspends: the form without `done`, always.
// Errors:   EAI_NONAME (the address has no name), EAI_AGAIN ..., as lookup_all().
// Cancel:   as lookup_all().
// Source:   Node `dns.lookupService`; uv_getnameinfo with NI_NAMEREQD.
ServiceName lookup_service(const Address& address);
void lookup_service(const Address& address, Callback<ServiceName> done);

}  // namespace weft::io
