"""The tables that read a GX and those that simulate one were written apart: they must mean the same."""

import pytest

from producers.simulator.gx_paths import PATHS, PLACES
from producers.simulator.gx_rows import Row
from producers.simulator.gx_values import dbus_number
from producers.victron.mapping_file import packaged

READ = packaged()
ROWS = [(service, row) for service, rows in PATHS.items() for row in rows]
NOT_READ = {("solarcharger", "/Yield/System")}  # the user's counter is read instead


def first(service: str, names: tuple[str, ...]) -> set[str]:
    """Names as the first instance has them: some places stand with their number only."""
    place = PLACES.get(service, "")
    return set(names) | {name.replace(f"{place}_", f"{place}_1_", 1) for name in names if place}


@pytest.mark.parametrize(
    ("service", "row"), ROWS, ids=lambda item: item if isinstance(item, str) else item.path
)
def test_a_simulated_path_is_read_as_the_measurement_that_was_told(service: str, row: Row) -> None:
    if (service, row.path) in NOT_READ:
        return
    about = READ.services[service]
    readings = about.readings[row.path]
    assert {about.named(reading.name, 1) for reading in readings} & first(service, row.names)
    told = 123.0 if row.kind == "int" else 123.46
    for reading in readings:
        value = reading.value(dbus_number(told * row.scale, row.kind, row.step))
        assert value == pytest.approx(told, abs=max(row.step / abs(row.scale), 0.02))
        if not reading.magnitude:
            back = reading.value(dbus_number(-told * row.scale, row.kind, row.step))
            assert back == pytest.approx(-told, abs=max(row.step / abs(row.scale), 0.02))


@pytest.mark.parametrize("service", sorted(PATHS))
def test_every_simulated_alarm_is_known_as_one(service: str) -> None:
    about = READ.services[service]
    for row in PATHS[service]:
        if "/Alarms/" in row.path:
            assert about.alarms[row.path]
