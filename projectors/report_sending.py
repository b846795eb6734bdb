"""Sending a report that is there: by mail with the PDF, or as a word to a webhook.

Rules that must stay true here:
- what a server refuses for good is not tried again; what may pass is;
- a password goes to the server that it is for, and only over TLS unless the site says otherwise;
- what is posted is signed when there is a secret, so that its receiver can tell who said it.
"""

import hashlib
import hmac
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from projectors.report_mail import link, message
from schemas.errors import InputError, TransientError

_TIMEOUT_S: Final = 30.0
_REFUSED: Final = range(500, 600)
_AGAIN: Final = frozenset({408, 425, 429})
_CLIENT_ERRORS: Final = range(400, 500)
SIGNATURE: Final = "X-Ovr-Signature"
Work = Callable[[Mapping[str, Any], Callable[[Mapping[str, Any]], None]], Mapping[str, Any]]


def sender(data: Path, delivery: Mapping[str, Any]) -> Work:
    """Return what sends reports of a data directory.

    Args:
        data: the data directory.
        delivery: how: `smtp`, `webhook`, `base_url`, `node_id`; see `ovr.reports.delivery`.
    """

    def work(said: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]) -> Mapping[str, Any]:
        del say
        directory = data / said["directory"]
        if said["channel"] == "mail":
            mail(directory, said, delivery)
        else:
            post(directory, said, delivery)
        return {}

    return work


def mail(directory: Path, said: Mapping[str, Any], delivery: Mapping[str, Any]) -> None:
    """Mail a report to one recipient.

    Raises:
        InputError: no server is configured, or it refuses sender, recipient or message for good.
        TransientError: it cannot be reached, or says to try later.
    """
    smtp = delivery.get("smtp")
    if smtp is None:
        raise InputError("mail", "reports.mail.host", "no mail server is configured")
    document = orjson.loads((directory / "data.json").read_bytes())
    paper = directory / "report.pdf"
    content = paper.read_bytes() if paper.is_file() else None
    letter = message(document, said, smtp["sender"], content, delivery)
    try:
        with _connected(smtp) as server:
            if smtp["username"]:
                server.login(smtp["username"], smtp["password"] or "")
            server.send_message(letter, smtp["sender"], [said["recipient"]])
    except smtplib.SMTPRecipientsRefused as error:
        code, reason = next(iter(error.recipients.values()), (0, b"refused"))
        raise _refusal(code, reason) from error
    except smtplib.SMTPResponseException as error:
        raise _refusal(error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPNotSupportedError as error:
        raise InputError("mail", "reports.mail", str(error)) from error
    except (smtplib.SMTPException, OSError) as error:
        raise TransientError(f"{smtp['host']}:{smtp['port']}: {error}") from error


def post(directory: Path, said: Mapping[str, Any], delivery: Mapping[str, Any]) -> None:
    """Tell a webhook that a report is there.

    Raises:
        InputError: no webhook is configured, or it refuses this for good.
        TransientError: it cannot be reached, or fails.
    """
    hook = delivery.get("webhook")
    if hook is None or hook["url"] != said["recipient"]:
        raise InputError("webhook", "reports.webhook.url", f"{said['recipient']} is not configured any more")
    document = orjson.loads((directory / "data.json").read_bytes())
    body = orjson.dumps(_word(document, said, delivery), option=orjson.OPT_SORT_KEYS)
    headers = {"Content-Type": "application/json", "User-Agent": "ovr", "Idempotency-Key": said["id"]}
    if hook["secret"]:
        digest = hmac.new(hook["secret"].encode(), body, hashlib.sha256).hexdigest()
        headers[SIGNATURE] = f"sha256={digest}"
    request = urllib.request.Request(hook["url"], body, headers, method="POST")  # noqa: S310 - http(s), checked
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_S):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _CLIENT_ERRORS and error.code not in _AGAIN:
            raise InputError("webhook", "", f"{hook['url']} answers {error.code} {error.reason}") from error
        raise TransientError(f"{hook['url']} answers {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise TransientError(f"{hook['url']}: {error}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow nowhere: what is signed for one place is not for another."""

    def redirect_request(self, *_: Any) -> None:
        """Answer that there is no other request to make."""
        return


_OPENER = urllib.request.build_opener(_NoRedirect)


def _word(
    document: Mapping[str, Any], said: Mapping[str, Any], delivery: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "type": "report.generated",
        "node_id": delivery["node_id"],
        "request": said["id"],
        "scope": said["scope"],
        "event_id": said["event_id"],
        "system_id": said["system_id"],
        "revision": said["revision"],
        "reason": said["reason"],
        "sha256": said["sha256"],
        "href": f"{said['directory']}/report.html",
        "url": link(said, delivery.get("base_url"), "html"),
        "made_from": document["made_from"],
        "window": {name: document["window"].get(name) for name in ("from", "to", "duration_s")},
        "changed": document["changed"],
        "provisional": document["provisional"],
    }


def _connected(smtp: Mapping[str, Any]) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=smtp["ca_file"])
    if smtp["security"] == "tls":
        return smtplib.SMTP_SSL(smtp["host"], smtp["port"], timeout=_TIMEOUT_S, context=context)
    server = smtplib.SMTP(smtp["host"], smtp["port"], timeout=_TIMEOUT_S)
    if smtp["security"] == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _refusal(code: int, reason: bytes | str) -> InputError | TransientError:
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    said = f"the mail server says {code} {text}"
    return InputError("mail", "", said) if code in _REFUSED else TransientError(said)
