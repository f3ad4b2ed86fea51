#!/usr/bin/env python3
"""regenerate.py [--node PATH] [--check] [NAME...]: records node/NAME.js into expected/NAME.trace.

Each scenario runs a few times; the sequence that comes most often is kept. Only the `node:` section
and the first line are written: what weft does instead, and why, stays as it is. With --check nothing
is written: the scripts are run and compared with the data, to see that both fit together; Node 20
and later have nearly the same sequences.
"""
import argparse
import collections
import os
import pathlib
import pty
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PRUNED = {"TickObject", "Microtask", "PROMISE"}
TERMINAL = {"tty"}  # scenarios whose standard input is a terminal; the others have a pipe
RUNS = 5


def run(command, name):
    """Runs a script whose input is one line, or part of one, and then ends."""
    options = {"text": True, "capture_output": True, "timeout": 30}
    if name not in TERMINAL:
        return subprocess.run(command, input="x", **options)
    user, terminal = pty.openpty()
    os.write(user, b"x\n\x04")
    try:
        return subprocess.run(command, stdin=terminal, **options)
    finally:
        os.close(user)
        os.close(terminal)


def record(node, name):
    """Runs a script RUNS times; returns its most frequent lines and how often they came."""
    seen = collections.Counter()
    for _ in range(RUNS):
        result = run([node, "--expose-gc", "--no-warnings", HERE / "node" / f"{name}.js"], name)
        if not result.stdout:
            sys.exit(f"{name}: the script printed nothing\n{result.stderr}")
        seen[result.stdout] += 1
    output, count = seen.most_common(1)[0]
    return output.splitlines(), count


def prune(lines):
    """Leaves out ticks, microtasks and promises; what they triggered shows their trigger.

    Behind the events stand the callbacks, by label and store.
    """
    instead, names, events, callbacks = {}, {}, [], []

    def name(number, prefix="?"):
        bare = instead.get(number.lstrip("?"), number.lstrip("?"))
        if bare in "01":
            return bare
        return names.setdefault(bare, f"{prefix}{len(names) + 2}")

    for line in lines:
        what, *rest = line.split(" ")
        if what == "init":
            kind, number, trigger, _ = rest
            if kind in PRUNED:
                instead[number] = instead.get(trigger.lstrip("?"), trigger.lstrip("?"))
            else:
                shown = name(trigger)
                events.append(f"init {kind} {name(number, '')} {shown}")
        elif what == "cb":
            callbacks.append(re.sub(r" exec=\S+ trigger=\S+", "", line))
        elif what in ("before", "after", "destroy", "resolve"):
            if rest[0].lstrip("?") not in instead:
                events.append(f"{what} {name(rest[0])}")
    return events + callbacks


def without_main(lines):
    """The main script's own events are left out: weft's main function is a fiber, which has more."""
    return [line for line in lines if line not in ("before 1", "after 1", "destroy 1")]


def sections(text):
    """Splits a data file into its header, the lines of node and those of weft (None: the same)."""
    header, _, rest = text.partition("node:\n")
    node, separator, weft = rest.partition("weft:\n")
    return header.splitlines(), node.splitlines(), weft.splitlines() if separator else None


def sort_tail(lines):
    """What comes behind the loop's end is garbage collection, which has no order."""
    if "-- loop empty" not in lines:
        return lines
    end = lines.index("-- loop empty") + 1
    return lines[:end] + sorted(lines[end:])


def update(path, version, lines, count):
    """Writes new lines of node into a data file, which may not exist yet."""
    header, _, weft = sections(path.read_text()) if path.exists() else ([], [], None)
    header[:1] = [f"# {path.stem}: Node {version}, {count} of {RUNS} runs alike"]
    parts = [*header, "node:", *lines]
    if weft is not None:
        parts += ["weft:", *weft]
    path.write_text("\n".join(parts) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--node", default="node")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    version = subprocess.run([options.node, "--version"], text=True, capture_output=True,
                             check=True).stdout.strip()
    every = sorted(path.stem for path in (HERE / "node").glob("*.js") if path.stem != "harness")
    differing = 0
    for name in options.names or every:
        path = HERE / "expected" / f"{name}.trace"
        header, stored, _ = sections(path.read_text()) if path.exists() else ([], [], None)
        lines, count = record(options.node, name)
        lines = without_main(prune(lines) if "compare: pruned" in header else lines)
        if not options.check:
            update(path, version, lines, count)
        elif sort_tail(lines) != sort_tail(stored):
            differing += 1
            print(f"{name}: Node {version} differs from the data:", *lines, sep="\n    ")
    if options.check:
        print(f"{len(options.names or every)} scripts, {differing} differ with Node {version}")
    return differing > 0


if __name__ == "__main__":
    sys.exit(main())
