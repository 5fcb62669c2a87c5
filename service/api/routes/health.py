"""`GET /livez`, `/readyz` and `/metrics`: for those who keep the service running."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from service.api.dependencies import Parts, json_response
from service.api.openapi import answers
from service.api.schemas.catalog import Live, Ready
from service.errors import Draining, Unavailable

router = APIRouter(tags=["operations"])


@router.get("/livez", responses=answers(Live))
async def livez() -> Response:
    """Whether the event loop turns; says nothing of what the service depends on."""
    return json_response({"status": "live"})


@router.get("/readyz", responses=answers(Ready, 503))
async def readyz(parts: Parts) -> Response:
    """Whether this replica wants traffic: every part is ready and it is not shutting down."""
    ready = {name: probe() for name, probe in parts.probes.items()}
    if parts.lifecycle.draining:
        raise Draining("this replica is shutting down", parts=ready)
    if not all(ready.values()):
        names = ", ".join(name for name, is_ready in ready.items() if not is_ready)
        raise Unavailable(f"not ready: {names}", parts=ready)
    return json_response({"status": "ready", "parts": ready})


@router.get(
    "/metrics",
    responses={
        200: {
            "description": "Every metric, in the text format of Prometheus.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
    response_class=Response,
)
async def metrics(parts: Parts) -> Response:
    """Every metric, in the text format of Prometheus."""
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)
