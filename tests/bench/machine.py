"""What the benchmarks run on, and how a process is started for measuring."""

import datetime
import os
import platform
import re
import resource
import shutil
import subprocess
import sys

BUILD = os.environ.get("BUILD", "build/bench")
CORE = "1" if (os.cpu_count() or 1) > 1 else "0"


def built(name):
    return os.path.join(BUILD, name)


def is_built(name):
    return os.path.exists(built(name))


def pinned(command):
    """Returns `command` on one core, before all else there; unprivileged, only on one core."""
    nice = ["nice", "-n", "-20"] if os.geteuid() == 0 else []
    return nice + ["taskset", "-c", CORE] + command


def more_files():
    """Raises the file limit of this process and its children as far as it goes."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def output(command):
    """Returns what `command` prints; its failure ends the run."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}")
    return done.stdout


def first_line(command):
    if not shutil.which(command[0]):
        return f"no {command[0]}"
    return output(command).splitlines()[0]


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def boost_version():
    try:
        with open("/usr/include/boost/version.hpp") as file:
            return re.search(r'BOOST_LIB_VERSION "([\d_]+)"', file.read()).group(1).replace("_", ".")
    except OSError:
        return "unknown"


def description():
    """Returns what the figures depend on, as a Markdown list."""
    parts = {
        "Machine": f"{processor()}, {os.cpu_count()} cores",
        "Kernel": f"Linux {platform.release()}",
        "Compiler": first_line([os.environ.get("CXX", "c++"), "--version"]),
        "Libraries": f"libuv {first_line(['pkg-config', '--modversion', 'libuv'])}, "
                     f"Boost {boost_version()}",
        "Date": datetime.date.today().isoformat(),
    }
    return "\n".join(f"- {name}: {value}" for name, value in parts.items())
