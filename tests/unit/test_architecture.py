"""Imports point one way, and pure modules stay pure."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "schemas": set(),
    "bus": {"schemas"},
    "producers": {"schemas", "bus"},
    "reporter": {"schemas", "bus"},
    "projectors": {"schemas", "bus", "reporter"},
    "detection": {"schemas", "bus", "projectors"},
    "uplink": {"schemas", "bus"},
    "web": {"schemas", "bus", "reporter", "projectors", "detection"},
    "ovr": {"schemas", "bus", "producers", "projectors", "detection", "reporter", "web", "uplink"},
}
PURE = [
    "uplink/answers.py",
    "uplink/lane.py",
    "uplink/lives.py",
    "detection/alert_address.py",
    "detection/alert_events.py",
    "detection/crossings.py",
    "detection/cycles.py",
    "detection/limits.py",
    "detection/machine.py",
    "detection/occurrences.py",
    "detection/overrides.py",
    "detection/watched.py",
    "ovr/health_findings.py",
    "bus/disk_levels.py",
    "bus/envelope.py",
    "bus/epochs.py",
    "bus/journal_verify.py",
    "bus/metrics.py",
    "bus/mqtt.py",
    "bus/mqtt_decoder.py",
    "bus/naming.py",
    "bus/system_ids.py",
    "bus/topics.py",
    "bus/uplink_arrival.py",
    "bus/uplink_batch.py",
    "bus/window.py",
    "producers/alarms.py",
    "producers/holding.py",
    "producers/modbus/cells.py",
    "producers/modbus/decode.py",
    "producers/modbus/device_checks.py",
    "producers/modbus/device_file.py",
    "producers/modbus/energy.py",
    "producers/modbus/orders.py",
    "producers/modbus/plan.py",
    "producers/modbus/points.py",
    "producers/modbus/power.py",
    "producers/modbus/table.py",
    "producers/schedule.py",
    "producers/facts.py",
    "producers/link.py",
    "producers/parts.py",
    "producers/modbus/sunspec_chain.py",
    "producers/modbus/sunspec_layout.py",
    "producers/recording.py",
    "producers/simulator/actions.py",
    "producers/simulator/counting.py",
    "producers/simulator/demand.py",
    "producers/simulator/electricity.py",
    "producers/simulator/engine.py",
    "producers/simulator/faults.py",
    "producers/simulator/flow.py",
    "producers/simulator/gx_core.py",
    "producers/simulator/gx_device.py",
    "producers/simulator/gx_paths.py",
    "producers/simulator/gx_paths_dc.py",
    "producers/simulator/gx_paths_inverter.py",
    "producers/simulator/gx_products.py",
    "producers/simulator/gx_rows.py",
    "producers/simulator/gx_service.py",
    "producers/simulator/gx_systemcalc.py",
    "producers/simulator/gx_values.py",
    "producers/simulator/modbus_image.py",
    "producers/simulator/modbus_pdu.py",
    "producers/simulator/heat.py",
    "producers/simulator/model.py",
    "producers/simulator/noise.py",
    "producers/simulator/rack_ups.py",
    "producers/simulator/readings.py",
    "producers/simulator/rig_readings.py",
    "producers/simulator/scenario.py",
    "producers/simulator/scenario_check.py",
    "producers/simulator/settle.py",
    "producers/simulator/sunspec_image.py",
    "producers/simulator/table.py",
    "producers/simulator/tell.py",
    "producers/simulator/timeline.py",
    "producers/simulator/upsd_file.py",
    "producers/ups/meaning.py",
    "producers/ups/options.py",
    "producers/ups/protocol.py",
    "producers/victron/describing.py",
    "producers/victron/gx_session.py",
    "producers/victron/legacy.py",
    "producers/victron/mapping.py",
    "producers/victron/mirror.py",
    "producers/victron/mqtt311.py",
    "producers/victron/numbers.py",
    "producers/victron/options.py",
    "producers/victron/readings.py",
    "producers/victron/vigil.py",
    "projectors/aliases.py",
    "projectors/arrow_numpy.py",
    "projectors/sample_blocks.py",
    "projectors/sample_rows.py",
    "projectors/corrections.py",
    "projectors/fleet.py",
    "projectors/lines.py",
    "projectors/markers.py",
    "projectors/nodes.py",
    "projectors/report_facts.py",
    "projectors/report_fold.py",
    "projectors/report_lanes.py",
    "projectors/report_lines.py",
    "projectors/report_mail.py",
    "projectors/report_names.py",
    "projectors/report_part.py",
    "projectors/report_requests.py",
    "projectors/report_said.py",
    "projectors/report_state.py",
    "projectors/report_wishes.py",
    "projectors/series.py",
    "projectors/series_counters.py",
    "projectors/series_samples.py",
    "projectors/state_fold.py",
    "projectors/state_system.py",
    "projectors/windows.py",
    "schemas/limits.py",
    "web/api/answers.py",
    "web/api/bodies.py",
    "web/api/csv_rows.py",
    "web/api/docs_page.py",
    "web/api/energy_so_far.py",
    "web/api/hosts.py",
    "web/api/labels.py",
    "web/api/limits.py",
    "web/api/problems.py",
    "reporter/basis.py",
    "reporter/charts.py",
    "reporter/charts_event.py",
    "reporter/charts_load.py",
    "reporter/charts_of_event.py",
    "reporter/charts_of_system.py",
    "reporter/charts_time.py",
    "reporter/colours.py",
    "reporter/findings_said.py",
    "reporter/highlights.py",
    "reporter/highlights_event.py",
    "reporter/moments.py",
    "reporter/quantities.py",
    "reporter/rows.py",
    "reporter/svg.py",
    "reporter/tables.py",
    "reporter/voice.py",
    "reporter/supply.py",
    "reporter/flows.py",
    "reporter/sources.py",
    "reporter/genset.py",
    "reporter/battery.py",
    "reporter/shaving.py",
    "reporter/fuel.py",
    "reporter/emissions.py",
    "reporter/sustainability.py",
    "reporter/factors.py",
    "reporter/event_report.py",
    "reporter/event_members.py",
    "reporter/event_peaks.py",
    "reporter/event_profile.py",
    "reporter/event_rows.py",
    "reporter/event_sustainability.py",
    "reporter/findings.py",
    "reporter/profile.py",
    "reporter/coarse.py",
    "reporter/columns.py",
    "reporter/coverage.py",
    "reporter/curve.py",
    "reporter/demand.py",
    "reporter/device.py",
    "reporter/energies.py",
    "reporter/energy.py",
    "reporter/excursions.py",
    "reporter/facts.py",
    "reporter/figures.py",
    "reporter/happenings.py",
    "reporter/imbalance.py",
    "reporter/load.py",
    "reporter/methods.py",
    "reporter/nominal.py",
    "reporter/phases.py",
    "reporter/phasing.py",
    "reporter/power_factor.py",
    "reporter/quality.py",
    "reporter/registers.py",
    "reporter/summary.py",
    "reporter/system_report.py",
    "reporter/track.py",
    "reporter/trimming.py",
    "reporter/wanted.py",
    "ovr/backup_manifest.py",
    "ovr/backup_settings.py",
    "ovr/disk_settings.py",
    "ovr/old_rows.py",
    "ovr/old_series.py",
]
SHELL = {
    "time",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "logging",
    "select",
    "os",
}


def modules(package: str) -> Iterator[Path]:
    return (ROOT / package).rglob("*.py")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package: str) -> None:
    others = MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    for path in modules(package):
        wrong = {name for name in imported(path) if name.split(".")[0] in others}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_do_no_io_and_ask_no_clock(module: str) -> None:
    wrong = {name for name in imported(ROOT / module) if name.split(".")[0] in SHELL}
    assert not wrong, f"{module} imports {wrong}"


def test_only_one_module_spells_topics() -> None:
    for package in MAY_IMPORT:
        for path in modules(package):
            if path.name in {"topics.py", "asyncapi.py"}:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert not node.value.startswith(("ovr/in/", "ovr/events/", "ovr/state/", "ovr/ack/")), (
                        path
                    )
