"""The environment of the system before this one is understood, and ours goes before it."""

import logging
from pathlib import Path

import pytest

from ovr import config, older_names
from ovr.node import open_node
from schemas.errors import ConfigurationError

SITE = '[victoria]\nurl = "http://site:1"\n[reports]\nbase_url = "https://site"\n'


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("http://victoria-metrics:8428/write", "http://victoria-metrics:8428"),
        ("http://vm:8428/api/v2/write", "http://vm:8428"),
        ("https://vm.example/prefix/influx/write", "https://vm.example/prefix"),
        ("http://vm:8428", "http://vm:8428"),
    ],
)
def test_where_lines_were_written_is_where_victoriametrics_is(said: str, meant: str) -> None:
    assert config.load(None, {"VM_WRITE_URL": said}).victoria.url == meant


def test_our_names_go_before_theirs_and_theirs_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    theirs = {"VM_WRITE_URL": "http://old:2/write", "REPORT_BASE_URL": "https://old"}
    ours = {"OVR_VICTORIA_URL": "http://ours:3", "OVR_REPORTS_BASE_URL": "https://ours"}

    found = [config.load(path, env) for env in ({}, theirs, theirs | ours)]

    assert [site.victoria.url for site in found] == ["http://site:1", "http://old:2", "http://ours:3"]
    assert [site.reports.base_url for site in found] == ["https://site", "https://old", "https://ours"]


def test_what_is_no_url_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="VM_WRITE_URL"):
        config.load(None, {"VM_WRITE_URL": "victoria-metrics:8428"})


def test_the_directory_of_their_database_is_ours_where_nothing_else_is_said(tmp_path: Path) -> None:
    theirs = {"DB_PATH": str(tmp_path / "events.db")}
    (tmp_path / "site.toml").write_text('node_id = "edge-07"\n')

    found = open_node(environment=theirs)

    assert (found.layout.data, found.site.node_id) == (tmp_path, "edge-07")
    assert open_node(tmp_path / "other", environment=theirs).layout.data == tmp_path / "other"
    said = open_node(environment=theirs | {"OVR_DATA": str(tmp_path / "ours")})
    assert said.layout.data == tmp_path / "ours"


@pytest.mark.parametrize(
    ("said", "level"),
    [("DEBUG", logging.DEBUG), ("warning", logging.WARNING), ("WARN", logging.WARNING), ("", logging.INFO)],
)
def test_the_level_of_the_log_is_theirs(said: str, level: int) -> None:
    assert older_names.log_level({"LOG_LEVEL": said}) == level
    assert older_names.log_level({"LOG_LEVEL": "LOUD"}) == logging.INFO
