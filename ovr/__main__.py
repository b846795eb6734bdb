"""`ovr`, and `python -m ovr`: how people and the supervisor start everything.

Rules that must stay true here: processes of a node start without the command line, larger than most of them.
"""

import sys

from ovr.begin import explain, log_to_stderr
from ovr.starting import asked
from schemas.errors import OvrError


def main() -> None:
    """Run one of our processes, or leave it to the command line."""
    found = asked(sys.argv[1:])
    if found is None:
        from ovr.main import app

        app()
        return
    run, words = found
    log_to_stderr()
    try:
        run(words)
    except OvrError as error:
        raise SystemExit(explain(error)) from None


if __name__ == "__main__":
    main()
