"""Options of GX devices."""

from typing import Any

import pytest

from producers.victron.gx_session import Assigned
from producers.victron.options import Entry, entries, system_id_of
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
