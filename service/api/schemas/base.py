"""What every record on the wire has in common, and the record of a problem."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# To JSON, 5 and 5.0 are the same number. Comes last in an annotation, or bounds lose their names.
WHOLE = BeforeValidator(_whole)

LONGEST_NAME, LONGEST_LABEL, LAST_STEP = 128, 256, 2**53 - 1
# Not a dot first: URLs swallow `.` and `..`.
NAME = r"^[A-Za-z0-9_:-][A-Za-z0-9_.:-]*$"

Name = Annotated[str, StringConstraints(max_length=LONGEST_NAME, pattern=NAME)]
Label = Annotated[str, StringConstraints(max_length=LONGEST_LABEL)]
Step = Annotated[int, Field(ge=0, le=LAST_STEP), WHOLE]


class WireModel(BaseModel):
    """A record whose fields are exactly those documented, of exactly those types."""

    model_config = ConfigDict(
        allow_inf_nan=False, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class FieldError(WireModel):
    """One field that cannot be accepted."""

    pointer: str
    """JSON Pointer (RFC 6901) to the field in the request body; empty for the body itself."""
    detail: str
    """What was expected and what came."""


class Problem(WireModel):
    """Why a request was not served (RFC 9457)."""

    type: str
    """A URI for this kind of problem."""
    title: str
    """What this kind of problem means."""
    status: int = Field(ge=400, le=599)
    """The HTTP status."""
    detail: str
    """What happened this time."""
    code: str
    """A stable name for programs."""
    retryable: bool
    """Whether the same request may succeed later."""
    errors: list[FieldError]
    """The fields at fault, if any."""
    facts: dict[str, Any]
    """Limits, both sides of a conflict, missing content: whatever helps a program go on."""
    request_id: str | None
    """The `X-Request-Id` of this exchange."""
    trace_id: str | None
    """The trace that this exchange belongs to, where the service sends traces."""


class ItemError(WireModel):
    """Why one item has no verdict."""

    code: str
    """A stable name for programs."""
    retryable: bool
    """Whether the same item may be scored later."""
    message: str
    """What happened."""
