"""How many examples a law is tried with: few whenever tests run, many in `make soak`."""

import os
from collections.abc import Callable
from typing import Any, Final

from hypothesis import settings

SOAKING: Final = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
_MANY: Final = 40


def examples(few: int) -> Callable[[Any], Any]:
    """Try a law, that is dear to try, with so many examples; with forty times as many in `make soak`."""
    return settings(max_examples=few * _MANY if SOAKING else few)
