"""Reports on their way: real mail servers and real HTTP servers, those that refuse and those that fail."""

import hashlib
import hmac
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from projectors.report_mail import link
from projectors.report_sending import SIGNATURE, sender
from schemas.errors import InputError, TransientError
from tests.report_receivers import Hook, Postbox, mail_server, webhook
from tests.services import free_port

SAMPLES = Path(__file__).parents[1] / "samples"
PDF = b"%PDF-1.7 made up"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("tls")
    key, cert = directory / "key.pem", directory / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    words = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        str(key),
        "-out",
        str(cert),
    ]
    subprocess.run(["openssl", *words, *subject], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def report(tmp_path: Path) -> Path:
    directory = tmp_path / "reports" / "one"
    directory.mkdir(parents=True)
    (directory / "data.json").write_bytes((SAMPLES / "report_event.json").read_bytes())
    (directory / "report.pdf").write_bytes(PDF)
    return tmp_path


def said(**more: Any) -> dict[str, Any]:
    return {
        "id": "r1",
        "scope": "event",
        "event_id": "Summer Festival",
        "system_id": None,
        "revision": 1,
        "directory": "reports/one",
        "sha256": "0" * 64,
        "reason": "event_ended",
        "channel": "mail",
        "recipient": "client@example.org",
        **more,
    }


def delivery(**more: Any) -> dict[str, Any]:
    return {"smtp": None, "webhook": None, "base_url": "https://ovr.example/", "node_id": "edge-01", **more}


def smtp(port: int, **more: Any) -> dict[str, Any]:
    return {
        "host": "localhost",
        "port": port,
        "security": "none",
        "username": None,
        "password": None,
        "sender": "reports@example.org",
        "ca_file": None,
        **more,
    }


def send(data: Path, how: dict[str, Any], **more: Any) -> None:
    sender(data, how)(said(**more), lambda _: None)


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def served(postbox: Postbox) -> Iterator[Callable[..., int]]:
    with ExitStack() as running:
        yield lambda **options: running.enter_context(mail_server(postbox, **options))


def test_a_report_is_mailed_with_its_figures_its_pdf_and_a_link(
    report: Path, postbox: Postbox, served: Callable[..., int]
) -> None:
    send(report, delivery(smtp=smtp(served())))
    ((to, letter),) = postbox.taken
    assert to == ["client@example.org"]
    assert letter["To"] == "client@example.org"
    assert "power report" in letter["Subject"]
    text = letter.get_body(("plain",))
    page = letter.get_body(("html",))
    assert text is not None
    assert page is not None
    assert "Energy: " in text.get_content()
    assert "kWh" in text.get_content()
    assert 'href="https://ovr.example/api/reports/Summer%20Festival/html?revision=1"' in page.get_content()
    (attached,) = letter.iter_attachments()
    assert attached.get_content() == PDF
    assert attached.get_content_type() == "application/pdf"
    assert str(attached.get_filename()).startswith("summer_festival-")


def test_it_goes_without_a_pdf_where_there_is_none(
    report: Path, postbox: Postbox, served: Callable[..., int]
) -> None:
    (report / "reports" / "one" / "report.pdf").unlink()
    send(report, delivery(smtp=smtp(served()), base_url=None))
    ((_, letter),) = postbox.taken
    assert list(letter.iter_attachments()) == []


def test_hostile_names_reach_neither_headers_nor_the_page(
    report: Path, postbox: Postbox, served: Callable[..., int]
) -> None:
    path = report / "reports" / "one" / "data.json"
    name = "<script>x</script>\u202e Bcc: evil@example.org"
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"event_id": name}))
    send(report, delivery(smtp=smtp(served())), event_id=name)
    ((to, letter),) = postbox.taken
    page = letter.get_body(("html",))
    assert page is not None
    assert "<script" not in page.get_content()
    assert to == ["client@example.org"]
    assert letter["Bcc"] is None


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it is TLS from the first byte
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_is_sent_over_tls_with_a_password(
    report: Path, postbox: Postbox, served: Callable[..., int], certificate: tuple[Path, Path], security: str
) -> None:
    cert, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def authenticate(*arguments: Any) -> AuthResult:
        return AuthResult(success=arguments[-1] == LoginPassword(b"ovr", b"secret"), handled=False)

    options: dict[str, Any] = {"authenticator": authenticate, "auth_required": True}
    if security == "tls":
        port = served(ssl_context=context, auth_require_tls=False, **options)
    else:
        port = served(tls_context=context, require_starttls=True, **options)
    how = smtp(port, security=security, username="ovr", password="secret", ca_file=str(cert))
    send(report, delivery(smtp=how))
    assert len(postbox.taken) == 1
    with pytest.raises(InputError, match="535"):
        send(report, delivery(smtp={**how, "password": "wrong"}))
    with pytest.raises(TransientError, match="certificate"):
        send(report, delivery(smtp={**how, "ca_file": None}))
    assert len(postbox.taken) == 1


def test_no_password_goes_to_a_server_without_tls(report: Path, served: Callable[..., int]) -> None:
    how = smtp(served(), security="starttls", username="ovr", password="secret")
    with pytest.raises(InputError, match="STARTTLS"):
        send(report, delivery(smtp=how))


@pytest.mark.parametrize(
    ("answer", "error"), [("550 no such user", InputError), ("451 later", TransientError)]
)
def test_a_refusal_says_whether_to_try_again(
    report: Path, postbox: Postbox, served: Callable[..., int], answer: str, error: type[Exception]
) -> None:
    postbox.refuse = answer
    with pytest.raises(error, match=answer.split(" ", 1)[1]):
        send(report, delivery(smtp=smtp(served())))


def test_a_server_that_is_away_is_for_later(report: Path) -> None:
    with pytest.raises(TransientError):
        send(report, delivery(smtp=smtp(free_port())))
    with pytest.raises(InputError, match="no mail server"):
        send(report, delivery())


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook() as server:
        yield server


def test_a_webhook_is_told_and_can_tell_who_said_it(report: Path, hook: Hook) -> None:
    how = delivery(webhook={"url": hook.url, "secret": "shared"})
    send(report, how, channel="webhook", recipient=hook.url, revision=2)
    ((body, headers),) = hook.taken
    told = orjson.loads(body)
    assert (told["event_id"], told["revision"], told["sha256"]) == ("Summer Festival", 2, "0" * 64)
    assert told["url"] == "https://ovr.example/api/reports/Summer%20Festival/html?revision=2"
    assert headers[SIGNATURE] == "sha256=" + hmac.new(b"shared", body, hashlib.sha256).hexdigest()
    assert headers["Idempotency-Key"] == "r1"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, TransientError),
        (503, TransientError),
        (429, TransientError),
        (404, InputError),
        (302, TransientError),
    ],
)
def test_a_webhook_that_fails_is_tried_again_and_one_that_refuses_is_not(
    report: Path, hook: Hook, status: int, error: type[Exception]
) -> None:
    hook.status, hook.location = status, "http://127.0.0.1:1/elsewhere" if status == 302 else None
    how = delivery(webhook={"url": hook.url, "secret": None})
    with pytest.raises(error, match=str(status)):
        send(report, how, channel="webhook", recipient=hook.url)
    assert len(hook.taken) == 1


def test_a_webhook_that_is_away_is_for_later(report: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    with pytest.raises(TransientError):
        send(report, delivery(webhook={"url": url, "secret": None}), channel="webhook", recipient=url)


def test_a_link_names_any_event_safely() -> None:
    said_ = {"event_id": "a/b?c#d", "revision": 3, "system_id": "rig_01"}
    assert (
        link(said_, "https://x", "pdf")
        == "https://x/api/reports/a%2Fb%3Fc%23d/pdf?revision=3&system_id=rig_01"
    )
    assert link(said_, None, "pdf") is None
