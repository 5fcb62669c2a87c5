"""Tests for `rewards.backends.ray_serve.address`."""

import pytest

from rewards.backends.ray_serve.address import RayAddress
from rewards.errors import BadModel


@pytest.mark.parametrize(
    ("text", "cluster", "app"),
    [
        ("ray://auto/polar", "auto", "polar"),
        ("ray://head/polar", "ray://head:10001", "polar"),
        ("ray://reward-ray-head-svc:23001/sam2", "ray://reward-ray-head-svc:23001", "sam2"),
        ("ray://[::1]:10001/polar", "ray://[::1]:10001", "polar"),
    ],
)
def test_an_address_names_a_cluster_and_an_application(text, cluster, app):
    """The cluster is what Ray takes, the application what Serve knows."""
    assert RayAddress.read(text) == RayAddress(cluster, app)


def test_an_address_is_written_as_it_was_read():
    """Metrics and operators call it by the same name."""
    assert str(RayAddress.read("ray://auto/polar")) == "ray://auto/polar"
    assert str(RayAddress.read("ray://head:1/polar")) == "ray://head:1/polar"


@pytest.mark.parametrize(
    "text",
    [
        "ray://head:10001",
        "ray://head:10001/",
        "ray://head/a/b",
        "ray:///polar",
        "ray://head:port/polar",
        "ray://me@head/polar",
        "ray://:a-secret@head/polar",
        "ray://me:a-secret@head:port/polar",
        "ray://head/polar?a=1",
        "http://head:10001/polar",
    ],
)
def test_an_address_that_cannot_be_read_is_refused(text):
    """One line says what was expected and what came."""
    with pytest.raises(
        BadModel, match="expected ray://HOST:PORT/APP or ray://auto/APP; got"
    ) as refused:
        RayAddress.read(text)
    assert "secret" not in str(refused.value)
