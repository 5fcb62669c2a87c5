"""Tests for how bodies are read: under limits, and whatever they hold."""

import socket

import pytest

from tests.service.api.conftest import LIMITS

ITEM = b'{"kind":"ocr","response":"a","ground_truth":%b}'
BODY = b'{"items":[' + ITEM + b"]}"
GOOD = BODY % b'"a"'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\xff", id="binary"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="array"),
        pytest.param(GOOD[:-1], id="truncated"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, id="byte-order-mark"),
        pytest.param(b"[" * 200_000, id="200,000-brackets"),
        pytest.param(BODY % (b"[" * 90_000 + b"]" * 90_000), id="deep-truth"),
        pytest.param(BODY % (b'{"a":' * 30_000 + b"1" + b"}" * 30_000), id="deep-objects"),
        pytest.param(BODY % (b"9" * 5_000), id="5,000-digits"),
        pytest.param(BODY % b"NaN", id="NaN"),
        pytest.param(BODY % b"-Infinity", id="Infinity"),
        pytest.param(BODY % b"1e999", id="overflow"),
        pytest.param(BODY % b'{"boxes":[0,[1e999]]}', id="overflow-inside"),
        pytest.param(BODY % b'"\\ud800"', id="lone-surrogate"),
        pytest.param(BODY % b'"\xff"', id="invalid-UTF-8"),
        pytest.param(BODY % b'"a","kind":"math"', id="repeated-name"),
        pytest.param(b'{"items":[],"items":[]}', id="repeated-items"),
        pytest.param(b'{"items":[],"' + b"k" * 150_000 + b'":1}', id="long-name"),
        pytest.param(b'{"items":[],"mode":"fast"}', id="unknown-field"),
        pytest.param(b'{"items":{}}', id="wrong-shape"),
        pytest.param(b'{"items":[],"deadline_ms":0}', id="deadline-too-early"),
        pytest.param(b'{"items":[],"deadline_ms":"5"}', id="number-as-text"),
        pytest.param(b'{"items":[],"deadline_ms":5.5}', id="half-a-millisecond"),
        pytest.param(b'{"items":[],"deadline_ms":true}', id="truth-as-number"),
        pytest.param(b'{"items":[],"run":"a b"}', id="bad-run-name"),
        pytest.param(b'{"items":[' + b"{}," * 60_000 + b"{}]}", id="60,000-bad-items"),
    ],
)
@pytest.mark.promise(20)
def test_a_bad_body_is_refused_and_nothing_dies(service, body):
    """Malformed, out of range or hostile: the caller hears why, and the next one is served."""
    answer = service.post("/reward", body)
    problem = answer.json()
    assert (answer.status, problem["code"]) == (422, "invalid_request")
    assert len(problem["errors"]) <= 20
    assert len(answer.data) < 3_000
    assert service.engine.batches == []
    assert service.post("/reward", GOOD).status == 200


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"items":[{"kind":"ocr","response":7,"ground_truth":""}]}', "/items/0/response"),
        (b'{"items":[%b,{"response":"","ground_truth":""}]}' % (ITEM % b'""'), "/items/1/kind"),
        (BODY % b'"","media":{"image":{"sha256":"x"}}', "/items/0/media/image/sha256"),
        (BODY % b'"","a/b~":1', "/items/0/a~1b~0"),
        (BODY % b"[1,1e999]", "/items/0/ground_truth"),
        (BODY % b'"a","kind":"math"', "/items/0/kind"),
        (BODY % b'{"boxes":[{"x":1,"y":2,"x":3}]}', "/items/0/ground_truth/boxes/0/x"),
        (b'{"items":[],"items":[]}', "/items"),
        (b'{"items":[%b,%b]}' % (ITEM % b'"a"', ITEM % rb'"\ud800"'), "/items/1/ground_truth"),
        (BODY % rb'"a","id":"x\udc00"', "/items/0/id"),
        (b"{", ""),
    ],
)
def test_the_field_at_fault_is_named(service, body, where):
    """A JSON Pointer leads to the field; the detail never repeats what was sent."""
    errors = service.post("/reward", body).json()["errors"]
    assert errors[0]["pointer"] == where
    assert errors[0]["detail"]


def test_a_body_over_the_limit_is_refused(service):
    """The limit counts bytes and is named in the answer."""
    answer = service.post("/reward", b" " * (LIMITS.body_bytes + 1))
    assert (answer.status, answer.json()["facts"]) == (413, {"body_bytes": LIMITS.body_bytes})


def exchange(connection: socket.socket, request: bytes) -> bytes:
    """Send bytes and read until the service hangs up."""
    connection.sendall(request)
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return answer


@pytest.mark.promise(8)
def test_an_announced_flood_is_refused_unread(service):
    """Ten gigabytes are refused on the strength of their announcement; the service hangs up."""
    with service.connect() as connection:
        head = b"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n"
        answer = exchange(connection, head)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()


def flood(connection: socket.socket) -> int:
    """Send chunks until the service hangs up; how many bytes it took."""
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    connection.sendall(b"POST /reward HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for count in range(10_000):
        try:
            connection.sendall(chunk)
        except ConnectionError:
            return count * 0x4000
    return 10_000 * 0x4000


@pytest.mark.promise(8)
def test_an_endless_body_is_cut_off(service):
    """Chunks without end are read up to the limit; what kernels buffer comes on top of it."""
    with service.connect() as connection:
        assert flood(connection) < LIMITS.body_bytes + 20_000_000


def test_a_thousand_small_chunks_make_one_body(service):
    """How a body is cut up makes no difference."""
    chunks = b"".join(b"1\r\n" + GOOD[i : i + 1] + b"\r\n" for i in range(len(GOOD)))
    head = (
        b"POST /reward HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    )
    with service.connect() as connection:
        answer = exchange(connection, head + b"\r\n" + chunks + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_body_that_never_ends_times_out(service):
    """A caller that stops in the middle is told so and let go."""
    with service.connect() as connection:
        head = b"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
        answer = exchange(connection, head)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"request_timeout","retryable":true' in answer


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "br", "gzip, identity", "\xff"])
@pytest.mark.promise(23)
def test_a_compressed_body_is_refused_unread(service, encoding):
    """Nothing is ever unpacked, so nothing can be a bomb."""
    answer = service.post("/reward", GOOD, **{"Content-Encoding": encoding})
    assert (answer.status, answer.json()["code"]) == (415, "unsupported_encoding")


def test_an_identity_encoding_changes_nothing(service):
    """Saying that a body is not compressed is no offence."""
    assert service.post("/reward", GOOD, **{"Content-Encoding": "Identity"}).status == 200


@pytest.mark.parametrize("number", [b"-0.0", b"1e-400", b"123456789012345678901234567890"])
def test_unusual_numbers_are_numbers(service, number):
    """Negative zero, a vanishing fraction and a long integer are JSON, and finite."""
    assert service.post("/reward", BODY % number).status == 200


@pytest.mark.parametrize("number", [b"5", b"5.0", b"5e3", b"0.5e1"])
def test_whole_numbers_may_be_written_as_floats(service, number):
    """JSON has one kind of number: 5.0 is as good a deadline as 5."""
    assert service.post("/reward", b'{"items":[],"deadline_ms":%b}' % number).status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-8", None])
def test_the_body_is_json_whatever_its_type_says(service, kind):
    """A client that forgets the content type is served all the same."""
    headers = {"Content-Type": kind} if kind else {}
    assert service.post("/reward", GOOD, **headers).status == 200
