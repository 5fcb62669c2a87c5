"""What an adapter asks of the service for every rollout."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from trainer_client.errors import BadCall
from trainer_client.stand_ins import NAMED, Policy

ENVIRONMENT = {
    "kind": "REWARD_SERVICE_KIND",
    "spec": "REWARD_SERVICE_SPEC",
    "run": "REWARD_SERVICE_RUN",
    "unscored": "REWARD_SERVICE_UNSCORED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to score rollouts, for frameworks that hand over nothing but rollouts.

    `kind` serves rows that name none, `spec` defaults to the service's, `run` is the training
    job, `unscored` the number for what was not scored (see `stand_ins`).
    """

    kind: str | None = None
    spec: str | None = None
    run: str | None = None
    unscored: Policy = "raise"

    @classmethod
    def read(
        cls, given: Mapping[str, Any], environment: Mapping[str, str] = os.environ, **defaults: Any
    ) -> Self:
        """Take each option from `given`, else from `REWARD_SERVICE_KIND` and so on.

        >>> Options.read({"kind": "math"}, {"REWARD_SERVICE_UNSCORED": "0.5"}).unscored
        0.5
        """
        found = dict(defaults)
        for name, variable in ENVIRONMENT.items():
            value = given.get(name)
            if value is None:
                value = environment.get(variable)
            if value is not None:
                found[name] = value
        if isinstance(found.get("unscored"), str):
            found["unscored"] = _policy(found["unscored"])
        return cls(**found)

    def run_name(self) -> str:
        """Return the run; raise `BadCall` if none was named."""
        if self.run is None:
            raise BadCall(f"expected the name of the run in {ENVIRONMENT['run']}")
        return self.run


def _policy(text: str) -> Policy:
    if text in NAMED:
        return text
    try:
        return float(text)
    except ValueError:
        allowed = f"{' or '.join(NAMED)} or a number"
        raise BadCall(f"{ENVIRONMENT['unscored']}: expected {allowed}; got {text!r}") from None
