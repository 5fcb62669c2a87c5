"""Small model servers that speak the dialects of vLLM, SGLang and lmdeploy, and fail on cue.

`python -m tests.model_servers vllm` serves one on a free port, which it prints.
"""

import asyncio
import json
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

POISON = "too much for the model"


def score_of(text):
    """A score that any honest server gives a text: between -10 and 0, the same every time."""
    return -(zlib.crc32(text.encode()) % 10_000) / 1000


def vllm_reply(scores):
    """A row of one number for each token; the last row counts."""
    data = [
        {"index": i, "object": "pooling", "data": [[0.25], [0.5], [score]]}
        for i, score in enumerate(scores)
    ]
    return {"id": "pool-1", "object": "list", "model": "POLAR-7B", "data": data}


def sglang_reply(scores):
    """A list of embeddings of one number."""
    return [{"embedding": [score], "meta_info": {"prompt_tokens": 9}} for score in scores]


def lmdeploy_reply(scores):
    """One number in each entry."""
    data = [{"index": i, "object": "pooling", "data": score} for i, score in enumerate(scores)]
    return {"object": "list", "data": data}


@dataclass(frozen=True)
class Speech:
    """What one dialect looks like from the server's side."""

    path: str
    texts: Callable
    reply: Callable


SPEECHES = {
    "vllm": Speech("/pooling", lambda body: body["input"], vllm_reply),
    "sglang": Speech("/classify", lambda body: body["text"], sglang_reply),
    "lmdeploy": Speech("/pooling", lambda body: body["input"], lmdeploy_reply),
}


@dataclass
class ModelServer:
    """Plays one act of `script` for each call that has more than the probe in it, then is honest.

    `always` is an act for every call, probes included.
    """

    speech: Speech
    script: deque = field(default_factory=deque)
    always: Callable | None = None
    calls: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    times: list = field(default_factory=list)
    probes: int = 0
    address: str = ""

    async def answer(self, request):
        """One call."""
        body = await request.json()
        texts = self.speech.texts(body)
        is_probe = len(texts) == 1 and texts[0].count("Beijing.") == 2
        self.probes += is_probe
        if not is_probe:
            self.calls.append(texts)
            self.bodies.append(body)
            self.times.append(time.monotonic())
        if self.always is not None:
            return await self.always(self, request, texts)
        if self.script and not is_probe:
            return await self.script.popleft()(self, request, texts)
        return await honest(self, request, texts)


async def honest(server, request, texts):  # noqa: ARG001 - every act takes the same
    """Score every text, and refuse what is too much."""
    if any(POISON in text for text in texts):
        return web.json_response({"error": "maximum context length exceeded"}, status=400)
    return web.json_response(server.speech.reply([score_of(text) for text in texts]))


def with_scores(change):
    """Answer with the honest scores after `change`."""

    async def act(server, request, texts):  # noqa: ARG001 - every act takes the same
        reply = server.speech.reply(change([score_of(text) for text in texts]))
        return web.Response(text=json.dumps(reply), content_type="application/json")

    return act


def status(code, text="not now", **headers):
    """Answer with a status."""

    async def act(server, request, texts):  # noqa: ARG001 - every act takes the same
        return web.Response(status=code, headers=headers, text=text)

    return act


def saying(text):
    """Answer with this text."""

    async def act(server, request, texts):  # noqa: ARG001 - every act takes the same
        return web.Response(text=text, content_type="application/json")

    return act


def slow(seconds):
    """Answer honestly, later."""

    async def act(server, request, texts):
        await asyncio.sleep(seconds)
        return await honest(server, request, texts)

    return act


async def reset(server, request, texts):  # noqa: ARG001 - every act takes the same
    """Cut the connection in the middle of the answer."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"data": [')
    request.transport.abort()
    return response


hang = slow(3600)


@asynccontextmanager
async def serving(dialect, *, port=0):
    """A server on a free port of this machine, over a real socket."""
    server = ModelServer(SPEECHES[dialect])
    app = web.Application(client_max_size=2**26)
    app.router.add_post(server.speech.path, server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.address = "{}:{}".format(*runner.addresses[0])
    try:
        yield server
    finally:
        await runner.cleanup()


async def main():
    """Serve until killed."""
    async with serving(sys.argv[1]) as server:
        sys.stdout.write(f"{server.address}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
