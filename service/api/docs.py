"""`/docs`: the OpenAPI document as a page that asks nothing of any other host."""

from importlib import resources

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

PAGE, FILES = "/docs", "/docs/files"
# FastAPI's own page fetches these from a public network. A cluster may not reach that, and a page
# that is given keys should not depend on it.
ASSETS = resources.files("fastapi_offline") / "static"
NOTHING_ELSE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:"
)


def add_docs(app: FastAPI) -> None:
    """Serve the page and its files; both are open, as is the document."""

    async def page(request: Request) -> Response:
        root = request.scope.get("root_path", "")
        shown = get_swagger_ui_html(
            openapi_url=f"{root}/openapi.json",
            title=app.title,
            swagger_js_url=f"{root}{FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{FILES}/swagger-ui.css",
            swagger_favicon_url=f"{root}{FILES}/favicon.png",
            swagger_ui_parameters={"validatorUrl": None},
        )
        shown.headers["Content-Security-Policy"] = NOTHING_ELSE
        return shown

    app.add_route(PAGE, page, include_in_schema=False)
    app.mount(FILES, StaticFiles(directory=str(ASSETS)))
