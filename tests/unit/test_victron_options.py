"""Options of GX devices."""

from pathlib import Path
from typing import Any

import pytest

from producers.clock import SystemClock
from producers.source import Setting
from producers.victron.gx_session import Assigned
from producers.victron.options import Entry, entries, system_id_of
from producers.victron.source import VictronSource
from schemas.errors import ConfigurationError

HOST = "192.168.1.20"


def test_a_host_is_enough() -> None:
    assert entries({"gx": [{"host": HOST}]}) == [Entry(HOST, 1883)]
    assert entries({"gx": [{"host": HOST, "tls": True}]})[0].port == 8883
    assert entries({}) == []


def test_what_is_said_for_all_counts_where_one_says_nothing() -> None:
    one, other = entries({"fast_ms": 250, "gx": [{"host": "a"}, {"host": "b", "fast_ms": 1000}]})

    assert (one.fast_ms, other.fast_ms) == (250, 1000)


def test_names_are_made_canonical_and_services_may_be_systems() -> None:
    (entry,) = entries(
        {
            "gx": [
                {
                    "host": HOST,
                    "system_id": "Rig 01",
                    "assign": [{"service": "pvinverter", "instance": 31, "system_id": "PV-Roof"}],
                }
            ]
        }
    )

    assert entry.system_id == "rig_01"
    assert entry.assign == (Assigned("pvinverter", 31, "pv_roof"),)


def test_a_system_id_is_made_of_the_end_of_the_portal_id() -> None:
    assert system_id_of("c0619aB50f49") == "gx_b50f49"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"gx": {"host": HOST}}, "double brackets"),
        ({"gx": [5]}, "double brackets"),
        ({"gx": [{}]}, "needs a host"),
        ({"gx": [{"host": 5}]}, "printable text"),
        ({"gx": [{"host": HOST, "port": 0}]}, "whole number from 1 to 65535"),
        ({"gx": [{"host": HOST, "tls": 1}]}, "true or false"),
        ({"gx": [{"host": HOST, "hots": "x"}]}, "has no hots"),
        ({"gx": [{"host": HOST, "portal_id": "c0/#"}]}, "portal_id"),
        ({"gx": [{"host": HOST, "insecure": True}]}, "tls = true"),
        ({"gx": [{"host": HOST, "tls": True, "insecure": True, "ca_file": "x"}]}, "useless"),
        ({"gx": [{"host": HOST, "system_id": "a/b"}]}, "system_id"),
        ({"gx": [{"host": HOST}, {"host": HOST}]}, "twice"),
        ({"gx": [{"host": "a", "system_id": "x"}, {"host": "b", "system_id": "X"}]}, "two systems called x"),
        ({"gx": [{"host": HOST, "assign": {"service": "x"}}]}, "double brackets"),
        ({"gx": [{"host": HOST, "assign": [{"service": "x"}]}]}, "needs service, instance and system_id"),
        (
            {"gx": [{"host": HOST, "assign": [{"service": "x", "instance": "1", "system_id": "y"}]}]},
            "is like",
        ),
        ({"fast": 1}, "has no fast"),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        entries(options)


def test_a_password_is_never_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        entries({"gx": [{"host": HOST, "password": "geheim\n"}]})

    assert "geheim" not in str(caught.value)


def test_files_are_looked_for_in_the_data_directory_and_must_be_there(tmp_path: Path) -> None:
    gx = {"host": HOST, "tls": True, "ca_file": "gx.crt", "system_id": "rig"}
    setting = Setting("edge", tmp_path, tmp_path / "victron.json", SystemClock(), {"gx": [gx]})
    with pytest.raises(ConfigurationError, match=r"ca_file: there is no file .*gx\.crt"):
        VictronSource(setting)
    (tmp_path / "gx.crt").touch()

    assert [spec.address for spec in VictronSource(setting).specs()] == [f"mqtts://{HOST}:8883"] * 2


def test_new_options_leave_what_has_not_changed_as_it_is(tmp_path: Path) -> None:
    one, other = {"host": "a", "system_id": "one"}, {"host": "b", "system_id": "other"}
    source = VictronSource(Setting("edge", tmp_path, tmp_path / "x.json", SystemClock(), {"gx": [one]}))
    before = list(source.specs())

    source.configure({"gx": [one, other]})
    assert list(source.specs())[:2] == before
    with pytest.raises(ConfigurationError):
        source.configure({"gx": [{"port": 5}]})
    assert len(list(source.specs())) == 4
    source.configure({"gx": [{**one, "fast_ms": 1000}]})

    assert [spec.interval_ms for spec in source.specs()] == [1000, 5000]


@pytest.mark.parametrize("said", ["", "{", "[]", '{"portals": {"a": "#"}, "numbers": {}}', '{"portals": 5}'])
def test_a_state_file_that_cannot_be_read_is_forgotten(tmp_path: Path, said: str) -> None:
    state = tmp_path / "victron.json"
    state.write_text(said)
    source = VictronSource(Setting("edge", tmp_path, state, SystemClock(), {"gx": [{"host": "a"}]}))

    assert list(source.specs()) == []
    source.save()
