"""Where the service is and how long to wait for it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from trainer_client.errors import BadCall

ENVIRONMENT = {
    "url": "REWARD_SERVICE_URL",
    "api_key": "REWARD_SERVICE_API_KEY",
    "budget_s": "REWARD_SERVICE_BUDGET_S",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Everything a client needs to know; plain values, so it can be pickled and compared.

    `budget_s` bounds the wall time of one logical call, retries and pauses included: keep it
    below the collective timeout of your training job. `attempt_s` bounds the wait for one
    answer, `quick_s` where nothing is to be scored or waited for, `connect_s` that for a
    connection. Pauses between attempts are drawn uniformly from 0 to `first_pause_s` doubled
    each time, up to `longest_pause_s`. `concurrency` bounds how many parts of one batch are under
    way at once; `rounds` how often an item is sent that comes back unscored because a worker or
    a model was in trouble. Proxy variables are ignored unless `trust_env` is set. A password in the
    URL is the `api_key`, unless another is given, and does not stay in it.
    """

    url: str = "http://127.0.0.1:8080"
    api_key: str | None = field(default=None, repr=False)
    budget_s: float = 300.0
    attempt_s: float = 150.0
    quick_s: float = 30.0
    connect_s: float = 5.0
    first_pause_s: float = 0.25
    longest_pause_s: float = 15.0
    concurrency: int = 8
    rounds: int = 3
    trust_env: bool = False
    ca_file: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise BadCall(f"url: expected http://host[:port][/prefix]; got {self.url!r}")
        if parts.password is not None:
            # As callers have it that can be given a URL alone; it must not stand in any log.
            plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            object.__setattr__(self, "url", plain)
            object.__setattr__(self, "api_key", self.api_key or unquote(parts.password))
        for name in ("concurrency", "rounds"):
            if getattr(self, name) < 1:
                raise BadCall(f"{name}: expected at least 1; got {getattr(self, name)!r}")
        for name in (
            "budget_s",
            "attempt_s",
            "quick_s",
            "connect_s",
            "first_pause_s",
            "longest_pause_s",
        ):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadCall(f"{name}: expected seconds above 0; got {getattr(self, name)!r}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read `REWARD_SERVICE_URL`, `REWARD_SERVICE_API_KEY` and `REWARD_SERVICE_BUDGET_S`.

        >>> ClientConfig.from_environment({"REWARD_SERVICE_URL": "http://rewards:8080"}).url
        'http://rewards:8080'
        """
        given: dict[str, Any] = {
            name: environment[variable]
            for name, variable in ENVIRONMENT.items()
            if variable in environment
        }
        if "budget_s" in given:
            try:
                given["budget_s"] = float(given["budget_s"])
            except ValueError:
                expected = f"{ENVIRONMENT['budget_s']}: expected seconds"
                raise BadCall(f"{expected}; got {given['budget_s']!r}") from None
        return cls(**given)

    def request_headers(self) -> dict[str, str]:
        """Return the headers of every request: who asks, and by what right."""
        asking = {"Accept": "application/json", "User-Agent": "reward-service-client"}
        allowed = {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}
        return {**asking, **allowed, **self.headers}

    @classmethod
    def of(cls, where: "ClientConfig | str | None") -> "ClientConfig":
        """Return a config as it is, or the environment's, at a URL if one is given."""
        if isinstance(where, ClientConfig):
            return where
        found = cls.from_environment()
        return found if where is None else replace(found, url=where)
