"""Tests for what the service says about itself."""

from dataclasses import asdict

import pytest

from rewards.registry import KINDS, lookup
from rewards.specs import BUILT_IN, Spec
from tests.service.api.conftest import LIMITS


def test_every_kind_is_listed(service):
    """`GET /kinds` is the registry, row by row."""
    kinds = service.get("/kinds").json()["kinds"]
    assert [(kind["name"], kind["media"]) for kind in kinds] == [(k.name, k.media) for k in KINDS]
    for kind in kinds:
        for alias in (kind["name"], *kind["aliases"]):
            assert lookup(alias, kind["media"]).name == kind["name"]
        assert kind["doc"]
        assert kind["answer"]


def test_every_spec_can_be_rebuilt_from_its_listing(service):
    """`GET /specs` has every constant: whoever reads it can compute the digest himself."""
    answer = service.get("/specs").json()
    assert answer["default"] == "onethinker-released"
    assert [spec["name"] for spec in answer["specs"]] == list(BUILT_IN)
    for spec in answer["specs"]:
        assert Spec(**spec["constants"]).digest == spec["digest"] == BUILT_IN[spec["name"]].digest


def test_every_limit_is_published(service):
    """`GET /info` lets a client size its batches before it is refused."""
    info = service.get("/info").json()
    assert info["limits"] == asdict(LIMITS) | {"brackets": 2_000_000}
    assert info["default_spec"] == "onethinker-released"


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_the_documentation_is_served(service, path):
    """People and programs can read what the service takes."""
    answer = service.get(path)
    assert answer.status == 200
    assert b"openapi" in answer.data
