#!/usr/bin/env bash
# headers_alone.sh INCLUDE_DIR COMPILER: each header compiles alone and without a warning, and no
# public one reaches uv.h or Boost, not even through another header.
set -euo pipefail

include_dir=$1
compiler=$2

check_header() {
  local header=$1
  local compile=("$compiler" -std=c++20 -Wall -Wextra -Werror -I "$include_dir" -x c++ -)
  # Preprocessing "#include" from stdin and not the header itself, which would warn of #pragma once.
  "${compile[@]}" -fsyntax-only <<<"#include <weft/$header>" || return 1
  [[ $header == */detail/* ]] && return 0
  if "${compile[@]}" -M <<<"#include <weft/$header>" | grep -oE '\S*/(uv\.h|boost/\S*)'; then
    echo "$header reaches the above: users must not need it"
    return 1
  fi
}
export -f check_header
export compiler include_dir

git ls-files --cached --others --exclude-standard 'ctx/*.h' 'runtime/*.h' 'io/*.h' |
  xargs -P "$(nproc)" -I{} bash -c 'check_header {}'
