"""The OpenAPI document as committed; `python -m tests.contract.document` writes it anew."""

import json
from contextlib import nullcontext
from typing import Any

from service.api.app import build_app
from tests.house.source import ROOT

COMMITTED = ROOT / "openapi.json"


def current() -> dict[str, Any]:
    """The document that the service of this checkout gives out."""
    return build_app(nullcontext).openapi()


def written(document: dict[str, Any]) -> str:
    """The document as it is committed."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    COMMITTED.write_text(written(current()), encoding="utf-8")
