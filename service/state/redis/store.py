"""The shared run store: every replica on one Redis, one script for each change."""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Self

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from service.errors import StateUnavailable
from service.state.offers import Gathered, Offer, OpenStep
from service.state.records import (
    SCHEMA,
    Head,
    Mark,
    Reading,
    Record,
    Retention,
    StoredAnswer,
    Write,
)
from service.state.redis.client import answering, connect, inspect

PREFIX = "rewards:"
FINGERPRINT = slice(0, 64)
BODY = slice(64, None)
TERMS = b""
PAGE = 1000
# A service that cannot start says so within seconds, however patient it is later.
START_S = 2.0


class RedisStore:
    """A run store in Redis.

    The keys of a run share a hash tag, so that a cluster keeps them on one node.
    """

    def __init__(self, client: Redis, retention: Retention, timeout_s: float) -> None:
        self._client = client
        self._retention = retention
        self._timeout_s = timeout_s
        self._read = _script(client, "read.lua")
        self._write = _script(client, "write.lua")
        self._gather = _script(client, "gather.lua")
        self._delete = _script(client, "delete.lua")

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        retention: Retention | None = None,
        timeout_s: float = 2.0,
        allow_unsafe: bool = False,
    ) -> Self:
        """Connect; raise `BadSettings` for a Redis that is away or, unless allowed, may forget."""
        client = connect(url, timeout_s=timeout_s)
        try:
            await inspect(client, timeout_s=min(timeout_s, START_S), allow_unsafe=allow_unsafe)
        except BaseException:
            await client.aclose()
            raise
        return cls(client, retention or Retention(), timeout_s)

    async def read(self, run: str, step: int, part: int) -> Reading:
        """Return the run, the answer that `part` of `step` got, and what `step` has gathered."""
        keys = [_key(run, "head"), _key(run, "answers"), _entries(run, step)]
        head, answer, count = await self._ask(self._read(keys, [f"{step}:{part}"]))
        given = StoredAnswer(answer[FINGERPRINT].decode(), answer[BODY]) if answer else None
        return Reading(_head(_pairs(head)), given, count)

    async def write(self, run: str, write: Write) -> bool:
        """Make the change and return True, or change nothing and return False."""
        head, mark, expected = write.head, write.head.mark, write.expected
        arguments = [
            SCHEMA,
            f"{expected.generation} {expected.version}" if expected else "",
            write.gathered,
            "" if write.forget_after is None else write.forget_after,
            mark.generation,
            mark.version,
            head.step,
            head.document,
            repr(head.created_at),
            repr(head.updated_at),
            write.record.line if write.record else "",
            self._retention.record_steps,
            self._retention.answer_steps,
            self._expire_ms,
            *(answer.fingerprint.encode() + answer.body for answer in write.answers),
        ]
        return bool(await self._ask(self._write(_keys(run), arguments)))

    async def gather(self, run: str, offer: Offer) -> Gathered:
        """Keep what is offered, unless the step is taken or something stands in the way."""
        keys = [_key(run, "head"), _key(run, "open_steps"), _entries(run, offer.step)]
        flat = [part for entry in offer.entries.items() for part in entry]
        alone = "alone" if offer.alone else ""
        arguments = [SCHEMA, offer.step, offer.terms, alone, self._expire_ms, *flat]
        kept, terms, steps, count, clashes, head = await self._ask(self._gather(keys, arguments))
        names = [name.decode() for name in clashes]
        return Gathered(bool(kept), _head(_pairs(head)), terms, names, list(map(int, steps)), count)

    async def open_step(self, run: str, step: int) -> OpenStep:
        """Return what was gathered for `step`."""
        entries = await self._ask(self._client.hgetall(_entries(run, step)))
        terms = entries.pop(TERMS, b"")
        return OpenStep(terms, {key.decode(): payload for key, payload in entries.items()})

    async def records(self, run: str, *, after: int, limit: int) -> list[Record]:
        """Return records of steps after `after`, the earliest first."""
        question = self._client.zrangebyscore(
            _key(run, "records"), f"({after}", "+inf", start=0, num=limit, withscores=True
        )
        return _records(await self._ask(question))

    async def latest(self, run: str, until: int) -> Record | None:
        """Return the record of the last step that is not after `until`."""
        question = self._client.zrevrangebyscore(
            _key(run, "records"), until, "-inf", start=0, num=1, withscores=True
        )
        return next(iter(_records(await self._ask(question))), None)

    async def runs(self, *, after: str, limit: int) -> list[tuple[str, Head]]:
        """Return runs by name, those that sort after `after`."""
        pattern, start, end = _key("*", "head"), len(_key("", "")) - 2, -len("}:head")
        async with answering(self._client, timeout_s=self._timeout_s):
            keys = {key async for key in self._client.scan_iter(match=pattern, count=PAGE)}
            names = sorted(key.decode()[start:end] for key in keys)
            chosen = [name for name in names if name > after][:limit]
            question = self._client.pipeline(transaction=False)
            for name in chosen:
                question.hgetall(_key(name, "head"))
            heads = map(_head, await question.execute())
            return [(name, head) for name, head in zip(chosen, heads, strict=True) if head]

    async def delete(self, run: str) -> bool:
        """Remove everything of a run; return whether it existed."""
        return bool(await self._ask(self._delete(_keys(run))))

    async def ping(self) -> None:
        """Return if the store answers."""
        await self._ask(self._client.ping())

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    @property
    def _expire_ms(self) -> int:
        return round(self._retention.expire_s * 1000)

    async def _ask(self, question: Awaitable[Any]) -> Any:
        # The driver types every answer as a union of all that it may be.
        async with answering(self._client, timeout_s=self._timeout_s):
            return await question


def _script(client: Redis, name: str) -> AsyncScript:
    return client.register_script(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _key(run: str, part: str) -> str:
    return f"{PREFIX}{{{run}}}:{part}"


def _keys(run: str) -> list[str]:
    parts = ("head", "records", "answers", "answer_steps", "open_steps")
    return [_key(run, part) for part in parts]


def _entries(run: str, step: int) -> str:
    return _key(run, f"open_steps:{step}")


def _pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _head(fields: Mapping[bytes, bytes]) -> Head | None:
    if not fields:
        return None
    if int(fields[b"schema"]) != SCHEMA:
        found = fields[b"schema"].decode()
        raise StateUnavailable(
            f"the run is stored with schema {found}, and this replica reads {SCHEMA}",
            reason="other_schema",
        )
    mark = Mark(int(fields[b"generation"]), int(fields[b"version"]))
    created_at, updated_at = float(fields[b"created_at"]), float(fields[b"updated_at"])
    return Head(mark, int(fields[b"step"]), fields[b"document"], created_at, updated_at)


def _records(pairs: Iterable[tuple[bytes, float]]) -> list[Record]:
    return [Record(int(score), line) for line, score in pairs]
