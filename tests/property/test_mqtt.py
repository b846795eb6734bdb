"""The MQTT 5 codec: round trips, any chunks, any bytes, and agreement with an independent implementation."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bus import mqtt
from bus.mqtt import Connack, Disconnect, Message, Packet, Pingresp, ProtocolError, Puback, Suback
from bus.mqtt_decoder import Decoder

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
topics = texts.filter(bool)
messages = st.builds(
    Message,
    topic=topics,
    payload=st.binary(max_size=400),
    qos=st.just(1),
    mid=st.integers(1, 65_535),
    dup=st.booleans(),
    retain=st.booleans(),
    user_properties=st.lists(st.tuples(texts, texts), max_size=5).map(tuple),
    content_type=st.none() | texts,
    response_topic=st.none() | texts,
    correlation=st.none() | st.binary(max_size=40),
)


def encode(message: Message) -> bytes:
    return mqtt.encode_publish(
        message.topic,
        message.payload,
        qos=message.qos,
        mid=message.mid,
        dup=message.dup,
        retain=message.retain,
        user_properties=message.user_properties,
        content_type=message.content_type,
        response_topic=message.response_topic,
        correlation=message.correlation,
    )


@given(st.lists(messages, max_size=6), st.lists(st.integers(1, 50), max_size=30))
def test_what_is_written_is_read_in_any_chunks(sent: list[Message], sizes: list[int]) -> None:
    stream = b"".join(map(encode, sent))
    decoder, received, at = Decoder(), list[Packet](), 0
    for size in [*sizes, len(stream)]:
        received += decoder.feed(stream[at : at + size])
        at += size

    assert received == sent


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_any_bytes_give_packets_or_a_protocol_error(chunks: list[bytes]) -> None:
    decoder = Decoder()
    with contextlib.suppress(ProtocolError):
        for chunk in chunks:
            decoder.feed(chunk)


@given(messages, st.integers(0, 500), st.integers(0, 255))
def test_a_damaged_message_gives_packets_or_a_protocol_error(message: Message, at: int, byte: int) -> None:
    damaged = bytearray(encode(message))
    damaged[at % len(damaged)] = byte
    with contextlib.suppress(ProtocolError):
        Decoder().feed(bytes(damaged))


@given(messages)
def test_the_properties_are_those_an_independent_client_reads(message: Message) -> None:
    packet = encode(message)
    body = packet[2:] if packet[1] < 0x80 else packet[3:]
    topic_end = 2 + int.from_bytes(body[:2], "big")

    properties, length = Properties(PacketTypes.PUBLISH).unpack(body[topic_end + 2 :])  # type: ignore[no-untyped-call]

    assert tuple(getattr(properties, "UserProperty", [])) == message.user_properties
    assert getattr(properties, "ContentType", None) == message.content_type
    assert getattr(properties, "ResponseTopic", None) == message.response_topic
    assert getattr(properties, "CorrelationData", None) == message.correlation
    assert body[topic_end + 2 + length :] == message.payload


@pytest.mark.parametrize(
    ("bytes_", "packet"),
    [
        (b"\x20\x03\x01\x00\x00", Connack(True, 0, 65_535, 268_435_455, None)),
        (b"\x20\x06\x00\x00\x03\x21\x00\x14", Connack(False, 0, 20, 268_435_455, None)),
        (b"\x20\x03\x00\x87\x00", Connack(False, 0x87, 65_535, 268_435_455, None)),
        (b"\x40\x02\x00\x07", Puback(7, 0)),
        (b"\x40\x03\x00\x07\x10", Puback(7, mqtt.NO_MATCHING_SUBSCRIBERS)),
        (b"\x40\x04\x00\x07\x87\x00", Puback(7, mqtt.NOT_AUTHORIZED)),
        (b"\x90\x05\x00\x01\x00\x01\x80", Suback(1, (1, 0x80))),
        (b"\xd0\x00", Pingresp()),
        (b"\xe0\x02\x8e\x00", Disconnect(mqtt.SESSION_TAKEN_OVER)),
    ],
)
def test_the_brokers_answers_are_read(bytes_: bytes, packet: Packet) -> None:
    assert Decoder().feed(bytes_) == [packet]


@pytest.mark.parametrize(
    "bytes_",
    [
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x00\x00",  # packet type 0
        b"\x36\x05\x00\x01t\x00\x01",  # QoS 3
        b"\x30\x05\x00\x01t\x09\x00",  # properties longer than the packet
        b"\x20\x04\x00\x00\x01\x7e",  # unknown property
    ],
)
def test_what_breaks_the_protocol_is_refused(bytes_: bytes) -> None:
    with pytest.raises(ProtocolError):
        Decoder().feed(bytes_)
