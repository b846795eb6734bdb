"""The shipped rules for vmalert: valid, right on made-up series, and understood by the real vmalert."""

import subprocess
from pathlib import Path

import pytest
import yaml

from bus import instants
from projectors.victoria import Victoria
from schemas.measurements import MEASUREMENTS
from tests.alertmanagers import program, start_alertmanager, start_hook
from tests.services import Service, free_port, start_victoria
from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "deploy" / "vmalert").glob("*.yml"))
EXAMPLES = ROOT / "tests" / "vmalert"


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr


def rules() -> list[dict[str, object]]:
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES]
    return [rule for one in documents for group in one["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_are_valid_and_right_on_made_up_series(path: Path) -> None:
    promtool = program("promtool", package="prometheus")

    run(promtool, "check", "rules", str(path))
    run(promtool, "test", "rules", str(EXAMPLES / path.name))


def test_every_rule_has_an_example_a_severity_and_words() -> None:
    examples = "".join(path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.yml"))

    for rule in rules():
        assert f"alertname: {rule['alert']}\n" in examples or f"alertname: {rule['alert']}," in examples
        assert rule["labels"]["severity"] in {"warning", "critical"}  # type: ignore[index]
        assert rule["annotations"].keys() == {"summary", "description"}  # type: ignore[attr-defined]


def test_the_measurements_that_rules_ask_for_are_read_by_the_host_producer() -> None:

    text = " ".join(str(rule["expr"]) for rule in rules())
    words = set("".join(one if one.isalnum() or one == "_" else " " for one in text).split())
    asked = {word.removeprefix("host_") for word in words if word.startswith("host_")}

    assert len(asked) > 8
    assert asked <= MEASUREMENTS.keys()


def test_vmalert_judges_a_real_victoria_metrics_and_tells_alertmanager(tmp_path: Path) -> None:
    vmalert = program("vmalert", package="victoria-metrics")
    run(vmalert, "-dryRun", *(f"-rule={path}" for path in RULES), "-datasource.url=http://127.0.0.1:1")
    hurried = tmp_path / "rules"
    hurried.mkdir()
    for path in RULES:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in said["groups"]:
            group["interval"] = "200ms"
            for rule in group["rules"]:
                rule["for"] = "0s"
        (hurried / path.name).write_text(yaml.safe_dump(said), encoding="utf-8")

    with (
        start_hook() as hook,
        start_victoria(tmp_path) as serving,
        start_alertmanager(tmp_path, hook.url) as to,
    ):
        client = Victoria(serving.url)
        client.post(list(lines(instants.now_us() // 1000)))
        client.flush()
        port = free_port()
        flags = (
            f"-rule={hurried}/*.yml",
            f"-datasource.url={serving.url}",
            f"-notifier.url={to.url}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-loggerLevel=WARN",
        )
        judge = Service((vmalert, *flags), port, tmp_path / "vmalert")
        judge.start()
        try:
            wanted = {
                ("rig_01", "SystemSilent"),
                ("host_node", "DiskNearlyFull"),
                ("host_node", "ClockUnsynchronised"),
                ("rig_02", "HealthCritical"),
            }
            until(lambda: to.alerts().keys() == wanted, f"Alertmanager has {wanted}")
        finally:
            judge.stop()
            client.close()


def lines(now_ms: int) -> list[bytes]:
    """Write an hour of a node: rig_01 fell silent twelve minutes ago, and the disk is nearly full."""
    found = []
    for ago_s in range(0, 3600, 10):
        at = b" %d" % (now_ms - ago_s * 1000)
        found.append(
            b"host,system_id=host_node disk_used_pct=91,clock_synchronised_code=0,host_uptime_s=%d"
            % (9000 - ago_s)
            + at
        )
        found.append(b"ovr_series,journal=j position=%d" % (9000 - ago_s) + at)
        found.append(b"ovr_health,system_id=rig_02 score=42" + at)
        found.append(b"victron,system_id=rig_02 soc_pct=80" + at)
        if ago_s > 720:
            found.append(b"victron,system_id=rig_01 soc_pct=80" + at)
    return found
