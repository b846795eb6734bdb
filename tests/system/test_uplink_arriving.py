"""What a recorder answers to uplinks, on a real Mosquitto."""

from pathlib import Path

import pytest

from bus import envelope
from bus.disk_levels import DiskLimits, Level
from bus.journal import Head
from bus.uplink_batch import FACTS, LANES, SAMPLES, Forwarded, Header, pack
from tests.services import start_mosquitto
from tests.system.test_recorder import Ear, note, recording, sample


def batch(lane: str) -> bytes:
    fact = note(1) if lane == FACTS else sample({"soc_pct": 1.0})
    event = Forwarded(1, fact.time_us, "alice", envelope.encode(fact))
    return pack(Header(0, Head("journal", "life", 1, bytes(32)), fact.time_us), [event])


@pytest.mark.parametrize("short", [True, False], ids=["short of disk", "with room"])
def test_a_cloud_that_is_short_of_disk_says_so_to_the_uplinks_whose_samples_it_leaves_there(
    tmp_path: Path, short: bool
) -> None:
    least = dict.fromkeys(list(Level)[1:], 2**60 if short else 0)
    limits = DiskLimits(least, reserve_bytes=0)
    with start_mosquitto(tmp_path) as broker, recording(tmp_path / "data", broker, disk=limits):
        ear = Ear(broker.port)
        for lane in LANES:
            properties = [("epoch", f"epoch of {lane}"), ("sequence", "1")]
            ear.publish(f"ovr/uplink/edge/{lane}", batch(lane), user_properties=properties)
        taken = {FACTS} if short else set(LANES)
        ear.until(
            lambda: {said["lane"] for said in ear.on("ovr/ack/edge") if said.get("lane")} == taken,
            "what there is room for is confirmed",
        )
        if short:
            ear.until(lambda: bool(ear.on("ovr/rejected/edge")), "the uplink is told")
        told = [(said["waits"], said["reason"], said["epoch"]) for said in ear.on("ovr/rejected/edge")]
        ear.connection.close()
    assert told == ([(True, "disk_short", f"epoch of {SAMPLES}")] if short else [])
