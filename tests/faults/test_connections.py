"""Connections that dribble, flood or say nothing cost the service nothing that matters."""

import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pytest

from tests.e2e.running import running
from tests.faults.pace import p99_calm_s, p99_s

MIB = 2**20
LIMIT_BYTES = 4 * MIB
SLOW = 100
HEAD = b"POST /reward HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PATIENCE_S = 60


@pytest.fixture(scope="module")
def service():
    """A service with little patience for heads, and some for bodies."""
    options = {"header-timeout-s": "2", "body-timeout-s": "4", "max-body-bytes": str(LIMIT_BYTES)}
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    with running(*given) as service:
        assert service.post("/reward", {"items": []}).status in {200, 422}
        yield service


def connect(service):
    """A bare connection."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S)


def ask(connection):
    """One request, and the whole of its answer."""
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}"):
        part = connection.recv(65536)
        assert part, answer
        answer += part
    assert answer.startswith(b"HTTP/1.1 200")


def rest(connection):
    """All that still comes, until the service hangs up."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionError:
        # What was sent after the service had hung up is answered with a reset.
        pass
    return received


def dribble(connections, message):
    """Send a message a byte at a time over each connection until the service hangs up on all.

    Gives what each of them was told.
    """
    told = dict.fromkeys(connections, b"")
    waiting, sent = set(connections), 0
    give_up = time.monotonic() + PATIENCE_S
    while waiting:
        assert time.monotonic() < give_up, f"{len(waiting)} connections are still open"
        for connection in waiting:
            try:
                connection.send(message[sent % len(message) :][:1])
            except ConnectionError:
                told[connection] = told[connection] or rest(connection)
        ready, _, _ = select.select(waiting, [], [], 0.2)
        for connection in ready:
            told[connection] += rest(connection)
            waiting.discard(connection)
        sent += 1
    return list(told.values())


@pytest.mark.promise(11)
@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"X-Header: and so on\r\n", id="head"),
        pytest.param(b"\r\n", id="empty-lines"),
    ],
)
def test_a_head_that_dribbles_is_cut_off(service, message, faults):
    """A byte now and then, on a hundred connections: all are closed, others served meanwhile.

    They wait hardly longer than before.
    """

    def ask_of_life():
        assert service.get("/livez").status == 200

    calm_s = p99_calm_s(ask_of_life)
    with ExitStack() as stack, ThreadPoolExecutor(1) as other:
        slow = [stack.enter_context(connect(service)) for _ in range(SLOW)]
        if message != b"\r\n":
            for connection in slow:
                connection.sendall(HEAD)
        dribbling = other.submit(dribble, slow, message)
        meanwhile_s = p99_s(ask_of_life, lambda _: not dribbling.done())
        told = dribbling.result()
    assert meanwhile_s <= faults.bound_s(calm_s)
    assert {answer.partition(b"\r\n")[0] for answer in told} <= {
        b"HTTP/1.1 408 Request Timeout",
        b"",
    }
    assert service.get("/livez").status == 200


@pytest.mark.promise(11)
def test_a_body_that_dribbles_is_cut_off(service):
    """Every byte in time is not enough: the whole body has its time, and then comes 408."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(service)) for _ in range(20)]
        for connection in slow:
            connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        told = dribble(slow, b" ")
    assert all(b"408" in answer.partition(b"\r\n")[0] or not answer for answer in told)
    assert any(b"request_timeout" in answer for answer in told)
    assert service.get("/livez").status == 200


def test_a_connection_that_says_nothing_is_closed(service):
    """Nor does silence keep a connection open, before the first request."""
    with connect(service) as connection:
        assert rest(connection).startswith(b"HTTP/1.1 408")


def test_a_kept_connection_rests_longer_than_a_head_may_take(service):
    """Between two requests a connection may be idle; the next head is held to its time again."""
    with connect(service) as connection:
        for _ in range(2):
            ask(connection)
            time.sleep(2.5)
        connection.sendall(HEAD)
        assert rest(connection).startswith(b"HTTP/1.1 408")


def test_a_request_under_way_has_its_time(service):
    """The time of a head does not run while its request is served."""
    hanging = {"kind": "math", "response": "<answer>9**9**9**9</answer>", "ground_truth": "1"}
    answer = service.post("/reward", {"items": [hanging], "deadline_ms": 3000})
    assert answer.status == 200


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_head_without_end_is_refused(service, asked_before):
    """Headers are read up to a limit, on a fresh connection and on a used one."""
    with connect(service) as connection:
        if asked_before:
            ask(connection)
        sent = flood(connection, HEAD, b"X-Header: " + b"x" * 1000 + b"\r\n")
        assert sent < 20 * MIB
        told = rest(connection)
    # The answer is lost where it is overtaken by a reset.
    assert not told or told.startswith(b"HTTP/1.1 431")
    assert service.get("/livez").status == 200


def flood(connection, head, piece, most=10_000):
    """Send a head and then a piece again and again until the service hangs up; gives the bytes."""
    connection.sendall(head)
    for count in range(most):
        try:
            connection.sendall(piece)
        except ConnectionError:
            return count * len(piece)
        if select.select([connection], [], [], 0)[0]:
            return count * len(piece)
    return most * len(piece)


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(HEAD + b"Content-Length: 10000000000\r\n\r\n", b" " * 65536, id="10-GB"),
        pytest.param(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n", id="endless"),
    ],
)
def test_a_flood_is_refused_and_not_held(service, head, piece):
    """413 as soon as the limit is passed; the service takes hardly more memory than the limit."""
    memory = psutil.Process(service.process.pid).memory_info
    before = memory().rss
    with connect(service) as connection:
        assert flood(connection, head, piece) < LIMIT_BYTES + 20 * MIB
        assert rest(connection).startswith(b"HTTP/1.1 413")
    assert memory().rss - before < 10 * MIB


@pytest.mark.promise(10)
def test_a_body_of_tiny_chunks_is_a_body(service):
    """A hundred thousand chunks of one byte on each of four connections: 422, and no memory lost.

    At full length it is a million on each of twenty; see `test_a_million_tiny_chunks`.
    """
    check_tiny_chunks(service, chunks=100_000, times=4)


@pytest.mark.long
@pytest.mark.promise(10)
def test_a_million_tiny_chunks(service):
    """Twenty times a million chunks of one byte."""
    check_tiny_chunks(service, chunks=1_000_000, times=20)


def check_tiny_chunks(service, *, chunks, times):
    """Send such bodies one after the other; memory grows by no more than a MiB after the first."""
    memory = psutil.Process(service.process.pid).memory_info
    after = []
    for _ in range(times):
        with connect(service) as connection:
            connection.sendall(CHUNKED)
            for _ in range(chunks // 10_000):
                connection.sendall(b"1\r\n \r\n" * 10_000)
            connection.sendall(b"0\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 422")
        after.append(memory().rss)
    assert after[-1] - after[0] <= MIB
