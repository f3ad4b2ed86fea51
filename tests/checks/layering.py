#!/usr/bin/env python3
"""layering.py: each folder includes only what stands below it (ARCHITECTURE.md has the arrows)."""
import pathlib
import re
import sys

PUBLIC = {  # headers which users read: no libuv, no Boost, nothing of the system
    "ctx": {"std", "ctx"},
    "runtime": {"std", "ctx", "runtime"},
    "io": {"std", "ctx", "runtime", "io"},
    "examples": {"std", "ctx", "runtime", "io"},
}
PRIVATE = {"ctx": set(), "runtime": {"uv", "system"}, "io": {"uv", "system"}, "examples": set()}


def kind(include):
    """Names the layer of an included file: a folder of weft, uv, boost, std or system."""
    if include.startswith("weft/"):
        return include.split("/")[1]
    if include == "cxxabi.h":  # of the standard library, whichever compiler
        return "std"
    first = re.match(r"(uv|boost|doctest|benchmark)(?=[./])", include)
    return first[1] if first else "system" if re.search(r"[./]", include) else "std"


failed = False
for folder in PUBLIC:
    for path in sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix in (".h", ".cpp")):
        in_detail = "detail" in path.parts
        is_public = path.suffix == ".h" and not in_detail
        allowed = PUBLIC[folder] | (set() if is_public else PRIVATE[folder])
        allowed |= {"boost"} if folder == "runtime" and in_detail else set()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if match and match[1] == '"' and (path.parent / match[2]).exists() and folder == "examples":
                continue  # what the examples share lies beside them
            is_kit = "testing" in path.parts  # what programs run does not know the test kit
            if match and (match[1] == '"' or kind(match[2]) not in allowed
                          or "/testing/" in match[2] and not is_kit
                          or folder == "examples" and "/detail/" in match[2]):
                failed = True
                print(f"{path}:{number}: {folder}/ must not include {match[2]}")
sys.exit(failed)
