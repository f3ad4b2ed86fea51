// Rounds: measures several ways of doing one thing side by side.
//
//   bench::Rounds rounds(argc, argv);
//   rounds.compare("timer arm + cancel", "ns",
//                  {{"floor", "uv_timer", [](long n) { return bench::nanoseconds([&] { ... }); }},
//                   {"ours", "set_timeout", ...}});
//
// A side is a function that does `n` operations and returns what they cost
// together. Each side first finds the `n` that fills a round; then the rounds
// interleave (A B C A B C), because the machine drifts by more than what is to
// be told apart. A ratio is the median of the ratios within the rounds.
//
// Options: --rounds N, --round-ms MS, --what TEXT (comparisons whose name has
// it), --skip TEXT (those whose name begins with it are left out), --samples (one tab-separated
// line per side, for the driver), and
// --only WHAT/SIDE --iterations N (that side once with that n, nothing printed:
// what callgrind counts).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace bench {

// Makes the compiler believe that `value` is used and all memory is changed.
template <typename T>
inline void keep(T&& value) {
  asm volatile("" : : "g"(value) : "memory");
}

// Returns the wall time of `fn()` in nanoseconds.
template <typename F>
double nanoseconds(F&& fn) {
  const auto start = std::chrono::steady_clock::now();
  fn();
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count();
}

// Runs `fn` in a forked child, which starts with no warm pool and leaves no
// memory behind, and returns what `fn` hands to its argument. That call ends the
// child at once, wherever it is made: nothing is destroyed or woken any more.
inline double in_child(const std::function<void(const std::function<void(double)>&)>& fn) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child < 0) std::abort();
  if (child == 0) {
    fn([&ends](double result) {
      _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
    });
    _exit(1);
  }
  close(ends[1]);
  double result = -1;
  const bool answered = read(ends[0], &result, sizeof result) == sizeof result;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!answered || status != 0) {
    std::fprintf(stderr, "a measured child ended with status %d\n", status);
    std::exit(1);
  }
  return result;
}

struct Side {
  std::string role;  // floor, peer, ours; loop: what a side does besides, for --only
  std::string name;
  std::function<double(long)> cost;  // of n operations together
  long count = 0;                    // 0: as many as fill a round
};

class Rounds {
 public:
  Rounds(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string_view name = argv[i];
      if (name == "--samples") {
        samples_ = true;
      } else if (i + 1 == argc) {
        std::fprintf(stderr, "%s needs a value\n", argv[i]);
        std::exit(2);
      } else {
        set(name, argv[++i]);
      }
    }
  }

  // Measures `sides` of `what` and prints one line for each.
  void compare(const std::string& what, const std::string& unit, std::vector<Side> sides) {
    if (iterations_ > 0) return run_only(what, sides);
    if (what.find(what_) == std::string::npos) return;
    if (!skip_.empty() && what.starts_with(skip_)) return;
    std::erase_if(sides, [](const Side& side) { return side.role == "loop"; });
    std::vector<std::vector<double>> samples(sides.size());
    for (Side& side : sides) {
      if (side.count == 0) side.count = fill_round(side);
    }
    for (int round = 0; round < rounds_; ++round) {
      for (std::size_t i = 0; i < sides.size(); ++i) {
        samples[i].push_back(sides[i].cost(sides[i].count) / static_cast<double>(sides[i].count));
      }
    }
    for (std::size_t i = 0; i < sides.size(); ++i)
      print(what, unit, sides[i], samples[i], samples[0]);
    std::fflush(stdout);
  }

  // Returns the status for main to end with: 1 if --only named nothing.
  int status() const {
    if (iterations_ == 0 || ran_) return 0;
    std::fprintf(stderr, "there is no %s\n", only_.c_str());
    return 1;
  }

 private:
  void set(std::string_view name, const char* value) {
    if (name == "--rounds") {
      rounds_ = std::atoi(value);
    } else if (name == "--round-ms") {
      round_ms_ = std::atof(value);
    } else if (name == "--what") {
      what_ = value;
    } else if (name == "--skip") {
      skip_ = value;
    } else if (name == "--only") {
      only_ = value;
    } else if (name == "--iterations") {
      iterations_ = std::atol(value);
    } else {
      std::fprintf(stderr, "unknown option %s\n", name.data());
      std::exit(2);
    }
  }

  void run_only(const std::string& what, const std::vector<Side>& sides) {
    for (const Side& side : sides) {
      if (what + "/" + side.name != only_) continue;
      side.cost(iterations_);
      ran_ = true;
    }
  }

  // Returns how many operations last a round. The side is warm afterwards.
  long fill_round(const Side& side) const {
    long n = 16;
    side.cost(n);  // what a side prepares once is not part of its rounds
    for (;;) {
      const double ms = nanoseconds([&] { side.cost(n); }) / 1e6;
      if (ms > round_ms_ / 4)
        return std::max(1L, static_cast<long>(static_cast<double>(n) * round_ms_ / ms));
      n *= ms > round_ms_ / 64 ? 4 : 16;
    }
  }

  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }

  void print(const std::string& what, const std::string& unit, const Side& side,
             const std::vector<double>& own, const std::vector<double>& first) const {
    if (samples_) {
      std::printf("%s\t%s\t%s\t%s", what.c_str(), side.role.c_str(), side.name.c_str(),
                  unit.c_str());
      for (const double value : own) std::printf("\t%.4g", value);
      std::printf("\n");
      return;
    }
    std::vector<double> ratios;
    for (std::size_t i = 0; i < own.size(); ++i) ratios.push_back(own[i] / first[i]);
    const auto [low, high] = std::minmax_element(own.begin(), own.end());
    std::printf("%-34s %-5s %-30s %10.2f %s (%.2f .. %.2f)  x %.3f\n", what.c_str(),
                side.role.c_str(), side.name.c_str(), median(own), unit.c_str(), *low, *high,
                median(ratios));
  }

  int rounds_ = 11;
  double round_ms_ = 50;
  bool samples_ = false;
  std::string what_;
  std::string skip_;
  std::string only_;
  long iterations_ = 0;  // 0: measure
  bool ran_ = false;     // what --only names
};

}  // namespace bench
