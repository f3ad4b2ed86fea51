#include <algorithm>
#include <netdb.h>
#include <utility>

#include <weft/ctx/error.h>
#include <weft/io/detail/name_work.h>
#include <weft/io/dns.h>
#include <weft/runtime/detail/check.h>

namespace weft::detail {
namespace {

int family_of(io::LookupFamily family) noexcept {
  switch (family) {
    case io::LookupFamily::kIpv4:
      return AF_INET;
    case io::LookupFamily::kIpv6:
      return AF_INET6;
    case io::LookupFamily::kAny:
      break;
  }
  return AF_UNSPEC;
}

void sort(Addresses& addresses, io::LookupOrder order) {
  if (order == io::LookupOrder::kVerbatim) return;
  const bool ipv6_first = order == io::LookupOrder::kIpv6First;
  std::stable_partition(
      addresses.begin(), addresses.end(),
      [ipv6_first](const io::Address& address) { return address.is_ipv6() == ipv6_first; });
}

class HostLookup final : public Lookup {
 public:
  explicit HostLookup(LookupRequest request)
      : Lookup("GETADDRINFOREQWRAP", {.trigger = request.trigger}, std::move(request.doing)),
        host_(std::move(request.host)),
        options_(request.options) {}

 private:
  struct Answer {
    uv_getaddrinfo_t request;
    ~Answer() { uv_freeaddrinfo(request.addrinfo); }
  };

  int ask(uv_loop_t& loop, Addresses& addresses) override {
    Answer answer{};
    addrinfo hints{};
    hints.ai_family = family_of(options_.family);
    hints.ai_socktype = SOCK_STREAM;  // any: else each address comes once a kind of socket
    if (options_.addrconfig) hints.ai_flags |= AI_ADDRCONFIG;
    if (options_.v4mapped) hints.ai_flags |= AI_V4MAPPED;
    const int code =
        uv_getaddrinfo(&loop, &answer.request, nullptr, host_.c_str(), nullptr, &hints);
    if (code < 0) return code;
    for (const addrinfo* at = answer.request.addrinfo; at != nullptr; at = at->ai_next) {
      if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
      addresses.push_back(io::Address::from_raw(at->ai_addr).with_port(options_.port));
    }
    sort(addresses, options_.order);
    return addresses.empty() ? UV_EAI_NODATA : 0;
  }

  std::string host_;
  io::LookupOptions options_;
};

class ServiceLookup final : public NameWork<io::ServiceName> {
 public:
  explicit ServiceLookup(const io::Address& address)
      : NameWork("GETNAMEINFOREQWRAP", {}, "lookup_service " + address.to_string()),
        address_(address) {}

 private:
  int ask(uv_loop_t& loop, io::ServiceName& name) override {
    uv_getnameinfo_t request{};
    const int code = uv_getnameinfo(&loop, &request, nullptr, address_.raw(), NI_NAMEREQD);
    if (code < 0) return code;
    name = {request.host, request.service};
    return 0;
  }

  io::Address address_;
};

// The leaf of both styles. `running` is where the work is once it has started.
std::optional<Result<Addresses>> look_up(std::string_view host, const io::LookupOptions& options,
                                         Done<Addresses> done, Lookup** running = nullptr) {
  check_host("lookup", host);
  if (const auto address = io::Address::try_parse(host, options.port)) {
    return Result<Addresses>(Addresses{*address});
  }
  auto work = make_lookup({std::string(host), options, "lookup " + std::string(host)});
  if (running != nullptr) *running = work.get();
  return Lookup::start(std::move(work), done);
}

// The callback form of a leaf: a result that was there at once comes on the next tick.
template <typename T, typename Leaf>
void start_name_leaf(const char* what, Callback<T> done, Leaf&& leaf) {
  require_callback(done, what);
  EventLoop& loop = EventLoop::current(what);
  auto at_once = leaf(Done<T>(done));
  if (!at_once) return;
  complete_soon<T>(loop, execution_async_id(), std::move(done), *std::move(at_once));
}

}  // namespace

void check_host(const char* what, std::string_view host) {
  if (host.find('\0') == host.npos) return;
  throw UsageError(std::string(what) + ": the host has a null character in it");
}

std::unique_ptr<Lookup> make_lookup(LookupRequest request) {
  return std::make_unique<HostLookup>(std::move(request));
}

}  // namespace weft::detail

namespace weft::io {

using weft::detail::Addresses;
using weft::detail::await_leaf;
using weft::detail::Done;
using weft::detail::start_name_leaf;

std::vector<Address> lookup_all(std::string_view host, const LookupOptions& options) {
  weft::detail::Lookup* running = nullptr;
  return await_leaf<Addresses>(
      "lookup",
      [&](Done<Addresses> done) { return weft::detail::look_up(host, options, done, &running); },
      [&] { running->cancel(); });
}
void lookup_all(std::string_view host, const LookupOptions& options,
                Callback<std::vector<Address>> done) {
  start_name_leaf("lookup", std::move(done), [&](Done<Addresses> taken) {
    return weft::detail::look_up(host, options, taken);
  });
}
void lookup_all(std::string_view host, Callback<std::vector<Address>> done) {
  lookup_all(host, {}, std::move(done));
}

Address lookup(std::string_view host, const LookupOptions& options) {
  return lookup_all(host, options).front();
}
void lookup(std::string_view host, const LookupOptions& options, Callback<Address> done) {
  weft::detail::require_callback(done, "lookup");
  lookup_all(host, options, [done = std::move(done)](Result<Addresses> all) mutable {
    all ? done(all->front()) : done(all.failure());
  });
}
void lookup(std::string_view host, Callback<Address> done) {
  lookup(host, {}, std::move(done));
}

ServiceName lookup_service(const Address& address) {
  weft::detail::ServiceLookup* running = nullptr;
  return await_leaf<ServiceName>(
      "lookup_service",
      [&](Done<ServiceName> done) {
        auto work = std::make_unique<weft::detail::ServiceLookup>(address);
        running = work.get();
        return weft::detail::ServiceLookup::start(std::move(work), done);
      },
      [&] { running->cancel(); });
}
void lookup_service(const Address& address, Callback<ServiceName> done) {
  start_name_leaf("lookup_service", std::move(done), [&](Done<ServiceName> taken) {
    return weft::detail::ServiceLookup::start(
        std::make_unique<weft::detail::ServiceLookup>(address), taken);
  });
}

}  // namespace weft::io
