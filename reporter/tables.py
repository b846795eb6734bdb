"""Tables as CSV (RFC 4180), for spreadsheets and other programs. Pure.

Rules that must stay true here: a cell never begins a formula, whoever wrote it; numbers are plain, with a
point and without grouping; absent is an empty cell, never a zero.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_BLANKS = " \u00a0\u200b\u2068\ufeff"


def table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as CSV, the columns in their order; what is not a column is left out."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def cell(value: Any) -> Any:
    """Make a cell; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.replace("\0", "")
        return f"'{text}" if text.lstrip(_BLANKS).startswith(_FORMULA) else text
    return value
