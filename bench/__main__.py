"""Run the benchmarks, print figures and budgets with the machine's name.

`python -m bench [NAME ...] [--seconds N]`: N is for how long `node` and `producers` are looked at.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench import archive, counters, node, pages, producers, projectors, recorder, reports, sealing, web
from bench.figures import Figure

BENCHMARKS: dict[str, Callable[[Path], Iterator[Figure]]] = {
    "recorder": recorder.throughput,
    "sender": recorder.one_sender,
    "operator": recorder.operator_latency,
    "sealing": sealing.sealing,
    "state": projectors.state,
    "series": projectors.series,
    "archive": archive.archive,
    "reports": reports.reports,
    "node": node.under_load,
    "producers": producers.producers,
    "web": web.api,
    "pages": pages.pages,
}
LONG: dict[str, Callable[[Path], Iterator[Figure]]] = {
    "memory": node.memory,
    "counters": counters.a_year,
    "festival": reports.festival,
}


def machine() -> str:
    """Name the machine: processor, cores, memory, system."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{model}, {psutil.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def main() -> int:
    """Run what is named, or everything that does not take minutes."""
    known = BENCHMARKS | LONG
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--seconds", type=float, default=30.0)
    said = parser.parse_args()
    node.SECONDS = producers.SECONDS = said.seconds
    names = said.names or list(BENCHMARKS)
    unknown = set(names) - set(known)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(known)}")
        return 2
    console = Console()
    console.print(machine())
    table = Table("figure", "measured", "budget")
    for name in names:
        with tempfile.TemporaryDirectory() as tmp:
            for figure in known[name](Path(tmp)):
                table.add_row(figure.name, figure.text, figure.budget)
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
