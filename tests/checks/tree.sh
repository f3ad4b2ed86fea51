#!/usr/bin/env bash
# tree.sh WHAT: one check of the tree's text: words, sizes, listed or suites.
set -euo pipefail

sources() {  # sources PATTERN...: files git knows or would add, which are still there
  git ls-files --cached --others --exclude-standard "$@" | while read -r file; do
    [[ ! -f $file ]] || echo "$file"
  done
}

failed=0
complain() {
  echo "$@"
  failed=1
}

case $1 in
  words)  # what such a word marks is an issue, not a comment (brackets: this line must not match)
    if git grep -nIwE --untracked 'T[O]DO|FIXM[E]|XX[X]|HAC[K]'; then failed=1; fi
    ;;
  sizes)
    for file in $(sources '*.h' '*.cpp'); do
      lines=$(wc -l <"$file")
      ((lines <= 600)) || complain "$file: $lines lines, 600 are allowed; split it"
    done
    ;;
  listed)  # a file that meson.build does not name is never built, never tested, never installed
    for file in $(sources 'ctx/*' 'runtime/*' 'io/*' | grep -E '\.(h|cpp)$'); do
      grep -qF "'$file'" meson.build || complain "$file: not listed in meson.build"
    done
    for file in $(sources 'tests/*_test.cpp'); do
      name=${file#tests/}
      grep -qF "'${name%_test.cpp}'" meson.build || complain "$file: not listed in meson.build"
    done
    for file in $(sources 'examples/*.cpp' 'tests/no_compile/*.cpp'); do
      grep -qF "'$(basename "$file" .cpp)'" meson.build || complain "$file: not listed in meson.build"
    done
    ;;
  suites)  # the name of the suite is how Meson runs the file
    for file in $(sources 'tests/*_test.cpp'); do
      name=${file#tests/}
      grep -qF "TEST_SUITE_BEGIN(\"${name%_test.cpp}\")" "$file" ||
        complain "$file: must begin TEST_SUITE_BEGIN(\"${name%_test.cpp}\")"
    done
    ;;
  *) complain "usage: tree.sh words|sizes|listed|suites" ;;
esac
exit "$failed"
