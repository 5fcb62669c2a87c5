"""A process that speaks to Ray for a service, so that what befalls Ray does not befall the service.

Ray ends the process that it runs in when its cluster is lost for good.
"""

import asyncio
import os
import socket
import sys
from collections import Counter
from typing import Any, NoReturn

from rewards.backends.ray_serve.frames import (
    READ_AHEAD_BYTES,
    Answer,
    Call,
    Drop,
    Failure,
    State,
    receive,
    send,
)

CONNECT_S = 60.0
LOOK_EVERY_S = 1.0
LOOK_S = 10.0
ATTEMPTS = 3
FIRST_PAUSE_S = 0.1


class RayApp:
    """One Serve application; its methods block, but for `ask`."""

    def __init__(self, cluster: str, app: str) -> None:
        self._cluster = cluster
        self._app = app
        self._handle: Any = None

    def connect(self) -> None:
        """Join the cluster; raises whatever Ray raises."""
        import ray

        ray.init(
            address=self._cluster,
            namespace="reward-service",
            log_to_driver=False,
            logging_level="error",
        )

    def look(self) -> State:
        """Say whether a replica runs; raises whatever Ray raises when the cluster is away."""
        from ray import serve

        found = serve.status().applications.get(self._app)
        if found is None:
            return State(ready=False, reason=f"no application named {self._app!r} is deployed")
        states: Counter[str] = Counter()
        for deployment in found.deployments.values():
            states.update(deployment.replica_states)
        running, wanted = states["RUNNING"], states.total() - states["STOPPING"]
        if not running:
            return State(ready=False, reason=f"no replica runs: {found.status.value}")
        if self._handle is None:
            self._handle = serve.get_app_handle(self._app)
        reason = None if running == wanted else f"{running} of {wanted} replicas run"
        return State(ready=True, reason=reason)

    async def ask(self, call: Call) -> bytes:
        """One answer from one replica."""
        handle = self._handle.options(method_name=call.method, session_id=call.key)
        response = handle.remote(call.body)
        try:
            answer: bytes = await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        return answer


class Driver:
    """Passes calls on to an application, and tells how it is."""

    def __init__(
        self, app: RayApp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._app = app
        self._reader = reader
        self._writer = writer
        self._calls: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> NoReturn:
        """Work until the service or the cluster is gone, then end the process."""
        watch = asyncio.create_task(self._watch())
        serve = asyncio.create_task(self._serve())
        await asyncio.wait((watch, serve), return_when=asyncio.FIRST_COMPLETED)
        # What is left of Ray in this process may hang; nothing in it is worth a farewell.
        os._exit(0)

    async def _watch(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.to_thread(self._app.connect)
            while True:
                async with asyncio.timeout(LOOK_S):
                    state = await asyncio.to_thread(self._app.look)
                send(self._writer, state)
                await asyncio.sleep(LOOK_EVERY_S)
        except Exception as error:  # noqa: BLE001 - whatever Ray raises, it is told and done with
            why = "no answer in time" if isinstance(error, TimeoutError) else _kind(error)
            send(self._writer, State(ready=False, reason=f"Ray is away: {why}"))
            await self._writer.drain()

    async def _serve(self) -> None:
        while True:
            try:
                message = await receive(self._reader, Call | Drop)  # type: ignore[arg-type]  # mypy knows no type of a union
            except EOFError:
                return
            if isinstance(message, Drop):
                if task := self._calls.get(message.number):
                    task.cancel()
            else:
                self._begin(message)

    def _begin(self, call: Call) -> None:
        task = self._calls[call.number] = asyncio.create_task(self._answer(call))
        # Not within the task: dropped soon enough, it never runs.
        task.add_done_callback(lambda _: self._calls.pop(call.number))

    async def _answer(self, call: Call) -> None:
        send(self._writer, await self._persist(call))
        await self._writer.drain()

    async def _persist(self, call: Call) -> Answer | Failure:
        """Ask again elsewhere when a replica is lost: what it was asked changes nothing."""
        from ray.exceptions import RayTaskError

        why = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(FIRST_PAUSE_S * 2.0**attempt)
            try:
                return Answer(call.number, await self._app.ask(call))
            except Exception as error:  # noqa: BLE001 - whatever Ray raises, the caller gets a line
                why = _kind(error)
                if isinstance(error, RayTaskError):
                    break
        return Failure(call.number, why)


def _kind(error: Exception) -> str:
    # Its text names machines, and may repeat what was asked.
    return type(error).__name__


async def main(descriptor: int, cluster: str, app: str) -> None:
    """Serve whoever holds the other end of the socket."""
    end = socket.socket(fileno=descriptor)
    reader, writer = await asyncio.open_connection(sock=end, limit=READ_AHEAD_BYTES)
    await Driver(RayApp(cluster, app), reader, writer).run()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
