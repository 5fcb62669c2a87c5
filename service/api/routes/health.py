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
    """Whether this replica wants traffic, and how each part is.

    Without a part that only some requests need it is `degraded` and stays in rotation: requests
    that need the part are told so, one by one.
    """
    health = parts.health()
    shown = {name: {"ready": part.ready, "reason": part.reason} for name, part in health.items()}
    away = [name for name, part in health.items() if not part.ready]
    if parts.lifecycle.draining:
        raise Draining("this replica is shutting down", parts=shown)
    if parts.vital.intersection(away):
        raise Unavailable(f"not ready: {', '.join(away)}", parts=shown)
    return json_response({"status": "degraded" if away else "ready", "parts": shown})


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
    """Every metric, in the text format of Prometheus; of all runs, so its key is for `*`."""
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)
