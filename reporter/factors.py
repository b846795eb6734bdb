"""The table of greenhouse gas factors, and which of its rows a report uses. Pure.

Rules that must stay true here: a factor that the table does not have is absent, and never another fuel's;
which row counts follows from the end of the window alone, so that a report made again is the same.
"""

import tomllib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Final

from reporter.facts import Document, ReportSettings

COMBUSTION: Final = "1"
UPSTREAM: Final = "wtt"
GRID: Final = "2"
OUTSIDE: Final = "outside"
ELECTRICITY: Final = "electricity"


@dataclass(frozen=True, slots=True)
class Factor:
    """Hold one row: so many kg for a litre, or for a kWh."""

    id: str
    region: str
    fuel: str
    blend: str
    year: int
    scope: str
    factor: float
    unit: str
    gases: str
    source: str
    status: str

    def told(self) -> Document:
        """Give the row as a report prints it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Table:
    """Hold all rows, and which region uses which set."""

    rows: tuple[Factor, ...]
    regions: dict[str, str]

    def find(self, region: str, fuel: str, scope: str, at_us: int) -> Factor | None:
        """Give the row that counts at an instant; None where there is none for the fuel and scope.

        Fuels are much the same everywhere; electricity is that of the region itself or of none.
        """
        of = region if scope == GRID else self.regions.get(region, region)
        found = [row for row in self.rows if (row.region, row.fuel, row.scope) == (of, fuel, scope)]
        if not found:
            return None
        year = datetime.fromtimestamp(at_us // 1_000_000, UTC).year
        found.sort(key=lambda row: row.year)
        return next((row for row in reversed(found) if row.year <= year), found[0])


@cache
def table() -> Table:
    """Load the table."""
    text = (files("reporter") / "factors.toml").read_text(encoding="utf-8")
    loaded = tomllib.loads(text)
    return Table(tuple(Factor(**row) for row in loaded["factor"]), loaded["regions"])


def grid_factor(settings: ReportSettings, at_us: int) -> Factor | None:
    """Give the factor of grid electricity: the site's own where it is set, else its region's."""
    if settings.grid_factor_kg_per_kwh is None:
        return table().find(settings.region, ELECTRICITY, GRID, at_us)
    return Factor(
        id="settings-electricity-2",
        region=settings.region,
        fuel=ELECTRICITY,
        blend="as set for this site",
        year=datetime.fromtimestamp(at_us // 1_000_000, UTC).year,
        scope=GRID,
        factor=settings.grid_factor_kg_per_kwh,
        unit="kg_per_kwh",
        gases="co2e",
        source="settings of the site",
        status="stated",
    )
