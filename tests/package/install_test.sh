#!/usr/bin/env bash
# install_test.sh SOURCE_DIR: installs weft into a prefix of its own and builds a program with nothing
# but pkg-config, outside the tree.
set -euo pipefail

source_dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

meson setup "$work/build" "$source_dir" --prefix="$work/prefix" --libdir=lib --buildtype=debug \
  -Dtests=false -Dexamples=false
meson install -C "$work/build"

export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
if grep -nE '^Libs.*\.(so|a)\b' "$PKG_CONFIG_PATH/weft.pc"; then
  echo "weft.pc names library files of this machine"
  exit 1
fi

cp "$source_dir/tests/package/program.cpp" "$work"
cd "$work"
# shellcheck disable=SC2046  # the flags are words
${CXX:-g++} -std=c++20 program.cpp -o program $(pkg-config --cflags --libs weft)
[[ $(./program) == woven ]]
