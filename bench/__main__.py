"""Run the benchmarks, print figures and budgets with the machine's name: `python -m bench [NAME ...]`."""

import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench import node, projectors, recorder
from bench.figures import Figure

BENCHMARKS: dict[str, Callable[[Path], Iterator[Figure]]] = {
    "recorder": recorder.throughput,
    "sender": recorder.one_sender,
    "operator": recorder.operator_latency,
    "state": projectors.state,
    "series": projectors.series,
    "node": node.under_load,
}
LONG: dict[str, Callable[[Path], Iterator[Figure]]] = {"memory": node.memory}


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
    names = sys.argv[1:] or list(BENCHMARKS)
    known = BENCHMARKS | LONG
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
