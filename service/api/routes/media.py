"""`/media/{sha256}`: images and videos, uploaded once and named by their content."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rewards.errors import NoModel
from service.api.bodies import stream_body
from service.api.dependencies import Parts, json_response
from service.api.openapi import READING_A_BODY, answers
from service.api.schemas.media import Uploaded
from service.container import Container
from service.media.library import MediaLibrary
from service.media.limits import MediaLimits

router = APIRouter(prefix="/media", tags=["media"])
CONTENT = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

Sha256 = Annotated[
    str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the content, in hexadecimal.")
]


@router.put(
    "/{sha256}",
    openapi_extra=CONTENT,
    responses=answers(Uploaded, *READING_A_BODY, 429, 500, 503, 504),
)
async def upload(sha256: Sha256, parts: Parts, request: Request) -> Response:
    """Upload an image or a video, whose bytes must have the hash they are sent to.

    It is measured before it is kept: what is too large, broken or of another type is refused.
    The least recently used content makes room for new one.
    """
    library, limits = _media(parts)
    pieces = stream_body(request, most=limits.upload_bytes, patience_s=parts.limits.body_timeout_s)
    with parts.stages("upload"):
        description = await library.put(sha256, pieces)
    return json_response({"sha256": sha256, **asdict(description)})


@router.head("/{sha256}", responses=answers(None, 404, 422))
async def is_here(sha256: Sha256, parts: Parts) -> Response:
    """Tell whether content is here; it counts as just used."""
    library, _ = _media(parts)
    if await library.missing([sha256]):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return Response()


def _media(parts: Container) -> tuple[MediaLibrary, MediaLimits]:
    if parts.media is None or parts.limits.media is None:
        raise NoModel("nothing here looks at media: the service has no mask model")
    return parts.media, parts.limits.media
