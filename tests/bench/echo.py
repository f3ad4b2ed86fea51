"""TCP echo, judged by the server's CPU time per request.

Server and load generator share one core: there the figure repeats to a percent
or two. All servers run all the time; one of them is driven at a time, each once
per round.
"""

import subprocess
import sys

import machine
import table

SERVERS = [  # role, name, command
    ("floor", "libuv C", ["echo_uv"]),
    ("floor", "epoll", ["echo_epoll"]),
    ("ours", "weft fiber", ["io_echo_bench", "fiber"]),
    ("ours", "weft callback", ["io_echo_bench", "callback"]),
    ("ours", "weft fiber, one run per message", ["io_echo_bench", "local"]),
]
HELD = 10000  # connections, each echoing at least once


class Server:
    """A running echo server; prefix is what runs it (valgrind, say)."""

    def __init__(self, command, prefix=()):
        binary, *arguments = command
        self.process = subprocess.Popen(
            machine.pinned(list(prefix) + [machine.built(binary)] + arguments),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE if prefix else None, text=True)
        line = self.process.stdout.readline()
        if not line.strip().isdigit():
            sys.exit(f"{' '.join(command)} printed no port")
        self.port = line.strip()

    def drive(self, *arguments):
        """Runs the load generator to its end; returns what it printed, by name."""
        line = machine.output(machine.pinned([machine.built("load"), self.port, *arguments]))
        return {name: float(value) for name, value in (word.split("=") for word in line.split())}

    def stop(self):
        """Ends the server; returns what it wrote to its standard error."""
        self.process.terminate()
        return self.process.communicate()[1]


def measure(rounds, seconds):
    """Returns one table.Side per server and number of connections."""
    machine.more_files()
    servers = [(role, name, Server(command)) for role, name, command in SERVERS
               if machine.is_built(command[0])]
    sides = []
    for connections in (50, 1000):
        what = f"echo, {connections} connections"
        samples = {name: [] for _, name, _ in servers}
        for _ in range(rounds):
            for _, name, server in servers:
                result = server.drive("--connections", str(connections), "--seconds", str(seconds),
                                      "--pid", str(server.process.pid))
                samples[name].append(result["server_us_per_request"])
        sides += [table.Side(what, role, name, "us", samples[name]) for role, name, _ in servers]
    for role, name, server in servers:
        result = server.drive("--connections", str(HELD), "--messages", str(HELD))
        sides.append(table.Side(f"echoes on {HELD:,} connections held", role, name, "",
                                [result["requests"]]))
        server.stop()
    return sides
