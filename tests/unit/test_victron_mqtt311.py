"""The packets of MQTT 3.1.1: what is written is read by another implementation, whatever the chunks."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.victron import mqtt311
from producers.victron.mqtt311 import Answer, Decoder, Packet, ProtocolError, Publish

texts = st.text(st.characters(codec="utf-8"), max_size=200)


def chunks(data: bytes, sizes: list[int]) -> list[Packet]:
    decoder, found = Decoder(), list[Packet]()
    for size in sizes:
        found += decoder.feed(data[:size])
        data = data[size:]
    return found + decoder.feed(data)


@given(
    st.lists(st.tuples(texts, st.binary(max_size=300), st.booleans()), max_size=8),
    st.lists(st.integers(0, 40), max_size=30),
)
def test_messages_come_out_as_they_went_in_whatever_the_chunks(
    messages: list[tuple[str, bytes, bool]], sizes: list[int]
) -> None:
    written = [bytearray(mqtt311.publish(topic, payload)) for topic, payload, _ in messages]
    for packet, (_, _, retain) in zip(written, messages, strict=True):
        packet[0] |= retain

    assert chunks(b"".join(written), sizes) == [Publish(*message) for message in messages]


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_give_packets_or_a_reason(parts: list[bytes]) -> None:
    decoder = Decoder()
    with suppress(ProtocolError):
        for part in parts:
            assert all(isinstance(packet, Publish | Answer) for packet in decoder.feed(part))


@pytest.mark.parametrize("length", [0, 1, 100, 127 - 5, 128, 16_383, 16_384, 2_097_152])
def test_lengths_of_one_to_four_bytes(length: int) -> None:
    packet = mqtt311.publish("a/b", b"x" * length)

    assert chunks(packet, [1, 1, 1, 1]) == [Publish("a/b", b"x" * length, retain=False)]


def test_answers_of_a_broker() -> None:
    assert chunks(b"\x20\x02\x00\x05\x90\x05\x00\x01\x00\x80\x80\xd0\x00", [3]) == [
        Answer(mqtt311.CONNACK, 5),
        Answer(mqtt311.SUBACK, 2),
        Answer(mqtt311.PINGRESP, 0),
    ]


def test_a_topic_that_is_no_text_is_left_out_and_the_rest_is_read() -> None:
    odd = b"\x30\x04\x00\x02\xff\xfe"

    assert chunks(odd + mqtt311.publish("a", b"1"), []) == [Publish("a", b"1", retain=False)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x32\x05\x00\x01a\x00\x01",  # QoS 1
        b"\x30\x01\x00",  # no topic
        b"\x30\x03\x00\x09a",  # a topic beyond its packet
        b"\x30\xff\xff\xff\xff\x01",  # five bytes of length
        b"\x30\xff\xff\xff\x7f",  # 256 MB
        b"\x10\x00",  # a broker does not connect
        b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20,
    ],
)
def test_what_breaks_the_protocol_is_an_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        chunks(data, [2])


def test_an_introduction_says_who_we_are_and_keeps_no_session() -> None:
    assert mqtt311.connect("us", 60) == b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02us"
    assert mqtt311.connect("us", 60, "ovr", "geheim").endswith(b"\x00\x02us\x00\x03ovr\x00\x06geheim")
    assert mqtt311.connect("us", 60, "ovr", "geheim")[9] == 0xC2
    assert mqtt311.connect("us", 60, "ovr")[9] == 0x82


def test_a_subscription_asks_for_quality_0() -> None:
    packet = mqtt311.subscribe(7, ["a/#", "b"])

    assert packet == b"\x82" + bytes((2 + 6 + 4,)) + struct.pack(">H", 7) + b"\x00\x03a/#\x00\x00\x01b\x00"
