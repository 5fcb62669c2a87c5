"""A TCP proxy that passes requests on and now and then loses the answer."""

import random
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 1 << 16


class LossyProxy:
    """Stands before a port; loses the share `loses` of all answers, each with its connection."""

    def __init__(self, port: int, *, loses: float, seed: int) -> None:
        self.target, self.loses = port, loses
        self.chance = random.Random(seed)
        self.lost = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                inner, _ = self.listener.accept()
                threading.Thread(target=self._carry, args=(inner,), daemon=True).start()

    def _carry(self, inner: socket.socket) -> None:
        other = socket.create_connection(("127.0.0.1", self.target))
        with inner, other as outer, suppress(OSError):
            while True:
                (end, *_), _, _ = select.select([inner, outer], [], [])
                data = end.recv(CHUNK)
                if end is outer and self.chance.random() < self.loses:
                    self.lost += 1
                    return
                if not data:
                    return
                (outer if end is inner else inner).sendall(data)


@contextmanager
def losing_answers(port: int, *, loses: float, seed: int) -> Iterator[LossyProxy]:
    """Run a proxy before `port`."""
    proxy = LossyProxy(port, loses=loses, seed=seed)
    with proxy.listener:
        threading.Thread(target=proxy.serve, daemon=True).start()
        yield proxy
        proxy.listener.shutdown(socket.SHUT_RDWR)
