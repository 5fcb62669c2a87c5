"""Bytes that are hardly HTTP, or not at all, at the port of a live service."""

import re
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from tests.e2e.running import running

BODY = (
    b'{"items": [{"kind": "ocr", "response": "<think>a</think><answer>a</answer>",'
    b' "ground_truth": "a"}]}'
)
POST = b"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
GOOD = (
    b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /runs?limit=3&after=a HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n",
    b"HEAD /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    POST,
    POST.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue"),
    POST.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked").replace(
        BODY, b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    ),
    b"GET /livez HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
)
PIECES = (
    *(b"\r\n", b"\n", b"\0", b"\xff", b":", b" ", b"/", b"?", b"%00", b"%", b"\r\n\r\n"),
    *(b"HTTP/0.9", b"HTTP/9.9", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00"),
    *(b"Content-Length: -1\r\n", b"Content-Length: %b\r\n" % (b"9" * 40), b"\xb2"),
    *(b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\n", b"Host: \r\n", b"\t"),
)
AT_ONCE = 4
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def garble(random, message):
    """A message with parts of it lost, doubled or replaced by what does not belong there."""
    for _ in range(random.randint(1, 6)):
        begin = random.randint(0, len(message))
        end = min(len(message), begin + random.choice((0, 1, 2, 8, 64)))
        middle = random.choice(
            (b"", message[begin:end] * 2, random.choice(PIECES), random.randbytes(end - begin))
        )
        message = message[:begin] + middle + message[end:]
    return message


def conversation(random):
    """What one caller sends: good requests, garbled ones, or noise, one behind the other."""
    messages = [
        random.choice((message, garble(random, message), random.randbytes(random.randint(1, 300))))
        for message in random.choices(GOOD, k=random.randint(1, 3))
    ]
    return b"".join(messages)


def send(port, seed):
    """Play one caller, in pieces and to an end of any kind; gives all that it was told."""
    random = Random(seed)
    said, told = conversation(random), b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            while said:
                size = random.choice((1, 7, 100, len(said)))
                connection.sendall(said[:size])
                said = said[size:]
            if random.random() < 0.2:  # it hangs up without a word
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return told
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                told += part
        except OSError:
            pass
    return told


@pytest.mark.promise(20)
@pytest.mark.promise(30)
def test_what_is_hardly_http_costs_nobody_else(faults):
    """No failure, no traceback and no dead process; others are served meanwhile and afterwards."""
    with running("--header-timeout-s", "2") as service, ThreadPoolExecutor(AT_ONCE) as callers:
        port, done, lives = service.port, threading.Event(), []

        def watch():
            while not done.is_set():
                lives.append(service.get("/livez").status)
                done.wait(0.05)

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            told = list(callers.map(lambda seed: send(port, seed), range(faults.garbled)))
        finally:
            done.set()
            watching.join()
        statuses = {int(status) for answer in told for status in STATUS.findall(answer)}
        assert {200, 400, 404} <= statuses
        assert max(statuses) < 500
        assert set(lives) == {200}
        answer = service.http.request("POST", f"{service.url}/reward", body=BODY)
        assert answer.json()["results"][0]["reward"] == 1.5
        assert service.logged("failed") == []
        assert all(line.startswith("{") for line in service.lines)
