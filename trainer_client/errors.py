"""What can go wrong on the way to a reward, split by what the caller should do.

ClientError
├── BadCall               fix the call: it cannot be put on the wire, and nothing was sent
├── RewardRefused         fix the request: the service understood it and said no
│   └── StepRefused       the run's state stands against it: another body, order or settings
└── RewardUnavailable     try later: no answer within the budget, and none is made up
    └── BadAnswer         something answered, but not with what the contract promises
"""

import re
from collections.abc import Mapping
from typing import Any

ITEM = re.compile(r"/items/(\d{1,9})(?:/|$)")


class ClientError(Exception):
    """Base of every error this package raises; each survives being pickled with its attributes."""


class BadCall(ClientError):
    """The arguments cannot be sent as they are; nothing left this machine."""


class RewardRefused(ClientError):
    """The service refused the whole request, and the same request will be refused again.

    `status` is that of HTTP, `code` the service's stable name for the trouble, `problem` the
    whole RFC 9457 document (empty if the refusal did not come from the service).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "unknown",
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.problem = dict(problem or {})

    @property
    def items(self) -> Mapping[int, str]:
        """What is wrong with which items, by their place in the request.

        Empty where anything else is at fault too, or where the service names no field.
        """
        errors = self.problem.get("errors")
        found: dict[int, str] = {}
        for error in errors if isinstance(errors, list) else ():
            place = ITEM.match(str(error.get("pointer")) if isinstance(error, dict) else "")
            if place is None:
                return {}
            found[int(place[1])] = str(error.get("detail"))
        return found


class StepRefused(RewardRefused):
    """The run took this step with another body, is past it, or was pinned to other settings."""


class RewardUnavailable(ClientError):
    """No answer came within the budget. There is no reward to use, not even 0.

    `attempts` counts the requests sent, `status` and `code` are those of the last answer, if any.
    """

    def __init__(
        self,
        message: str,
        *,
        attempts: int = 0,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.attempts = attempts
        self.status = status
        self.code = code


class BadAnswer(RewardUnavailable):
    """The answer is not what the contract promises, so nothing in it may be used."""
