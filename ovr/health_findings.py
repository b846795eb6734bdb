"""What the health of a process says of devices, outbox and cloud, as findings of `ovr doctor`. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ovr.findings import Finding, Grade

_FAR_BEHIND_S: Final = 300.0
_ASLEEP: Final = "asleep"


def findings(name: str, health: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge what a process tells besides that it works."""
    yield from _devices(name, health.get("devices"))
    yield from _outbox(name, health.get("outbox"))
    if name == "uplink" and isinstance(health.get("lanes"), dict):
        yield from _uplink(health)


def _devices(name: str, devices: Any) -> Iterator[Finding]:
    if not isinstance(devices, dict):
        return
    away = {device: said for device, said in devices.items() if not said.get("connected")}
    for device, said in sorted(away.items()):
        detail = str(said.get("detail") or "no answer")
        if _ASLEEP in detail:
            yield Finding(Grade.GOOD, device, "sleeps until there is sun")
        else:
            remedy = "is it on, its cable in, its address right? `ovr devices probe ADDRESS` asks it"
            yield Finding(Grade.BAD, device, f"does not answer: {detail}", remedy)
    answer = len(devices) - len(away)
    if answer:
        yield Finding(Grade.GOOD, f"devices of {name}", f"{answer} of {len(devices)} answer")
    elif not devices:
        remedy = "`ovr devices discover` looks for them"
        yield Finding(Grade.NOTE, f"devices of {name}", "it knows of none", remedy)


def _outbox(name: str, outbox: Any) -> Iterator[Finding]:
    if not isinstance(outbox, dict):
        return
    if outbox.get("fault"):
        remedy = "do what the sentence says; what waits is kept"
        yield Finding(Grade.BAD, f"outbox of {name}", str(outbox["fault"]), remedy)
    if outbox.get("dropped"):
        said = f"{outbox['dropped']:,} samples were dropped: it was full"
        remedy = "the recorder was away for too long; `samples.dropped` events say which times"
        yield Finding(Grade.NOTE, f"outbox of {name}", said, remedy)


def _uplink(health: Mapping[str, Any]) -> Iterator[Finding]:
    lag_s, lag_events = health.get("lag_s") or 0, health.get("lag_events") or 0
    behind = f"{lag_events:,} events, {lag_s:,.0f} s behind"
    if not health.get("connected"):
        said = f"the cloud is not reached: {health.get('fault') or 'no answer'}; {behind}"
        remedy = "nothing is lost; look at the internet, at [uplink] in site.toml and its password"
        yield Finding(Grade.BAD, "cloud", said, remedy)
    elif lag_s > _FAR_BEHIND_S:
        remedy = "it catches up by itself, as fast as the link and bytes_per_s let it"
        yield Finding(Grade.NOTE, "cloud", behind, remedy)
    else:
        yield Finding(Grade.GOOD, "cloud", "has everything" if not lag_events else behind)
    if health.get("rejected"):
        said = f"refused {health['rejected']:,} events"
        yield Finding(Grade.NOTE, "cloud", said, "the cloud's `ovr journal dead-letters` says why")
    if health.get("photos_missing"):
        said = f"{health['photos_missing']:,} photos are not there yet"
        yield Finding(
            Grade.NOTE, "cloud", said, "set web_url and web_key_file in [uplink]; it goes on trying"
        )
