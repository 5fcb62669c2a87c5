"""What the service refuses, split by what the caller should do.

ServiceError
├── BadSettings              fix the configuration: the service does not start
├── Refused                  fix the request; sending it again will not help
│   ├── InvalidRequest       the body does not fit the schema
│   ├── TooLarge             more bytes, items or pixels than allowed
│   ├── TooSlow              the body did not arrive in time
│   ├── UnsupportedEncoding  the body is compressed
│   ├── UnknownRun           no run of that name has taken a step
│   ├── StepConflict         this step was taken with another body
│   ├── StepOutOfOrder       a later step was already taken, and this is no replay
│   ├── RunSettingsDiffer    the run was pinned to other settings by its first step
│   ├── RunExists            a run of that name exists and is not to be replaced
│   ├── RunMoved             the run is not at the version that the caller expects
│   ├── HistoryTrimmed       what is kept of the run does not reach back that far
│   ├── MediaMissing         the request names content that was not uploaded
│   ├── Unauthenticated      no key, or one that is not known
│   └── Forbidden            the key does not allow this
└── Unavailable              try the same request again, after `retry_after_s`
    ├── Overloaded           the queue is full
    ├── Draining             this replica is shutting down
    ├── StateUnavailable     the run store did not answer; nothing was applied locally
    └── ShardsMissing        other ranks have not sent their part of this step yet
"""

from typing import ClassVar


class ServiceError(Exception):
    """Base of every error of the service: a stable `code` and whether a retry may help.

    `detail` holds machine-readable facts (limits, both sides of a conflict, missing hashes).
    """

    code: ClassVar[str] = "service_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__(message)
        self.detail = detail


class BadSettings(ServiceError):
    """A setting is unknown, has a value it cannot have, or names something that is not there."""

    code = "bad_settings"


class Refused(ServiceError):
    """The request cannot be served as it stands."""

    code = "refused"


class InvalidRequest(Refused):
    """The body does not fit the schema."""

    code = "invalid_request"


class TooLarge(Refused):
    """The request holds more than the limits of `GET /info` allow."""

    code = "too_large"


class TooSlow(Refused):
    """The body did not arrive in time."""

    code = "request_timeout"
    retryable = True


class UnsupportedEncoding(Refused):
    """The body is compressed; it must be sent as it is."""

    code = "unsupported_encoding"


class UnknownRun(Refused):
    """No run of that name has taken a step."""

    code = "unknown_run"


class StepConflict(Refused):
    """The step was already taken with another body."""

    code = "step_conflict"


class StepOutOfOrder(Refused):
    """A later step was already taken, and this request is no replay of one that is kept."""

    code = "step_out_of_order"


class RunSettingsDiffer(Refused):
    """The run's first step pinned other settings."""

    code = "run_settings_differ"


class RunExists(Refused):
    """A run of that name exists, and the request does not say to replace it."""

    code = "run_exists"


class RunMoved(Refused):
    """The run is not at the version that the caller expects."""

    code = "run_moved"


class HistoryTrimmed(Refused):
    """The records kept of the run do not reach back to the step."""

    code = "history_trimmed"


class MediaMissing(Refused):
    """The request names content that was not uploaded; upload it and send the request again."""

    code = "media_missing"
    retryable = True


class Unauthenticated(Refused):
    """No key was given, or one that is not known."""

    code = "unauthenticated"


class Forbidden(Refused):
    """The key is known but does not allow this."""

    code = "forbidden"


class Unavailable(ServiceError):
    """The service cannot serve this now; the same request may succeed after `retry_after_s`."""

    code = "unavailable"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: int = 1, **detail: object) -> None:
        super().__init__(message, **detail)
        self.retry_after_s = max(1, retry_after_s)


class Overloaded(Unavailable):
    """The queue is full; nothing of the request was queued."""

    code = "overloaded"


class Draining(Unavailable):
    """This replica is shutting down; another one will answer."""

    code = "draining"


class StateUnavailable(Unavailable):
    """The run store did not answer; nothing was applied locally."""

    code = "state_unavailable"


class ShardsMissing(Unavailable):
    """Other ranks have not sent their part of this step; the parts that came are kept."""

    code = "shards_missing"
