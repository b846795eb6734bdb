"""The workshop of the reports projector: a worker each for documents, for PDFs, and for sending.

Rules that must stay true here: a document never waits for a PDF, nor for a mail server; work of one kind is
done one piece after the other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from projectors.report_hands import Hands
from projectors.report_rows import MAKE, PDF, SEND, Job, Parcel
from projectors.reports import Outcome

_MAKE_S: Final = 120.0
_PDF_S: Final = 60.0
_SEND_S: Final = 90.0


@dataclass(slots=True)
class _Bench:
    hands: Hands
    work: Job | Parcel | None = None


class Workers:
    """Does the work in processes of their own.

    Args:
        data: the data directory.
        wishes: what the site wants of its reports, as JSON.
        delivery: how reports are sent, as JSON; None: nothing is sent here.
    """

    def __init__(self, data: Path, wishes: Mapping[str, Any], delivery: Mapping[str, Any] | None) -> None:
        setup = {"data": str(data), "wishes": wishes}
        self._benches = {
            MAKE: _Bench(Hands({"kind": MAKE, **setup}, _MAKE_S)),
            PDF: _Bench(Hands({"kind": PDF, **setup}, _PDF_S)),
        }
        if delivery is not None:
            self._benches[SEND] = _Bench(Hands({"kind": SEND, **setup, "delivery": delivery}, _SEND_S))

    def free(self, kind: str) -> bool:
        """Tell whether work of a kind can be taken."""
        bench = self._benches.get(kind)
        return bench is not None and bench.work is None and bench.hands.free

    def warm(self) -> None:
        """Have the worker for documents ready."""
        self._benches[MAKE].hands.warm()

    def start(self, what: Job | Parcel) -> None:
        """Begin with a piece of work."""
        bench = self._benches[what.kind]
        bench.work = what
        bench.hands.start(what.said)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what was finished since."""
        for bench in self._benches.values():
            answer = bench.hands.look()
            if answer is None or bench.work is None:
                continue
            work, bench.work = bench.work, None
            if "error" in answer:
                yield Outcome(work, error=answer["error"], for_good=bool(answer.get("for_good")))
            else:
                yield Outcome(work, result=answer["result"])

    def wake(self) -> list[IO[bytes]]:
        """Return what can be read when there is an outcome."""
        answers = (bench.hands.answers for bench in self._benches.values())
        return [one for one in answers if one is not None]

    def close(self) -> None:
        """End all workers."""
        for bench in self._benches.values():
            bench.hands.close()
