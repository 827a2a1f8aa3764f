"""What a measurement was made on, in general terms."""

import os
import platform
from importlib.metadata import version


def describe_machine(threads):
    """Return one line: processor, cores, threads and versions; no names or paths."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy"))
    return (
        f"{_processor()}, {os.cpu_count()} cores, {threads} thread(s) used; "
        f"{platform.system()}, Python {platform.python_version()}, {packages}"
    )


def _processor():
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            for line in cpuinfo:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
