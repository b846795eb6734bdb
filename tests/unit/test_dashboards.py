"""Grafana's dashboards and provisioning: generated, up to date, in Grafana's schema, and fit for people."""

import copy
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from bus import metrics
from grafana.__main__ import DASHBOARDS, HERE, text_of
from grafana.frame import CLIENT
from grafana.panels import UID
from schemas.measurements import MEASUREMENTS
from tests.dashboards import FILES, ROOT, asked, load, panels
from tests.grafana_models import faults

PROVISIONING = ROOT / "grafana" / "provisioning"
KINDS = ("victron", "sunspec", "ups", "acuvim", "sungrow", "sma", "deye", "host")
SCHEMA_VERSION = 42
ids = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_committed_file_is_what_the_code_makes(name: str) -> None:
    assert (HERE / name).read_text(encoding="utf-8") == text_of(DASHBOARDS[name]()), "run `python -m grafana`"


def test_there_is_no_other_file() -> None:
    assert {str(path.relative_to(HERE)) for path in FILES} == set(DASHBOARDS)


@ids
def test_a_dashboard_fits_grafanas_schema(path: Path) -> None:
    assert load(path)["schemaVersion"] == SCHEMA_VERSION
    assert faults(load(path)) == []


def test_what_does_not_fit_the_schema_is_found() -> None:
    said = copy.deepcopy(load(HERE / "Operations" / "fleet.json"))
    said["panels"][0]["fieldConfig"]["defaults"]["unit"] = 5
    said["panels"][1]["titel"] = "Silent"
    said["panels"][0]["options"]["graphMode"] = "wall"

    found = " ".join(faults(said))

    assert "unit: 5" in found
    assert "titel: unknown" in found
    assert "graph_mode: 'wall'" in found


@ids
def test_file_provisioning_takes_it(path: Path) -> None:
    said = load(path)
    assert "elements" not in said
    assert said["uid"].startswith("ovr-")
    assert said["editable"] is False
    assert len({load(one)["uid"] for one in FILES}) == len(FILES)


@ids
def test_every_panel_says_what_it_shows_in_which_unit_and_what_to_do(path: Path) -> None:
    for panel in panels(load(path)):
        assert panel["title"]
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == UID
        assert all(target["datasource"]["uid"] == UID for target in panel["targets"])


@ids
def test_panels_fill_the_grid_and_do_not_overlap(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in load(path)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@ids
def test_no_line_is_drawn_over_a_gap(path: Path) -> None:
    for panel in panels(load(path)):
        if panel["type"] in {"timeseries", "state-timeline"}:
            assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False, panel["title"]


@ids
def test_what_is_asked_over_time_is_asked_in_grafanas_own_steps(path: Path) -> None:
    for query in asked(path):
        ranges = re.findall(r"\[([^\]]+)\]", query.expr)
        if not query.instant:
            assert not {"1m", "5m"} & set(ranges), query.where
        assert "avg" not in query.expr, f"{query.where}: a mean hides an outage"


@ids
def test_what_was_chosen_is_compared_and_not_taken_for_a_pattern(path: Path) -> None:
    many = {one["name"] for one in load(path)["templating"]["list"] if one.get("multi")}
    for query in asked(path):
        for name in re.findall(r'=~"\$(\w+)"', query.expr):
            assert name in many, query.where


@ids
def test_names_of_series_are_those_that_are_written(path: Path) -> None:
    told = {metric.name for metric in metrics.table()}
    journal = {"ovr_event_active", "ovr_alert_active", "ovr_health_score", "ovr_ups_events_total"}
    for query in asked(path):
        for name in re.findall(r"\bovr_[a-z0-9_]+", query.expr):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in journal or base in told or name in told, f"{query.where}: {name}"
        for pattern in re.findall(r'__name__=~"([^"]+)"', query.expr):
            for part in _parts(pattern):
                assert _is_written(part), f"{query.where}: {part}"


@cache
def _is_written(pattern: str) -> bool:
    known = (f"{kind}_{one}" for kind in KINDS for one in MEASUREMENTS)
    return any(map(re.compile(pattern).fullmatch, known))


def _parts(pattern: str) -> list[str]:
    """Split a pattern at what stands between its alternatives, but not within brackets."""
    return re.split(r"\|(?![^()]*\))", pattern)


def test_the_clients_dashboard_shows_one_event_and_nothing_of_the_software() -> None:
    said = load(HERE / "Client" / "client.json")
    assert said["uid"] == CLIENT
    for query in asked(HERE / "Client" / "client.json"):
        assert "event_id" in query.expr, query.where
        assert "process" not in query.expr
    assert not said.get("links")


def test_a_clients_dashboard_of_an_event_has_nothing_to_choose(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "grafana" / "client-dashboard")]

    subprocess.run([*script, 'O\'Brien "1"', "--to", str(tmp_path)], check=True, timeout=60)

    (path,) = tmp_path.iterdir()
    said: Any = json.loads(path.read_text(encoding="utf-8"))
    assert said["uid"] != CLIENT
    assert len(said["uid"]) <= 40
    assert said["templating"]["list"] == []
    assert "$event_id" not in path.read_text(encoding="utf-8")
    assert all('event_id=~"O\'Brien \\"1\\""' in query.expr for query in asked(path))
    assert faults(said) == []


def test_two_events_with_like_names_get_two_dashboards(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "grafana" / "client-dashboard")]
    for name in ("a b", "a-b", "a.b"):
        subprocess.run([*script, name, "--to", str(tmp_path)], check=True, timeout=60)

    assert len(list(tmp_path.iterdir())) == 3


def test_the_data_source_is_the_built_in_one_under_its_fixed_uid() -> None:
    said = yaml.safe_load(
        (PROVISIONING / "datasources" / "victoria-metrics.yaml").read_text(encoding="utf-8")
    )

    (source,) = said["datasources"]
    assert (source["type"], source["uid"], source["editable"]) == ("prometheus", UID, False)
    assert source["url"] == "${VM_URL}"


def test_dashboards_are_read_from_their_folders_and_cannot_be_changed() -> None:
    said = yaml.safe_load((PROVISIONING / "dashboards" / "ovr.yaml").read_text(encoding="utf-8"))

    (provider,) = said["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    assert provider["options"]["foldersFromFilesStructure"] is True
