"""How Redis is spoken to: never twice, never for long, and only if it keeps what it is told.

redis-py retries ten times by default, and a write whose answer was lost is then made twice. Here
nothing is retried: whoever asked tries again, and the idempotency of the step answers him.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.errors import BadSettings, StateUnavailable

OLDEST = (6, 2)
CONNECTIONS = 64
NEEDED = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "always"}
"""Without these Redis may forget what it has acknowledged."""

REASONS: Mapping[str, str] = {
    "OOM": "out_of_memory",
    "READONLY": "read_only",
    "LOADING": "loading",
    "BUSY": "busy",
    "NOAUTH": "authentication",
    "WRONGPASS": "authentication",
    "invalid username-password": "authentication",
    "NOPERM": "authentication",
    "max number of clients": "too_many_clients",
    "MISCONF": "not_durable",
    "NOREPLICAS": "not_durable",
    "MASTERDOWN": "fail_over",
    "CLUSTERDOWN": "fail_over",
    "MOVED": "fail_over",
    "SCHEMA": "other_schema",
}
"""What a refusal of Redis is called, by a word of its message. The first that occurs counts."""


def connect(url: str, *, timeout_s: float) -> Redis:
    """Return a client of the Redis at `url`; nothing is sent yet.

    Raises `BadSettings` for a `url` that cannot be read, and shows nothing of it.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise BadSettings(
            "store: expected redis://[:PASSWORD@]HOST[:PORT][/DB], with / as %2F, @ as %40 and so"
            " on within the password"
        ) from None
    return Redis.from_pool(pool)


@asynccontextmanager
async def answering(client: Redis, *, timeout_s: float) -> AsyncIterator[None]:
    """Bound what is asked of Redis to `timeout_s`; every failure becomes `StateUnavailable`."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except (TimeoutError, RedisTimeoutError):
        raise StateUnavailable(
            f"the run store did not answer within {timeout_s:g} s", reason="timeout"
        ) from None
    except (RedisError, OSError, RuntimeError) as error:
        # uvloop raises a RuntimeError for a connection that was reset a moment ago.
        reason = reason_of(error)
        if reason == "read_only":
            # After a fail-over: these connections still lead to what was the master.
            await client.connection_pool.disconnect(inuse_connections=False)
        # Whoever asks how the service is reads this, and need not learn where the store is.
        why = reason.replace("_", " ")
        raise StateUnavailable(f"the run store does not serve: {why}", reason=reason) from error


def reason_of(error: Exception) -> str:
    """Name a failure.

    >>> reason_of(ResponseError("OOM command not allowed when used memory > 'maxmemory'."))
    'out_of_memory'
    """
    # The driver takes the first word off messages that it knows.
    message = f"{getattr(error, 'status_code', '')} {error}"
    for word, reason in REASONS.items():
        if word in message:
            return reason
    return "refused" if isinstance(error, ResponseError) else "connection"


async def inspect(client: Redis, *, timeout_s: float, allow_unsafe: bool) -> None:
    """Raise `BadSettings`, in one line, for a Redis that is away, too old or forgetful."""
    try:
        async with asyncio.timeout(timeout_s):
            release = str((await client.info("server"))["redis_version"])
            found = {} if allow_unsafe else await _settings(client)
    except (TimeoutError, RedisError, OSError) as error:
        raise BadSettings(f"the Redis store cannot be used: {str(error) or 'no answer'}") from None
    if tuple(map(int, release.split(".")[:2])) < OLDEST:
        raise BadSettings(f"the store is Redis {release}: expected 6.2 or newer")
    commands = [
        f"CONFIG SET {name} {NEEDED[name]}" for name in found if found[name] != NEEDED[name]
    ]
    if commands:
        raise BadSettings(
            f"this Redis may forget steps that it has acknowledged: run `{'; '.join(commands)}`"
            " and put the same in its configuration, or set allow_unsafe_store for development"
        )


async def _settings(client: Redis) -> dict[str, str | None]:
    # One at a time: 6.2 takes no list.
    return {name: (await client.config_get(name)).get(name) for name in NEEDED}
