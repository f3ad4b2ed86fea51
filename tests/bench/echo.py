"""TCP, Unix socket and UDP echo, judged by the server's CPU time per request.

Server and load generator share one core: there the figure repeats to a percent
or two. All servers run all the time; one of them is driven at a time, each once
per round.
"""

import pathlib
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
UDP_SERVERS = [
    ("floor", "libuv C", ["udp_uv"]),
    ("ours", "weft fiber", ["io_udp_bench", "fiber"]),
    ("ours", "weft callback", ["io_udp_bench", "callback"]),
    ("ours", "weft fiber, batches of up to 20", ["io_udp_bench", "batch"]),
]
UNIX_SERVERS = [
    ("floor", "libuv C", ["echo_uv", "unix"]),
    ("ours", "weft fiber", ["io_echo_bench", "fiber", "unix"]),
    ("ours", "weft callback", ["io_echo_bench", "callback", "unix"]),
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


def started(servers):
    return [(role, name, Server(command)) for role, name, command in servers
            if machine.is_built(command[0])]


def in_turns(what, servers, rounds, *arguments):
    """Drives each server once per round; returns one table.Side per server."""
    samples = {name: [] for _, name, _ in servers}
    for _ in range(rounds):
        for _, name, server in servers:
            result = server.drive(*arguments, "--pid", str(server.process.pid))
            samples[name].append(result["server_us_per_request"])
    return [table.Side(what, role, name, "us", samples[name]) for role, name, _ in servers]


def measure(rounds, seconds):
    """Returns one table.Side per server and number of connections."""
    machine.more_files()
    servers = started(SERVERS)
    sides = []
    for connections in (50, 1000):
        sides += in_turns(f"echo, {connections} connections", servers, rounds,
                          "--connections", str(connections), "--seconds", str(seconds))
    for role, name, server in servers:
        result = server.drive("--connections", str(HELD), "--messages", str(HELD))
        sides.append(table.Side(f"echoes on {HELD:,} connections held", role, name, "",
                                [result["requests"]]))
        server.stop()
    return sides


def measure_unix(rounds, seconds):
    """Returns one table.Side per server, over Unix sockets."""
    servers = started(UNIX_SERVERS)
    sides = in_turns("Unix socket echo, 50 connections", servers, rounds,
                     "--connections", "50", "--seconds", str(seconds), "--unix")
    for _, _, server in servers:
        server.stop()
        pathlib.Path(f"/tmp/weft-bench-{server.port}.sock").unlink(missing_ok=True)
    return sides


def measure_udp(rounds, seconds):
    """Returns one table.Side per server and number of peers."""
    servers = started(UDP_SERVERS)
    sides = []
    for peers in (1, 50):
        what = "UDP echo, 1 peer" if peers == 1 else f"UDP echo, {peers} peers"
        sides += in_turns(what, servers, rounds,
                          "--connections", str(peers), "--seconds", str(seconds), "--udp")
    for _, _, server in servers:
        server.stop()
    return sides
