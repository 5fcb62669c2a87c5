"""Tests for `/docs`, which works where no other host can be reached."""

import re

import pytest

REFERENCE = re.compile(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""")


def test_the_page_needs_this_service_alone(service):
    """Every file it names is here, and a browser is told to load nothing from elsewhere."""
    page = service.get("/docs")
    assert page.status == 200
    named = REFERENCE.findall(page.data.decode())
    assert {name.rpartition("/")[2] for name in named} == {
        *("swagger-ui.css", "favicon.png", "swagger-ui-bundle.js", "openapi.json")
    }
    for name in named:
        assert name.startswith("/")
        assert service.get(name).status == 200
    assert b"://" not in page.data
    assert page.headers["content-security-policy"].startswith("default-src 'self';")


@pytest.mark.promise(27)
@pytest.mark.parametrize(
    "path",
    ["../core.py", "..%2fcore.py", "%2e%2e/core.py", "/etc/passwd", "%00", ".", "no-such.js"],
)
def test_the_files_of_the_page_are_all_there_is(service, path):
    """No path leads out of their folder, and what is forbidden looks like what is missing."""
    answer = service.get(f"/docs/files/{path}")
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
