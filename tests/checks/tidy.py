#!/usr/bin/env python3
"""tidy.py BUILD_DIR [--all|--library]: clang-tidy on the sources that changed since the upstream
branch, on all, or on those users build.

A changed header counts for the sources that include it directly. Sources of the library are joined
by folder, some at a time, since most of the time goes into the headers they share: what is in an
anonymous namespace has a name of its own within its folder.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

LIBRARY = ("ctx", "runtime", "io")
JOINED_MAX = 14


def git(*args):
    return subprocess.run(["git", *args], text=True, capture_output=True).stdout.split()


def changed(sources):
    base = git("merge-base", "HEAD", "@{upstream}") or git("rev-parse", "-q", "--verify", "HEAD") \
        or git("hash-object", "-t", "tree", "/dev/null")
    files = git("diff", "--name-only", "--diff-filter=d", base[0])
    files += git("ls-files", "--others", "--exclude-standard")
    wanted = {file for file in files if file.endswith(".cpp")}
    for header in (file for file in files if file.endswith(".h")):
        wanted |= {s for s in sources if f"<weft/{header}>" in pathlib.Path(s).read_text()}
    return sorted(wanted)


def chosen(how):
    sources = git("ls-files", "--cached", "--others", "--exclude-standard", "*.cpp")
    if how == "--all":
        return sources
    if how == "--library":
        return [s for s in sources if s.split("/")[0] in (*LIBRARY, "examples")]
    return changed(sources)


def flags_by_source(build_dir):
    """Returns the compiler's -I, -D, -std and the like for each source that this build compiles."""
    flags = {}
    for entry in json.loads((build_dir / "compile_commands.json").read_text()):
        directory = pathlib.Path(entry["directory"])
        source = os.path.relpath(directory / entry["file"])
        words = [w for w in shlex.split(entry["command"]) if re.match("-(I|isystem|D|std|f|W)", w)]
        flags[source] = [re.sub("^(-I|-isystem)(?!/)", rf"\g<1>{directory}/", word)
                         for word in words]
    return flags


def groups(sources, flags):
    """Splits the sources into lists that are looked at together; the longest come first."""
    by_folder, alone = {}, []
    for source in sources:
        folder = os.path.dirname(source)
        if folder.split("/")[0] in LIBRARY:
            by_folder.setdefault((folder, tuple(flags[source])), []).append(source)
        else:
            alone.append([source])
    joined = []
    for together in by_folder.values():
        parts = -(-len(together) // JOINED_MAX)
        joined += [together[part::parts] for part in range(parts)]
    return sorted(joined, key=len, reverse=True) + alone


def join(sources, path):
    """Writes the sources into one file; what an earlier one included is left out of the later."""
    included, lines, begins = set(), [], []
    for source in sources:
        begins.append((len(lines), source))
        own = set()
        for line in pathlib.Path(source).read_text().splitlines():
            is_include = line.startswith("#include")
            lines.append("" if is_include and line in included else line)
            if is_include:
                own.add(line)
        included |= own
    path.write_text("\n".join(lines) + "\n")
    return begins


def tidy(build_dir, number, sources, flags):
    """Returns what clang-tidy has to say about the sources, by their own lines."""
    path, begins = pathlib.Path(sources[0]), [(0, sources[0])]
    if len(sources) > 1:
        path = build_dir / "tidy" / f"{number}.cpp"
        begins = join(sources, path)
    command = ["clang-tidy", "--quiet", str(path), "--", *flags]
    result = subprocess.run(command, text=True, capture_output=True)

    def own_line(match):
        line = int(match[1])
        start, source = max(begin for begin in begins if begin[0] < line)
        return f"{source}:{line - start}:"

    text = re.sub(rf"\S*{re.escape(str(path))}:(\d+):", own_line, result.stdout)
    return text or (result.stderr if result.returncode else "")


def main():
    build_dir = pathlib.Path(sys.argv[1])
    flags = flags_by_source(build_dir)
    # What this build does not compile (what must not compile, benchmarks) has no flags to use.
    sources = [s for s in chosen(sys.argv[2] if len(sys.argv) > 2 else "") if s in flags]
    (build_dir / "tidy").mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = pool.map(lambda job: tidy(build_dir, job[0], job[1], flags[job[1][0]]),
                         enumerate(groups(sources, flags)))
        report = "".join(texts)
    print(report, end="")
    return 1 if report else 0


if __name__ == "__main__":
    sys.exit(main())
