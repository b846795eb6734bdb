"""A worker for reports, as a process: told once what it is for, then given work line by line.

Rules that must stay true here:
- what goes wrong with one piece of work is its answer, and the next one is taken; only the end of the input
  ends the process;
- nothing but answers is written to where answers go;
- memory is bounded: what would need more fails;
- PDFs go to whoever has a link, and data.json to whoever has a key: it is in none of them.
"""

import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import orjson

from projectors.report_index import NAME
from projectors.report_rows import MAKE, PDF
from schemas.errors import ConfigurationError, InputError, OvrError

log = logging.getLogger(__name__)

_MOST_BYTES: Final = 1 << 30
LONGEST_US: Final = 92 * 86_400 * 1_000_000
"""A window of so long takes most of that memory."""

_NICENESS: Final = 5
Say = Callable[[Mapping[str, Any]], None]
Work = Callable[[Mapping[str, Any], Say], Mapping[str, Any]]


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever leads us tells when to stop
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_BYTES, resource.RLIM_INFINITY))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s report worker: %(message)s")

    def say(said: Mapping[str, Any]) -> None:
        answers.write(orjson.dumps(said) + b"\n")

    lines = iter(sys.stdin.buffer)
    setup = next(lines, None)
    if setup is None:
        return
    work: Work = worker(orjson.loads(setup))
    with suppress(BrokenPipeError):  # whoever leads us was killed: its successor has the work done again
        for line in lines:
            say({**answer(work, orjson.loads(line), say), "rss_kib": _rss_kib()})


def worker(setup: Mapping[str, Any]) -> Work:
    """Return what does a kind of work, with everything loaded that it needs."""
    data = Path(setup["data"])
    if setup["kind"] == MAKE:
        return _maker(data, setup["wishes"])
    if setup["kind"] == PDF:
        return _printer(data)
    from projectors.report_sending import sender  # noqa: PLC0415 - a worker loads what its kind of work needs

    return sender(data, setup["delivery"])


def answer(work: Work, said: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """Do a piece of work, and tell its result or why there is none."""
    try:
        return {"result": work(said, say)}
    except BrokenPipeError:
        raise
    except (InputError, ConfigurationError) as error:
        return {"error": str(error), "for_good": True}
    except OvrError as error:
        return {"error": str(error), "for_good": False}
    except MemoryError:
        return {"error": "it does not fit into the memory that reports may use", "for_good": True}
    except Exception as error:
        log.exception("%s", said)
        return {"error": f"{type(error).__name__}: {error}", "for_good": False}


def _maker(data: Path, wishes: Mapping[str, Any]) -> Work:
    from bus.journal_sqlite import SqliteJournalReader  # noqa: PLC0415 - as above
    from projectors.archive_parquet import lean  # noqa: PLC0415
    from projectors.archive_reader import ArchiveReader  # noqa: PLC0415
    from projectors.report_facts import Wanted  # noqa: PLC0415
    from projectors.report_making import Sources, make  # noqa: PLC0415
    from projectors.report_wishes import ReportWishes  # noqa: PLC0415
    from reporter.html import prepare  # noqa: PLC0415

    wanted = ReportWishes.of_json(wishes)
    lean()
    prepare()

    def work(said: Mapping[str, Any], say: Say) -> Mapping[str, Any]:
        span = (said["from_us"], said["to_us"]) if said["from_us"] is not None else None
        asked = Wanted(
            said["event_id"], said["system_id"], span, said["revision"], said["reason"], said["position"]
        )
        with closing(SqliteJournalReader(data / "journal")) as reader:
            archive = data / "archive"
            sources = Sources(
                reader,
                ArchiveReader(archive) if archive.is_dir() else None,
                data / "photos",
                wanted.of,
                wanted.attendance,
            )
            made = make(
                sources,
                asked,
                said["cut"],
                data / said["directory"],
                data / NAME,
                lambda done, total: say({"progress": [done, total]}),
                longest_us=LONGEST_US,
            )
        return made.told()

    return work


def _printer(data: Path) -> Work:
    from projectors.report_files import put  # noqa: PLC0415 - as above
    from reporter import pdf  # noqa: F401, PLC0415 - loaded before there is work
    from reporter.render import DATA, PAPER, paper  # noqa: PLC0415 - as above

    os.nice(_NICENESS)

    def work(said: Mapping[str, Any], say: Say) -> Mapping[str, Any]:
        directory = data / said["directory"] / said["folder"]
        document = orjson.loads((directory / DATA).read_bytes())
        photos = {one["sha256"]: data / "photos" / one["sha256"] for one in document["photos"]}
        there = {sha256: path for sha256, path in photos.items() if path.is_file()}
        printed = paper(document, there, attached=False, told=lambda: say({"progress": [0, 1]}))
        put(directory / PAPER, printed)
        return {}

    return work


def _rss_kib() -> int:
    """Tell how much memory the process has now, in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
