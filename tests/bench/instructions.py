"""User instructions per operation, counted by callgrind.

An operation runs n and 2n times in two processes; the difference, divided by n,
leaves out start, end and everything that happens once. Repeatable to the digit
where nothing depends on time; echo varies by a few percent with how many
messages a turn of the loop finds.
"""

import concurrent.futures
import re
import shutil
import subprocess
import sys

import echo
import machine
import table

ITERATIONS = 5000
CONNECTIONS = 50
MESSAGES = 10000
REPEATS = 5  # of an echo count; the least counts, since a turn of the loop serves most then
SKIPPED = 77  # what Meson takes for a test that could not run

# Binary, comparison, side, what of it is the loop around (subtracted), budget.
COUNTED = [
    ("runtime_switch_bench", "yield round trip", "weft", None, 130),
    ("runtime_spawn_bench", "spawn + join", "weft", None, 300),
    ("runtime_channel_bench", "channel round trip", "weft", None, None),
    ("runtime_timer_bench", "timer arm + cancel, 10 k held", "weft wheel", "loop", 60),
    ("runtime_timer_bench", "timer arm + cancel, 10 k held", "weft set_timeout + clear", "loop",
     None),
    ("ctx_async_local_bench", "AsyncLocal get, 1 local", "weft", None, None),
    ("ctx_async_local_bench", "AsyncLocal get, 16 locals", "weft", None, None),
    ("ctx_async_local_bench", "AsyncLocal run, 1 local", "weft", None, None),
    ("ctx_async_local_bench", "AsyncLocal run, 4 locals", "weft", None, None),
    ("ctx_async_local_bench", "capture", "weft", None, None),
    ("ctx_hooks_bench", "resource life", "weft, no hook", None, None),
    ("ctx_hooks_bench", "resource life", "weft, four empty hooks", None, None),
    ("runtime_switch_bench_no_hooks", "hooks: yield", "weft without hook code", None, None),
    ("runtime_switch_bench", "hooks: yield", "weft, no hook", None, None),
    ("runtime_spawn_bench_no_hooks", "hooks: spawn + join", "weft without hook code", None, None),
    ("runtime_spawn_bench", "hooks: spawn + join", "weft, no hook", None, None),
]
SERVED = [  # name as in echo.SERVERS, budget
    ("libuv C", None),
    ("weft fiber", 600),
    ("weft callback", None),
    ("weft fiber, one run per message", None),
]
VALGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]


def collected(stderr):
    found = re.search(r"Collected : (\d+)", stderr)
    if not found:
        sys.exit("callgrind counted nothing:\n" + stderr)
    return int(found.group(1))


def operation(binary, what, side, loop=None):
    """Returns the instructions of one operation of a micro benchmark, without those of `loop`."""
    def total(iterations):
        command = VALGRIND + [machine.built(binary), "--only", f"{what}/{side}",
                              "--iterations", str(iterations)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} ended with status {done.returncode}\n{done.stderr}")
        return collected(done.stderr)

    count = (total(2 * ITERATIONS) - total(ITERATIONS)) / ITERATIONS
    return count if loop is None else count - operation(binary, what, loop)


def message(command):
    """Returns the instructions of one echoed message."""
    def total(messages):
        server = echo.Server(command, VALGRIND)
        server.drive("--connections", str(CONNECTIONS), "--messages", str(messages))
        return collected(server.stop())

    return min((total(2 * MESSAGES) - total(MESSAGES)) / MESSAGES for _ in range(REPEATS))


def report(only, check):
    """Prints the counts; returns 1 if asked to check and a budget is exceeded."""
    if not shutil.which("valgrind"):
        print("valgrind is missing", file=sys.stderr)
        return SKIPPED
    jobs = [(what, side, budget, operation, (binary, what, side, loop))
            for binary, what, side, loop, budget in COUNTED if machine.is_built(binary)]
    commands = {name: command for _, name, command in echo.SERVERS}
    jobs += [("echo per message", name, budget, message, (commands[name],))
             for name, budget in SERVED if machine.is_built(commands[name][0])]
    jobs = [job for job in jobs if only in job[0]]

    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as workers:
        counts = list(workers.map(lambda job: job[3](*job[4]), jobs))
    rows = [["operation", "side", "instructions", "budget", "met"]]
    exceeded = False
    for (what, side, budget, _, _), count in zip(jobs, counts):
        met = "" if budget is None else "yes" if count <= budget else "NO"
        exceeded = exceeded or met == "NO"
        rows.append([what, side, f"{count:.1f}", f"<= {budget}" if budget else "", met])
    print(table.layout(rows))
    return 1 if check and exceeded else 0
