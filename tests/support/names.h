// Names which the tests look up, so that none asks a name server.
//
// names.cpp stands before the system's getaddrinfo and getnameinfo in programs that use it:
//   two.test     127.0.0.2, 127.0.0.1
//   mixed.test   127.0.0.1, 127.0.0.2, ::1
//   slow.test    127.0.0.1, once it may end
//   nobody.test  does not exist
//   127.0.0.7    is called 127.0.0.7; 127.0.0.8 the same, once it may end
//   127.0.0.9    has no name
// Others are what the system says.
#pragma once

namespace weft::test {

// Lets the lookup that is or will be the next of a slow name end.
void let_slow_lookup_end();
// Blocks until one has begun, each of them once.
void wait_for_slow_lookup();
// What the last lookup asked for: AI_ADDRCONFIG and the like.
int flags_of_last_lookup();

}  // namespace weft::test
