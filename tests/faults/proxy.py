"""A TCP proxy that misbehaves on command."""

import random
import selectors
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

CHUNK = 65536
RESET = struct.pack("ii", 1, 0)


@dataclass
class Proxy:
    """Passes bytes on to a port, until it is told to hold them, reset connections or drop answers.

    `drop` is the share of answers after which a connection is cut instead of passing them on.
    """

    target: int
    drop: float = 0.0
    holding: bool = False
    resetting: bool = False
    seed: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)
    _connections: set[socket.socket] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._random = random.Random(self.seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stopped.set()
        self._thread.join()
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every open connection."""
        for connection in list(self._connections):
            _reset(connection)

    def _accept(self) -> None:
        threads = []
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _serve(self, client: socket.socket) -> None:
        if self.resetting:
            _reset(client)
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            _reset(client)
            return
        pair = (client, server)
        self._connections.update(pair)
        try:
            with selectors.DefaultSelector() as ready:
                ready.register(client, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, client)
                while not self._stopped.is_set() and self._pass_on(ready, server):
                    pass
        except OSError:
            pass
        finally:
            self._connections.difference_update(pair)
            for end in pair:
                _reset(end)

    def _pass_on(self, ready: selectors.BaseSelector, server: socket.socket) -> bool:
        for key, _ in ready.select(timeout=0.05):
            if self.holding:
                self._stopped.wait(0.01)
                continue
            data = key.fileobj.recv(CHUNK)
            if not data:
                return False
            if key.fileobj is server and self._random.random() < self.drop:
                return False
            key.data.sendall(data)
        return True


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()
