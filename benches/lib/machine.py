"""The machine: its cores, and what processes take of it."""

import os
import pathlib
import socket

TICK = os.sysconf("SC_CLK_TCK")


def cores():
    """The core of the proxy under test, and those of everything else."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise SystemExit("The proxy must not share its core with the load: this needs 2 cores.")
    # Interrupts and the kernel's own work are mostly on the first one.
    return str(usable[1]), ",".join(str(core) for core in usable if core != usable[1])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def family(pid):
    """A process and its children."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(pids):
    """User and system time of processes, their threads included."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def resident_mib(pids):
    """Resident memory of processes, the pages of the program itself included."""
    total = 0
    for pid in pids:
        fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        total += int(fields["VmRSS"].split()[0])
    return total / 1024
