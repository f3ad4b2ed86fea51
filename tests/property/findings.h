// Findings: the rules one program broke, in words.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace weft::property {

class Findings {
 public:
  // Later ones mostly follow from the first: only some are kept.
  void add(std::string text) {
    if (texts_.size() < kKept) texts_.push_back(std::move(text));
  }
  void add(const Findings& others, const std::string& where) {
    for (const std::string& text : others.texts_) add(where + ": " + text);
  }

  bool is_empty() const noexcept { return texts_.empty(); }
  const std::vector<std::string>& texts() const noexcept { return texts_; }

  std::string listing() const {
    std::string lines;
    for (const std::string& text : texts_) lines += "  " + text + "\n";
    return lines;
  }

 private:
  static constexpr std::size_t kKept = 12;
  std::vector<std::string> texts_;
};

}  // namespace weft::property
