"""What a virtual site keeps between two lives: taken up when it fits, and as good as none otherwise."""

import tomllib
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from producers.simulator import keeping, scenario_file
from producers.simulator.keeping import Kept

FESTIVAL = scenario_file.load("festival")
NOW_US = 1_800_000_000_000_000
KEPT = Kept(
    NOW_US - 61_200_000_000, 61_200.0, {"rig_01": {}}, {"rig_01": 4000}, frozenset({("rig_01", "hot")})
)


def saved(tmp_path: Path) -> Path:
    path = tmp_path / "simulator" / "site.json"
    keeping.save(path, FESTIVAL, KEPT)
    return path


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    assert keeping.load(saved(tmp_path), FESTIVAL, NOW_US) == KEPT


def test_another_scenario_another_seed_and_too_long_ago_begin_anew(tmp_path: Path) -> None:
    path = saved(tmp_path)

    assert keeping.load(path, replace(FESTIVAL, name="other"), NOW_US) is None
    assert keeping.load(path, replace(FESTIVAL, seed=0), NOW_US) is None
    assert keeping.load(path, FESTIVAL, NOW_US + 8 * 86_400_000_000) is None
    assert keeping.load(path, FESTIVAL, NOW_US - 1) is None
    assert keeping.load(tmp_path / "nowhere.json", FESTIVAL, NOW_US) is None


@pytest.mark.parametrize("name", ["origin_us", "time_s", "rigs", "ports", "holding", "seed"])
@pytest.mark.parametrize("value", [None, "x", [1]])
def test_a_damaged_file_begins_anew(tmp_path: Path, name: str, value: object) -> None:
    path = saved(tmp_path)
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), name: value}))

    assert keeping.load(path, FESTIVAL, NOW_US) is None


def test_a_torn_file_begins_anew(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:40])

    assert keeping.load(path, FESTIVAL, NOW_US) is None


def test_the_devices_file_is_toml_and_written_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    entry = {"host": "127.0.0.1", "port": 502, "name": 'a "rig" ä', "tls": True, "parameters": {"scale": 0.1}}

    keeping.write_devices(path, FESTIVAL, [("devices", entry), ("gx", {"port": 1})])
    first = path.stat()
    keeping.write_devices(path, FESTIVAL, [("devices", entry), ("gx", {"port": 1})])

    assert tomllib.loads(path.read_text()) == {"devices": [entry], "gx": [{"port": 1}]}
    assert path.stat().st_mtime_ns == first.st_mtime_ns
    assert path.stat().st_mode & 0o077 == 0
