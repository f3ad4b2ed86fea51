#!/usr/bin/env python3
"""Writes what weft would be without hooks: no_hooks.py THREAD_STATE_H DIRECTORY STAMP.

A copy of ctx/detail/thread_state.h in DIRECTORY/weft/ctx/detail, which stands
before the real one on the include path. There the mask of the enabled hooks and
their depth are constants, 0, so the compiler drops every branch behind them.
"""

import pathlib
import re
import sys

CONSTANT = """
// Stays 0, whatever is done to it.
struct Zero {
  constexpr operator std::uint32_t() const noexcept { return 0; }
  constexpr Zero& operator=(std::uint32_t) noexcept { return *this; }
  constexpr std::uint32_t operator++() noexcept { return 0; }
  constexpr std::uint32_t operator--() noexcept { return 0; }
};

struct ThreadState {"""


def main():
    source, directory, stamp = map(pathlib.Path, sys.argv[1:])
    text = source.read_text()
    text, structs = re.subn(r"\nstruct ThreadState \{", CONSTANT, text)
    text, fields = re.subn(r"std::uint32_t (hook_mask|hooks_running) = 0;",
                           r"[[no_unique_address]] Zero \1;", text)
    if (structs, fields) != (1, 2):
        sys.exit(f"{source}: hook_mask and hooks_running of ThreadState are not where they were")
    header = directory / "weft/ctx/detail/thread_state.h"
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text(text)
    stamp.write_text("")


main()
