#!/usr/bin/env bash
# subproject_test.sh SOURCE_DIR: builds a project which has weft in subprojects/.
set -euo pipefail

source_dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/subprojects"
ln -s "$source_dir" "$work/subprojects/weft"
cp "$source_dir/tests/package/program.cpp" "$work"
cat >"$work/meson.build" <<'EOF'
project('user', 'cpp', default_options: ['cpp_std=c++20', 'werror=true'])
executable('program', 'program.cpp', dependencies: dependency('weft', fallback: 'weft'))
EOF

cd "$work"
meson setup build --buildtype=debug --force-fallback-for=weft
ninja -C build
[[ $(build/program) == woven ]]
