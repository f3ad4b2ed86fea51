#!/usr/bin/env bash
# tidy.sh BUILD_DIR [--all|--library]: clang-tidy on the sources that changed since the upstream
# branch, on all, or on those users build. A changed header counts for the sources that include it
# directly.
set -euo pipefail

build_dir=$1
mapfile -t all_sources < <(git ls-files --cached --others --exclude-standard '*.cpp')
empty_tree=$(git hash-object -t tree /dev/null)

changed() {
  local base
  base=$(git merge-base HEAD '@{upstream}' 2>/dev/null) ||
    base=$(git rev-parse -q --verify HEAD) || base=$empty_tree
  git diff --name-only --diff-filter=d "$base"
  git ls-files --others --exclude-standard
}

if [[ ${2:-} == --all ]]; then
  files=$(printf '%s\n' "${all_sources[@]}")
elif [[ ${2:-} == --library ]]; then
  files=$(printf '%s\n' "${all_sources[@]}" | grep -E '^(ctx|runtime|io|examples)/')
else
  files=$(changed | while read -r file; do
    case $file in
      *.cpp) echo "$file" ;;
      *.h) grep -lF "<weft/$file>" "${all_sources[@]}" || true ;;
    esac
  done | sort -u)
fi

# Sources that this build does not compile (what must not compile, benchmarks) have no flags to use.
for file in $files; do
  if grep -qF "/$file\"" "$build_dir/compile_commands.json"; then echo "$file"; fi
done | xargs -r -P "$(nproc)" -n 1 clang-tidy --quiet -p "$build_dir" 2>/dev/null
