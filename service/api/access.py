"""Who may use which route: one table, and the check that comes before everything else."""

from base64 import b64decode
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope as Connection

from service.access.file import KeyFile
from service.access.keys import ANYBODY, EVERY_RUN, Key, Scope
from service.api.ports import is_at_metrics
from service.container import Container
from service.errors import Forbidden, Unauthenticated

OPEN: frozenset[Scope] = frozenset()
ANY_KEY = frozenset(Scope)
REWARD = frozenset({Scope.REWARD})
ADVANTAGE = frozenset({Scope.ADVANTAGE})
ADMIN = frozenset({Scope.ADMIN})
LOOKING = ADVANTAGE | ADMIN
METRICS = "metrics"

# By the name of a route: a key needs one of these scopes. What concerns a run also needs a key that
# is for it, and metrics one that is for every run. A job that resumes rewinds its own run, so that
# is no right of administrators.
ACCESS: Mapping[str, frozenset[Scope]] = {
    "livez": OPEN,
    "readyz": OPEN,
    METRICS: ADMIN,
    "info": ANY_KEY,
    "kinds": ANY_KEY,
    "specs": ANY_KEY,
    "reward": REWARD,
    "upload": REWARD,
    "is_here": REWARD,
    "get_reward": REWARD,
    "slime": REWARD,
    "verify": REWARD,
    "session": REWARD,
    "seed_session": REWARD,
    "close_session": REWARD,
    "reverify_mode": REWARD,
    "aggregate_metrics": REWARD,
    "advantage": ADVANTAGE,
    "close": ADVANTAGE,
    "rewind": ADVANTAGE,
    "runs": LOOKING,
    "run_detail": LOOKING,
    "history": LOOKING,
    "export": LOOKING,
    "bring_in": ADMIN,
    "delete": ADMIN,
}


async def authorise(request: Request) -> None:
    """Raise `Unauthenticated` or `Forbidden` unless the caller may use the route, for its run."""
    container: Container = request.app.state.container
    route = request.scope["route"].name
    needed = OPEN if is_at_metrics(request.scope) else ACCESS[route]
    request.state.key = ANYBODY
    if not needed or container.keys is None:
        return
    request.state.key = key = _identify(request, container.keys)
    request.state.notes["key"] = key.name
    check_scope(request, needed)
    if route == METRICS and not key.sees_all():
        raise Forbidden(
            f"the key {key.name!r} is for some runs, and metrics tell of all: expected one for"
            f" {EVERY_RUN!r}",
            runs=list(key.runs),
        )
    if (run := request.path_params.get("run")) is not None:
        check_run(request, run)


def _identify(request: Request, keys: KeyFile) -> Key:
    presented = _presented(request.headers.get("authorization", ""))
    if not presented:
        raise Unauthenticated(
            "expected a key: Authorization: Bearer KEY, or Basic with the key as the password"
        )
    key = keys.find(presented)
    if key is None:
        raise Unauthenticated("the key is not known here")
    return key


def _presented(header: str) -> bytes:
    scheme, _, credentials = header.partition(" ")
    written = credentials.strip().encode("latin-1")
    if scheme.lower() == "bearer":
        return written
    if scheme.lower() != "basic":
        return b""
    # What can be given a URL but no header says it so: http://anybody:KEY@rewards:8080.
    try:
        return b64decode(written, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def name_caller(headers: Headers, connection: Connection, keys: KeyFile | None) -> str:
    """Say who sends a request, as far as can be told before it is read: no name of a run."""
    if keys is None:
        client = connection.get("client")
        return f"at {client[0]}" if client else "at this host"
    key = keys.find(_presented(headers.get("authorization", "")))
    return f"key {key.name}" if key else "without a key"


def check_scope(request: Request, needed: frozenset[Scope]) -> None:
    """Raise `Forbidden` unless the caller's key has one of the `needed` scopes."""
    key: Key = request.state.key
    if not needed & key.scopes:
        raise Forbidden(
            f"the key {key.name!r} is for {listed(key.scopes)}; expected {listed(needed)}",
            scopes=sorted(key.scopes),
            needed=sorted(needed),
        )


def check_run(request: Request, run: str) -> None:
    """Raise `Forbidden` unless the caller's key is for `run`, be there such a run or not."""
    key: Key = request.state.key
    if not key.sees(run):
        raise Forbidden(f"the key {key.name!r} is not for run {run!r}", runs=list(key.runs))


def listed(scopes: frozenset[Scope]) -> str:
    """Scopes as a sentence has them."""
    return " or ".join(sorted(scopes))
