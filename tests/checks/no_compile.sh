#!/usr/bin/env bash
# no_compile.sh FILE COMPILER...: FILE must not compile, and the error must contain the words which
# its first line gives after `// expect: `. Without the words any typing error would pass the test.
set -euo pipefail

file=$1
shift
first=$(head -n 1 "$file")
expected=${first#// expect: }
if [[ $expected == "$first" || -z $expected ]]; then
  echo "$file: the first line must be '// expect: words of the error'"
  exit 1
fi

if output=$("$@" -fsyntax-only "$file" 2>&1); then
  echo "$file: compiles, but must not"
  exit 1
fi
if ! grep -qF -- "$expected" <<<"$output"; then
  printf '%s: the error does not say "%s":\n%s\n' "$file" "$expected" "$output"
  exit 1
fi
