"""`GET /kinds`, `/specs` and `/info`: what can be asked for, and how much of it."""

from dataclasses import asdict

from fastapi import APIRouter
from starlette.responses import Response

from rewards.registry import KINDS
from service.api.bodies import MOST_BRACKETS
from service.api.dependencies import Parts, json_response
from service.api.openapi import answers
from service.api.schemas.catalog import Info, Kinds, Specs
from service.engine.results import write_spec

router = APIRouter(tags=["catalogue"])


@router.get("/kinds", responses=answers(Kinds))
async def kinds() -> Response:
    """Every kind of reward: its names, where it runs and what an answer looks like."""
    rows = [
        {
            "name": kind.name,
            "media": kind.media,
            "aliases": list(kind.aliases),
            "lane": kind.lane.value,
            "doc": kind.doc,
            "answer": kind.shape.example,
        }
        for kind in KINDS
    ]
    return json_response({"kinds": rows})


@router.get("/specs", responses=answers(Specs))
async def specs(parts: Parts) -> Response:
    """Every spec: its digest and each of its constants."""
    rows = [write_spec(spec) | {"constants": asdict(spec)} for spec in parts.specs.values()]
    return json_response({"default": parts.default_spec, "specs": rows})


@router.get("/info", responses=answers(Info))
async def info(parts: Parts) -> Response:
    """The version of the service and every limit a caller has to know."""
    return json_response(
        {
            "name": "reward-service",
            "version": parts.version,
            "default_spec": parts.default_spec,
            "limits": asdict(parts.limits) | {"brackets": MOST_BRACKETS},
        }
    )
