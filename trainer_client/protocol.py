"""The calls that the service answers: what each sends and how its answer is read."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from trainer_client.batching import Chunk, Entry, cut, improve, join, only_spec, unsettled
from trainer_client.errors import RewardUnavailable
from trainer_client.exchange import GRACE_S, Patience, exchange
from trainer_client.steps import Call, Steps, Together, Wait
from trainer_client.wire.advantages import AdvantageRequest, AdvantageResponse
from trainer_client.wire.items import Terms
from trainer_client.wire.rewards import RewardResponse
from trainer_client.wire.service import Info
from trainer_client.wire.text import decode

READY_PATH = "/readyz"
INFO_CALL: Call[Info] = Call("GET", "/info", Info.read)


def score(
    entries: Sequence[Entry], info: Info, patience: Patience, terms: Terms
) -> Steps[RewardResponse]:
    """Score a batch, and score again what trouble of the machine left unscored.

    What is still unscored after the last round stays so; the verdicts of earlier rounds are kept.
    """

    def ask(chunks: Sequence[Chunk]) -> Together:
        return Together([exchange(reward_call(chunk, terms), patience) for chunk in chunks])

    chunks = cut(entries, info)
    answers = yield ask(chunks)
    tag, results = only_spec(answers), join(chunks, answers)
    for tried in range(1, patience.config.rounds):
        again = unsettled(entries, results)
        pause_s = patience.pause_s(tried, 0.0)
        if not again or pause_s >= patience.left_s() - GRACE_S:
            break
        yield Wait(pause_s, f"{len(again)} items may yet be scored")
        chunks = cut(again, info)
        try:
            answers = yield ask(chunks)
        except RewardUnavailable:
            break
        if {answer.spec for answer in answers} == {tag}:
            results = improve(results, again, join(chunks, answers))
    return RewardResponse(tag, tuple(results[entry.position] for entry in entries))


def reward_call(chunk: Chunk, terms: Terms) -> Call[RewardResponse]:
    """`POST /reward` for one chunk; each attempt tells the service what is left of a deadline."""
    items = b",".join(entry.body for entry in chunk.entries)

    def body(left_s: float) -> bytes:
        envelope = terms.encode(int((left_s - GRACE_S) * 1000)).removesuffix(b"}")
        return envelope + (b"," if len(envelope) > 1 else b"") + b'"items":[' + items + b"]}"

    return Call("POST", "/reward", chunk.read, body, chunk.media, quick=False)


def advantage_call(request: AdvantageRequest) -> Call[AdvantageResponse]:
    """`POST /advantage`: the same bytes at every attempt, so that a retry is a replay."""
    body = request.encode()
    count = len(request.rewards)
    return Call(
        "POST",
        "/advantage",
        lambda answer: AdvantageResponse.read(answer, count=count),
        lambda _: body,
        quick=request.shard is None,
    )


def rewind_call(run: str, step: int) -> Call[Any]:
    """`POST /runs/{run}/rewind`: put the run's state back to where it stood after `step`."""
    body = json.dumps({"step": int(step)}).encode()
    return Call("POST", f"/runs/{quote(run, safe='')}/rewind", decode, lambda _: body)


def close_call(run: str, step: int) -> Call[Any]:
    """`POST /runs/{run}/close`: fold the rewards that were scaled as they came."""
    body = json.dumps({"step": int(step)}).encode()
    return Call("POST", f"/runs/{quote(run, safe='')}/close", decode, lambda _: body)


def run_call(run: str) -> Call[Any]:
    """`GET /runs/{run}`."""
    return Call("GET", f"/runs/{quote(run, safe='')}", decode)
