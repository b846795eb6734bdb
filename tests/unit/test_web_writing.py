"""What the answer to a write promises, asked of the application itself, without a server or a broker."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from bus.connection import Broker
from bus.envelope import Envelope
from bus.journal_writer import SqliteJournal
from schemas.errors import TransientError
from tests.services import free_port
from web.api import counters, gate, systems
from web.api.app import make_app
from web.api.claims import Claim
from web.api.keys import digest_of
from web.api.limits import Limits
from web.api.measures import Measures
from web.api.problems import Problem
from web.api.service import Service, serving
from web.api.writing import SLICE
from web.settings import Gateway, WebSettings

PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)
NOTE = {"system_id": "rig_01", "msg": "A tap.", "id": "019aa5a0-1c2b-7d3e-8f00-112233445566"}
SLOWLY_S = 1.0  # more than is waited for a confirmation while nobody is there


def asked(
    tmp_path: Path, ask: Callable[[httpx.AsyncClient, Service], Coroutine[Any, Any, None]], **more: Any
) -> None:
    """Run what asks the application of a node whose broker is away."""

    SqliteJournal(tmp_path / "journal").close()

    async def run() -> None:
        gateway = Gateway("edge", "", tmp_path, "ovr", "0.0.0.0", 8088, "http://127.0.0.1:9", **more)
        measures, limits = Measures("edge", ""), Limits(10_000.0)
        app = make_app(gateway, measures, limits)
        async with serving(gateway, Broker(port=free_port()), measures, limits) as service:
            app.state.service = service
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://edge.lan") as client:
                await ask(client, service)

    asyncio.run(run())


def waiting(service: Service) -> list[str]:
    return [str(event.data["text"]) for _, event in service.writer.sender.waiting()]


def test_202_is_not_answered_before_it_is_on_the_disk(tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        put_all = service.writer.sender.put_all

        begun = threading.Event()

        def slowly(events: Sequence[Envelope]) -> int:
            begun.set()
            time.sleep(SLOWLY_S)
            return put_all(events)

        service.writer.sender.put_all = slowly  # type: ignore[method-assign]
        first = asyncio.create_task(client.post("/api/note", json=NOTE))
        await asyncio.to_thread(begun.wait)
        again = await client.post("/api/note", json=NOTE)
        assert waiting(service) == ["A tap."]
        assert [again.status_code, (await first).status_code] == [202, 202]

    asked(tmp_path, ask)


def test_what_a_slow_and_full_disk_cannot_keep_is_not_answered_with_202(tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        put_all = service.writer.sender.put_all

        def stalled(events: Sequence[Envelope]) -> int:
            assert events
            time.sleep(SLOWLY_S)
            raise TransientError("the disk is full")

        service.writer.sender.put_all = stalled  # type: ignore[method-assign]
        refused = await client.post("/api/note", json=NOTE)
        assert (refused.status_code, refused.json()["detail"]) == (503, "The disk is full.")
        assert "retry-after" in refused.headers
        assert (await client.get(f"/api/actions/{NOTE['id']}")).status_code == 404
        service.writer.sender.put_all = put_all  # type: ignore[method-assign]
        assert (await client.post("/api/note", json=NOTE)).status_code == 202

    asked(tmp_path, ask)


def test_whoever_goes_away_leaves_the_event_to_be_kept(tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        put_all = service.writer.sender.put_all

        begun = threading.Event()

        def slowly(events: Sequence[Envelope]) -> int:
            begun.set()
            time.sleep(0.3)
            return put_all(events)

        service.writer.sender.put_all = slowly  # type: ignore[method-assign]
        gone = asyncio.create_task(client.post("/api/note", json=NOTE))
        await asyncio.to_thread(begun.wait)
        gone.cancel()
        await asyncio.wait([gone])
        assert (await client.get(f"/api/actions/{NOTE['id']}")).json()["state"] == "waiting"
        assert waiting(service) == ["A tap."]

    asked(tmp_path, ask)


def test_who_reads_slowly_holds_up_no_write(tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        enough = threading.Event()
        readers = [asyncio.create_task(service.reading(enough.wait)) for _ in range(12)]
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(30):
                answer = await client.post("/api/note", json=NOTE)
            assert (answer.status_code, waiting(service)) == (202, ["A tap."])
            assert not any(one.done() for one in readers)
        finally:
            enough.set()
        await asyncio.wait(readers)

    asked(tmp_path, ask)


def test_a_list_with_a_key_of_another_event_leaves_nothing_behind(tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        await client.post("/api/note", json=NOTE)
        claims = [
            Claim("note.added", "rig_01", {"text": text}, key=key)
            for text, key in (("New.", "new"), ("Another.", NOTE["id"]))
        ]
        with pytest.raises(Problem):
            await service.writer.write_all(claims, patience_s=0.1)
        assert service.writer.waiting == 1

    asked(tmp_path, ask)


def test_a_photo_that_is_refused_is_not_stored(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(
        orjson.dumps({"tablet": {"role": "operator", "key": digest_of("k"), "systems": ["rig_01"]}})
    )

    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        for system, status in (("rig_02", 403), ("all", 403), ("", 403), ("_site", 422), ("rig_01", 202)):
            assert not list(service.settings.data.glob("photos/*"))
            answer = await client.post(
                "/api/photo",
                data={"system_id": system},
                files={"file": ("x.png", PNG)},
                headers={"X-API-Key": "k"},
            )
            assert answer.status_code == status, answer.text

    asked(tmp_path, ask)


@pytest.mark.parametrize(
    ("field", "value"), [("time", "2099-01-01T00:00:00Z"), ("event_id", "two\nlines"), ("caption", "bell \a")]
)
def test_a_photo_of_which_something_wrong_is_said_is_not_stored(
    tmp_path: Path, field: str, value: str
) -> None:
    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        answer = await client.post("/api/photo", data={field: value}, files={"file": ("x.png", PNG)})
        assert (answer.status_code, answer.json()["field"]) == (422, field)
        assert not list(service.settings.data.glob("photos/*"))

    asked(tmp_path, ask)


def test_a_label_leads_to_where_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    urls: list[str] = []

    def drawn(url: str, _: str) -> str:
        urls.append(url)
        return "<svg/>"

    monkeypatch.setattr(systems, "label", drawn)

    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        assert service.settings.host == "0.0.0.0"
        assert (await client.get("/api/systems/Rig 01/label.svg")).status_code == 200

    asked(tmp_path, ask)

    assert urls == ["http://edge.lan/s/rig_01"]


async def unfinished() -> AsyncIterator[bytes]:
    """Begin to upload a photo, and go no further."""
    yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + PNG
    await asyncio.sleep(60)


def uploading(client: httpx.AsyncClient, **headers: str) -> asyncio.Task[httpx.Response]:
    headers["Content-Type"] = "multipart/form-data; boundary=B"
    return asyncio.create_task(client.post("/api/photo", content=unfinished(), headers=headers))


def test_a_large_body_is_not_read_of_those_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_DRAIN_S", 0.1)

    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        del service
        answers = await asyncio.gather(*(uploading(client) for _ in range(20)))
        assert {one.status_code for one in answers} == {401}
        wrong = await uploading(client, **{"X-API-Key": "old", "Expect": "100-continue"})
        assert (wrong.status_code, wrong.json()["type"]) == (401, "/api/docs#problem-key-wrong")
        assert (await client.get("/api/site-plan")).status_code == 404

    asked(tmp_path, ask, api_key="secret")


def test_few_large_bodies_are_taken_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_DRAIN_S", 0.1)

    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        del service
        key = {"X-API-Key": "secret"}
        slow = [uploading(client, **key) for _ in range(gate._MOST_LARGE)]
        await asyncio.sleep(0.1)
        refused = await uploading(client, **key)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert (await client.post("/api/note", json=NOTE, headers=key)).status_code == 202
        for one in slow:
            one.cancel()
        await asyncio.wait(slow)
        photo = await client.post("/api/photo", files={"file": ("x.png", PNG + bytes(100_000))}, headers=key)
        assert photo.status_code == 202

    asked(tmp_path, ask, api_key="secret")


def test_one_old_key_locks_nobody_out_and_many_wrong_ones_do(tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        del service
        key, old = {"X-API-Key": "secret"}, {"X-API-Key": "old"}
        again = [(await client.post("/api/note", json=NOTE, headers=old)).status_code for _ in range(30)]
        assert set(again) == {401}
        assert (await client.get("/api/map-tiles/status", headers=old)).status_code == 200
        assert (await client.get("/api/ui", headers=old)).status_code == 401
        assert (await client.get("/api/ui", headers=key)).status_code == 200
        guesses = [
            (await client.get("/api/ui", headers={"X-API-Key": f"guess {n}"})).status_code for n in range(12)
        ]
        assert guesses[0] == 401
        assert guesses[-1] == 429
        assert (await client.get("/api/map-tiles/status", headers=old)).status_code == 200

    asked(tmp_path, ask, api_key="secret")


def test_where_reading_needs_a_key_a_wrong_one_is_told(tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        del service
        for key, status in ((None, 401), ("old", 401), ("secret", 404)):
            headers = {} if key is None else {"X-API-Key": key}
            assert (await client.get("/api/site-plan", headers=headers)).status_code == status
            assert (await client.get(f"/api/photos/{'0' * 64}", headers=headers)).status_code == status

    asked(tmp_path, ask, api_key="secret", web=WebSettings(reads="key"))


def test_others_have_their_turn_while_a_long_file_is_imported(tmp_path: Path) -> None:
    rows = "".join(f"2026-05-01T10:00:{second:02}Z,a\n" for second in range(60))
    turn, checked_at = 0, []

    async def turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        check = service.writer._check

        def checking(event: Envelope, now_us: int) -> None:
            checked_at.append(turn)
            check(event, now_us)

        service.writer._check = checking  # type: ignore[method-assign]
        other = asyncio.create_task(turns())
        answer = await client.post("/api/import/notes?dry_run=false", content="time,msg\n" + rows)
        other.cancel()
        assert (answer.status_code, answer.json()["waiting"]) == (202, 60)

    asked(tmp_path, ask)

    assert len(checked_at) == 120
    assert max(checked_at.count(one) for one in set(checked_at)) <= 2 * SLICE


def test_two_reports_of_counters_are_made_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def slow(*_: object) -> dict[str, Any]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.1)
        with lock:
            running -= 1
        return {}

    monkeypatch.setattr(counters, "_report", slow)

    async def ask(client: httpx.AsyncClient, service: Service) -> None:
        del service
        path = "/api/counters/all/report?kind=detailed&days=3660"
        answers = await asyncio.gather(*(client.get(path) for _ in range(6)))
        assert {one.status_code for one in answers} == {200}

    asked(tmp_path, ask)

    assert most == 2
