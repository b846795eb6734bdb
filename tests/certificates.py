"""Certificates for tests: an authority, and what it signs, made with openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Authority:
    """An authority in a directory."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """What others trust."""
        return self.directory / "ca.crt"

    def sign(self, name: str, *, days: str = "30") -> tuple[Path, Path]:
        """Make a certificate for an address or a DNS name, and its key; negative days have passed."""
        key, request, signed = (self.directory / f"{name}.{end}" for end in ("key", "csr", "crt"))
        kind = "IP" if name.replace(".", "").isdigit() else "DNS"
        names = self.directory / f"{name}.ext"
        names.write_text(f"subjectAltName={kind}:{name}\n")
        _openssl("req", *_CURVE, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        ca = ("-CA", self.certificate, "-CAkey", self.directory / "ca.key", "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *ca, "-days", days, "-out", signed, "-extfile", names)
        return signed, key


def authority(directory: Path) -> Authority:
    """Make an authority."""
    directory.mkdir(parents=True, exist_ok=True)
    made = Authority(directory)
    key = ("-keyout", directory / "ca.key", "-out", made.certificate)
    _openssl("req", "-x509", *_CURVE, "-days", "30", "-subj", "/CN=Test authority", *key)
    return made


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30)
