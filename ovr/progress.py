"""Progress of long work, on stderr and only on a terminal, so that output can be piped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_ERR = Console(stderr=True, highlight=False)


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show how much is done; call what this yields with the count so far."""
    with progressing(what, total) as progress:
        yield lambda done: progress(done, total or 0)


@contextmanager
def progressing(what: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """Show how much is done; call what this yields with the count so far and the total."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_ERR, transient=True, disable=not _ERR.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, end: bar.update(task, completed=done, total=end or None)


@contextmanager
def telling(what: str) -> Iterator[Callable[[str], None]]:
    """Show how something stands that others do; call what this yields with a word."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=_ERR, transient=True, disable=not _ERR.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda word: bar.update(task, description=f"{what}: {word}")
