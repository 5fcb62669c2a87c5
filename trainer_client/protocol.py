"""The calls that the service answers: what each sends and how its answer is read."""

import json
import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from trainer_client.batching import (
    Chunk,
    Entry,
    cut,
    improve,
    join,
    only_spec,
    refusals,
    unsettled,
)
from trainer_client.errors import RewardRefused, RewardUnavailable
from trainer_client.exchange import GRACE_S, Patience, exchange
from trainer_client.steps import Call, Steps, Together, Wait
from trainer_client.wire.advantages import AdvantageRequest, AdvantageResponse
from trainer_client.wire.items import Terms
from trainer_client.wire.rewards import ItemResult, RewardResponse
from trainer_client.wire.service import Info
from trainer_client.wire.text import decode

log = logging.getLogger(__name__)

MOST_REFUSALS = 20
"""How often a request is sent again without the items that the service refused by name."""

READY_PATH = "/readyz"
INFO_CALL: Call[Info] = Call("GET", "/info", Info.read)


def score(
    entries: Sequence[Entry], info: Info, patience: Patience, terms: Terms
) -> Steps[RewardResponse]:
    """Score a batch, and score again what trouble of the machine left unscored.

    What is still unscored after the last round stays so; the verdicts of earlier rounds are kept.
    Items that the service refuses by name are left unscored; with all of them, `RewardRefused`.
    """

    def ask(chunks: Sequence[Chunk]) -> Together:
        return Together([_scored(chunk, terms, patience) for chunk in chunks])

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


def _scored(chunk: Chunk, terms: Terms, patience: Patience) -> Steps[RewardResponse]:
    # One bad row of a data set must not cost its batch. What is wrong with all rows, or with very
    # many, is no slip of a row but of the set-up, and is raised.
    left, results, tried = chunk, dict[int, ItemResult](), 0
    while True:
        tried += 1
        try:
            answer = yield from exchange(reward_call(left, terms), patience)
            break
        except RewardRefused as error:
            named = refusals(left, error)
            if tried > MOST_REFUSALS or not 0 < len(named) < len(left.entries):
                raise
            log.error("%d items are left unscored: %s", len(named), error)  # noqa: TRY400 - theirs
            results |= named
            left = Chunk(tuple(one for one in left.entries if one.position not in named))
    results |= join([left], [answer])
    return RewardResponse(answer.spec, tuple(results[one.position] for one in chunk.entries))


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
