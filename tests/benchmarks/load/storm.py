"""Callers that connect, ask and leave before they are answered."""

import socket
from contextlib import suppress


def storm(port: int, times: int, body: bytes) -> int:
    """Let so many callers ask and leave at once; return how many got as far as asking."""
    head = f"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    asked = 0
    for _ in range(times):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
            caller.sendall(head + body)
            asked += 1
    return asked
