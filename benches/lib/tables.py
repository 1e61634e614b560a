"""Tables as Markdown, so that they can stand in the documentation as they come."""

import os
import platform
import statistics

middle = statistics.median


def table(columns, rows):
    """Prints rows of texts under their columns; the first column is to the left."""
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    line = lambda cells: "| " + " | ".join(
        cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(cells, widths))
    ) + " |"
    print(line(columns))
    print("|" + "|".join("-" * (width + 1) + ("-" if at == 0 else ":") for at, width in enumerate(widths)) + "|")
    for row in rows:
        print(line(row))
    print(flush=True)


def ratio(ours, theirs):
    """The median of the ratios of values that were measured in the same rounds."""
    return middle([one / other for one, other in zip(ours, theirs) if other])


def describe_machine():
    load = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} cores, Linux {platform.release().split('-')[0]}, load before the run {load:.2f}\n")
