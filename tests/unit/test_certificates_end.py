"""When a certificate ends: read without any library, right for any, silent about what is none."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovr import certificates
from ovr.certificates import ends_at_s


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 9 -subj /CN=edge"
    )
    files = ("-keyout", str(directory / "key.pem"), "-out", str(directory / "node.crt"))
    subprocess.run([*command.split(), *files], check=True, capture_output=True, timeout=60)
    return directory / "node.crt"


def test_it_says_when_a_certificate_ends(certificate: Path) -> None:
    said = ["openssl", "x509", "-in", str(certificate), "-noout", "-enddate"]
    text = subprocess.run(said, check=True, capture_output=True, text=True, timeout=60).stdout
    wanted = datetime.strptime(text.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)

    assert ends_at_s(certificate) == wanted.timestamp()


def test_what_is_no_certificate_says_nothing(tmp_path: Path, certificate: Path) -> None:
    cut = tmp_path / "cut.crt"
    lines = certificate.read_text().splitlines()
    cut.write_text("\n".join([lines[0], lines[1], lines[-1]]))

    assert ends_at_s(cut) is None
    assert ends_at_s(certificate.with_name("key.pem")) is None
    assert ends_at_s(tmp_path / "missing.crt") is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_refused(body: bytes) -> None:
    try:
        certificates._not_after(body)
    except (ValueError, IndexError, KeyError):
        return
