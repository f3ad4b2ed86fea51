"""The table: every side of weft against its floor and its peer."""

import dataclasses
import re
import statistics

# What, side, and what is asked of it: a bound on the value, or on the ratio to
# the side named after the x. A row without an entry is for information.
TARGETS = {
    ("yield round trip", "weft"): "<= 1.25 x jump_fcontext",
    ("spawn + join", "weft"): "<= 0.15 x Boost.Fiber pooled",
    ("channel round trip", "weft"): "<= 0.3 x Go",
    ("channel stream, room for 128", "weft"): "<= 0.3 x Go",
    ("channel stream, room for 128", "weft select"): "<= 0.3 x Go select",
    ("channel stream, rendezvous", "weft"): "<= 1.5 x weft yield",
    ("channel stream, rendezvous", "weft select"): "<= 0.3 x Go select",
    ("enter + leave a scope", "with a deadline"): "<= 40 ns",
    ("1000 empty tasks", "task group"): "<= 1.2 x spawn",
    ("first use of a guarded stack", "weft"): "<= 4000 ns",
    ("sleeping fiber", "weft, 1,000,000"): "<= 4505.6 B",
    ("timer arm + cancel, 10 k held", "weft wheel"): "<= 0.25 x uv_timer",
    ("timer arm + cancel, 1 M held", "weft wheel"): "<= 0.03 x uv_timer",
    ("re-arm a held timer, 10 k held", "weft wheel"): "<= 0.25 x uv_timer",
    ("re-arm a held timer, 1 M held", "weft wheel"): "<= 0.03 x uv_timer",
    ("timer arm + cancel, 10 k held", "weft set_timeout + clear"): "<= 0.25 x uv_timer",
    ("timer arm + cancel, 1 M held", "weft set_timeout + clear"): "<= 0.03 x uv_timer",
    ("fire 1 M timers", "weft wheel"): "<= 0.15 x uv_timer",
    ("fire 1 M timers", "weft set_timeout"): "<= 0.15 x uv_timer",
    ("mutex lock + unlock, free", "weft"): "<= 3 ns",
    ("AsyncLocal get, 1 local", "weft"): "<= 1.5 ns",
    ("AsyncLocal get, 8 locals", "weft"): "<= 1.5 ns",
    ("AsyncLocal get, 16 locals", "weft"): "<= 1.5 ns",
    ("AsyncLocal run, 1 local", "weft"): "<= 20 ns",
    ("AsyncLocal run, 2 locals", "weft"): "<= 20 ns",
    ("AsyncLocal run, 3 locals", "weft"): "<= 20 ns",
    ("AsyncLocal run, 4 locals", "weft"): "<= 20 ns",
    ("capture", "weft"): "<= 2 ns",
    ("resource life", "weft, four empty hooks"): "<= 60 ns",
    ("promise reaction", "promise, then, resolve, reaction"): "<= 0.5 x Node await",
    ("promise reaction", "then, reaction"): "<= 0.5 x Node await",
    ("hooks: yield", "weft, no hook"): "<= 1.01 x weft without hook code",
    ("hooks: yield", "weft, hooks were on"): "<= 1.01 x weft without hook code",
    ("hooks: spawn + join", "weft, no hook"): "<= 1.01 x weft without hook code",
    ("hooks: spawn + join", "weft, hooks were on"): "<= 1.01 x weft without hook code",
    ("echo, 50 connections", "weft fiber"): "<= 1.03 x libuv C",
    ("echo, 1000 connections", "weft fiber"): "<= 1.03 x libuv C",
    ("echo, 50 connections", "weft callback"): "<= 1.01 x weft fiber",
    ("echo, 1000 connections", "weft callback"): "<= 1.01 x weft fiber",
    ("echo, 50 connections", "weft fiber, one run per message"): "<= 1.01 x weft fiber",
    ("echo, 1000 connections", "weft fiber, one run per message"): "<= 1.01 x weft fiber",
    ("offload an empty function", "weft fiber"): "<= 1.3 x uv_queue_work",
    ("offload an empty function", "weft callback"): "<= 1.3 x uv_queue_work",
    ("read a cached file, 64 KiB pieces", "weft fiber"): "<= 1.05 x uv_fs_read",
    ("read a cached file, 64 KiB pieces", "weft callback"): "<= 1.05 x uv_fs_read",
    ("Unix socket echo, 50 connections", "weft fiber"): "<= 1.03 x libuv C",
    ("Unix socket echo, 50 connections", "weft callback"): "<= 1.03 x libuv C",
    ("UDP echo, 1 peer", "weft fiber"): "<= 1.05 x libuv C",
    ("UDP echo, 1 peer", "weft callback"): "<= 1.05 x libuv C",
    ("UDP echo, 50 peers", "weft fiber"): "<= 1.05 x libuv C",
    ("UDP echo, 50 peers", "weft callback"): "<= 1.05 x libuv C",
}


@dataclasses.dataclass
class Side:
    what: str
    role: str  # floor, peer, ours
    name: str
    unit: str
    samples: list  # one per round, in the order of the rounds

    def value(self):
        return statistics.median(self.samples)

    def ratio(self, other):
        """Returns the median of the ratios within the rounds."""
        return statistics.median(a / b for a, b in zip(self.samples, other.samples))

    def text(self):
        if self.unit == "":  # a count
            return f"{self.name}: {self.value():.0f}"
        low, high = min(self.samples), max(self.samples)
        digits = 0 if self.value() >= 1000 else 1 if self.value() >= 100 else 2
        return (f"{self.name}: {self.value():.{digits}f} {self.unit} "
                f"({low:.{digits}f}..{high:.{digits}f})")


def verdict(side, target, same_what):
    """Returns (ratio, met) of `side`: both empty where the target does not give one."""
    if not target:
        return "", ""
    bound, reference = re.fullmatch(r"<= ([\d.]+) (?:x (.*)|\S+)", target).groups()
    if reference is None:
        return "", "yes" if side.value() <= float(bound) else "NO"
    others = [other for other in same_what if other.name == reference]
    if not others:
        return "", "?"
    ratio = side.ratio(others[0])
    return f"{ratio:.3f}", "yes" if ratio <= float(bound) else "NO"


def text(sides):
    """Returns the table, as Markdown that reads well in a terminal."""
    rows = [["what", "floor", "peer", "ours", "ratio", "target", "met"]]
    for what in dict.fromkeys(side.what for side in sides):
        same = [side for side in sides if side.what == what]
        floors = "; ".join(side.text() for side in same if side.role == "floor")
        peers = "; ".join(side.text() for side in same if side.role == "peer")
        for side in [side for side in same if side.role == "ours"] or [None]:
            target = TARGETS.get((what, side.name), "") if side else ""
            ratio, met = verdict(side, target, same) if side else ("", "")
            rows.append([what, floors, peers, side.text() if side else "", ratio, target, met])
            floors = peers = ""
    return layout(rows)


def layout(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows = [rows[0], ["-" * width for width in widths]] + rows[1:]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |"
                     for row in rows)
