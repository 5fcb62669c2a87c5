"""The ASGI application: routes, problems and what surrounds them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI

from service.api.access import authorise
from service.api.admit import Admit
from service.api.compat import nemo_gym, openrlhf, slime
from service.api.docs import add_docs
from service.api.middleware import Observe
from service.api.openapi import openapi
from service.api.ports import Ports
from service.api.problems import add_problem_handlers
from service.api.routes import advantage, catalog, health, media, reward, runs
from service.container import Container

CONTRACT = (
    reward.router,
    advantage.router,
    runs.router,
    media.router,
    catalog.router,
    health.router,
)
COMPATIBILITY = (openrlhf.router, slime.router, nemo_gym.router)
VERSION = "1"
DESCRIPTION = """\
Rewards and advantages for reinforcement learning of vision-language models.

Every error is an RFC 9457 problem with a stable `code`, and says whether it is `retryable`."""

Opening = Callable[[], AbstractAsyncContextManager[Container]]


class App(FastAPI):
    """FastAPI with an OpenAPI document that knows of bodies read as bytes."""

    def openapi(self) -> dict[str, Any]:
        """Describe the service; the document is made once."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi(self)
        return self.openapi_schema


def build_app(opening: Opening) -> App:
    """Return the application; `opening` gives its parts for as long as it runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opening() as container:
            app.state.container = container
            yield

    app = App(
        title="reward-service",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        dependencies=[Depends(authorise)],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in CONTRACT + COMPATIBILITY:
        app.include_router(router)
    add_docs(app)
    add_problem_handlers(app)
    app.add_middleware(Admit)
    app.add_middleware(Ports)
    app.add_middleware(Observe)
    return app
