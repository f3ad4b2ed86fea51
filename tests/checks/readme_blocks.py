#!/usr/bin/env python3
"""readme_blocks.py README COMPILER...: every ```cpp block of the README must compile.

A block with `int main` is a program and compiles as it stands. Any other block is a piece of a
fiber: its #include lines stay on top, the rest becomes the body of a function, behind the umbrella
headers, `using namespace weft` and the chrono literals. What must not compile is not ```cpp but
```text.
"""
import re
import subprocess
import sys
import tempfile

UMBRELLAS = ["ctx/ctx.h", "runtime/runtime.h", "io/io.h"]


def as_program(block):
    if "int main" in block:
        return block
    lines = block.splitlines()
    includes = [line for line in lines if line.startswith("#include")]
    body = [line for line in lines if not line.startswith("#include")]
    return "\n".join(
        ["#include <chrono>"] + [f"#include <weft/{header}>" for header in UMBRELLAS] + includes
        + ["using namespace weft;", "using namespace std::chrono_literals;"]
        + ["void block() {"] + body + ["}", ""])


def main(readme, *compiler):
    text = open(readme, encoding="utf-8").read()
    blocks = list(re.finditer(r"^```cpp\n(.*?)^```$", text, re.M | re.S))
    if not blocks:
        sys.exit(f"{readme}: no ```cpp block")
    failed = 0
    for block in blocks:
        line = text.count("\n", 0, block.start()) + 1
        with tempfile.NamedTemporaryFile("w", suffix=".cpp") as source:
            source.write(as_program(block[1]))
            source.flush()
            result = subprocess.run([*compiler, "-fsyntax-only", source.name], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode != 0:
            failed += 1
            print(f"{readme}:{line}: this block does not compile:\n{result.stdout}")
    print(f"{len(blocks)} blocks, {failed} failed")
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
