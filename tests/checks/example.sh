#!/usr/bin/env bash
# example.sh EXPECTED PROGRAM ARGS...: the program must succeed and print exactly the file EXPECTED.
set -euo pipefail

expected=$1
shift
status=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT
"$@" >"$output" </dev/null || status=$?
diff -u "$expected" "$output"
exit "$status"
