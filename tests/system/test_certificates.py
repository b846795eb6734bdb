"""Certificates by script: clients believe them, a broker takes a new one, what does not fit stays out."""

import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose_files import ROOT
from tests.services import Service, free_port, start_mosquitto
from tests.waiting import until

NAMES = ("edge-01.lan", "localhost", "127.0.0.1")


def certificates(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "deploy" / "certificates"), *map(str, words)]
    environment = {**os.environ, "OVR_GROUP": str(os.getgid())}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def done(*words: str | Path) -> str:
    result = certificates(*words)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def openssl(*words: str | Path) -> str:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    done("node", directory, *NAMES)
    done("client", directory, "alice")
    return directory


@pytest.fixture(scope="module")
def broker(tls: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, int]]:
    port = free_port()
    files = [f"certfile {tls}/node.crt", f"keyfile {tls}/node.key", f"cafile {tls}/ca.crt"]
    user = ["user root"] if os.geteuid() == 0 else []
    lines = [*user, f"listener {port} 127.0.0.1", *files, "require_certificate true"]
    with start_mosquitto(tmp_path_factory.mktemp("broker"), *lines) as service:
        yield service, port


def publish(port: int, tls: Path, host: str = "localhost", *more: str | Path) -> int:
    trust = ["--cafile", tls / "ca.crt", *more]
    command = [
        "mosquitto_pub",
        "-h",
        host,
        "-p",
        str(port),
        "-t",
        "t",
        "-m",
        "m",
        "-q",
        "1",
        *map(str, trust),
    ]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode


def serial(port: int) -> str:
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-serial"], input=pem, capture_output=True, text=True, check=True
    )
    return text.stdout


def test_a_client_believes_the_broker_and_the_broker_the_client(
    broker: tuple[Service, int], tls: Path
) -> None:
    port = broker[1]
    own = ("--cert", tls / "clients/alice.crt", "--key", tls / "clients/alice.key")
    assert publish(port, tls, "localhost", *own) == 0
    assert publish(port, tls, "localhost") != 0, "without a certificate of its own"


def test_another_authority_is_not_believed(broker: tuple[Service, int], tls: Path, tmp_path: Path) -> None:
    done("authority", tmp_path, "another")
    own = ("--cert", tls / "clients/alice.crt", "--key", tls / "clients/alice.key")
    assert publish(broker[1], tmp_path, "localhost", *own) != 0


def test_a_running_broker_takes_a_renewed_certificate_at_a_signal(
    broker: tuple[Service, int], tls: Path
) -> None:
    service, port = broker
    before = serial(port)
    assert "good for more than 30 days" in done("renew", tls)
    assert serial(port) == before
    done("renew", tls, "398")
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)
    until(lambda: serial(port) != before, "the new certificate is served")
    own = ("--cert", tls / "clients/alice.crt", "--key", tls / "clients/alice.key")
    assert publish(port, tls, "localhost", *own) == 0


def test_a_certificate_is_for_the_names_that_were_said(tls: Path) -> None:
    said = openssl("x509", "-in", tls / "node.crt", "-noout", "-ext", "subjectAltName,extendedKeyUsage")
    assert "DNS:edge-01.lan, DNS:localhost, IP Address:127.0.0.1" in said
    assert "TLS Web Server Authentication" in said
    openssl("verify", "-CAfile", tls / "ca.crt", "-purpose", "sslserver", tls / "node.crt")
    openssl("verify", "-CAfile", tls / "ca.crt", "-purpose", "sslclient", tls / "clients/alice.crt")


def test_keys_are_not_for_everyone(tls: Path) -> None:
    modes = {
        name: (tls / name).stat().st_mode & 0o777 for name in ("ca.key", "node.key", "clients/alice.key")
    }
    assert modes == {"ca.key": 0o600, "node.key": 0o640, "clients/alice.key": 0o640}


def test_what_ends_soon_is_told_by_the_exit_status(tls: Path) -> None:
    assert certificates("check", tls).returncode == 0
    result = certificates("check", tls, "400")
    assert result.returncode == 1
    assert "within 400 days" in result.stdout


def test_a_pair_from_elsewhere_is_taken_when_it_fits_together(tls: Path, tmp_path: Path) -> None:
    done("bring", tmp_path, tls / "node.crt", tls / "node.key")
    assert (tmp_path / "node.crt").read_text() == (tls / "node.crt").read_text()
    before = (tmp_path / "node.key").read_bytes()
    for chain, key in (
        (tls / "node.crt", tls / "clients/alice.key"),
        (tls / "clients/alice.crt", tls / "clients/alice.key"),  # it names nobody
        (tls / "node.key", tls / "node.key"),
    ):
        assert certificates("bring", tmp_path, chain, key).returncode == 2
    assert (tmp_path / "node.key").read_bytes() == before


def test_what_is_not_of_this_authority_is_not_renewed_behind_its_back(tls: Path, tmp_path: Path) -> None:
    done("bring", tmp_path, tls / "node.crt", tls / "node.key")
    result = certificates("renew", tmp_path, "398")
    assert result.returncode == 2
    assert "bring a new one" in result.stderr


def test_a_dry_run_and_a_wrong_name_write_nothing(tmp_path: Path) -> None:
    assert "would write" in done("--dry-run", "node", tmp_path / "new", "edge-01.lan")
    assert certificates("node", tmp_path / "new", "edge 01").returncode == 2
    assert not (tmp_path / "new").exists()


def test_an_authority_is_not_replaced(tls: Path) -> None:
    before = (tls / "ca.crt").read_bytes()
    assert certificates("authority", tls).returncode == 2
    assert (tls / "ca.crt").read_bytes() == before
