"""What a check of `ovr doctor` found. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        what: was looked at.
        said: what was found.
        remedy: what to do; empty when all is well.
    """

    grade: Grade
    what: str
    said: str
    remedy: str = ""
