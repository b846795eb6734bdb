"""A measured figure, and how it is shown against its budget."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement.

    Attributes:
        at_least: the budget, where more is better.
        at_most: the budget, where less is better.
    """

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def budget(self) -> str:
        """Write the budget and whether it is met."""
        if self.at_least is not None:
            return f">= {self.at_least:,.0f} {'met' if self.value >= self.at_least else 'MISSED'}"
        if self.at_most is not None:
            return f"<= {self.at_most:,.0f} {'met' if self.value <= self.at_most else 'MISSED'}"
        return ""

    @property
    def text(self) -> str:
        """Write the value with as many digits as say something."""
        digits = 0 if abs(self.value) >= 100 else 2
        return f"{self.value:,.{digits}f} {self.unit}"


def percentile(values: list[float], percent: int) -> float:
    """Return the value below which `percent` of a hundred lie; not a number when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else float("nan")
