"""A scrape of a service that has done a little of everything."""

import hashlib
from collections.abc import Iterator

import pytest

from tests import coins
from tests.deploy.metrics import Scrape
from tests.e2e.running import Running, running
from tests.real_media import coins as coins_file
from tests.tiny_sam2 import save_tiny_sam2

# Nobody listens there: the series of a model server are there all the same.
POLAR = "http+vllm://127.0.0.1:9"
KEPT, POISON, UNREADABLE = (
    {"kind": kind, "response": f"<think>a</think><answer>{answer}</answer>", "ground_truth": truth}
    for kind, answer, truth in (
        ("ocr", "the cat", "the cat"),
        ("math", "9**9**9**9", "42"),
        ("spatial_grounding", "{}", "nothing"),
    )
)


def work(service: Running) -> None:
    """Have items scored, unscored and refused, a mask drawn, steps taken, and probes answered."""
    photograph = coins_file()
    digest = hashlib.sha256(photograph).hexdigest()
    mask = coins.masks()[0]
    drawn = {
        "kind": "mask",
        "media_type": "image",
        "response": coins.response(mask),
        "ground_truth": coins.truth(mask),
        "media": {"image": {"sha256": digest}},
    }
    url = f"{service.url}/media/{digest}"
    assert service.http.request("PUT", url, body=photograph).status < 300
    told = service.post("/reward", {"items": [KEPT, POISON, UNREADABLE, drawn]}).json()
    assert [one["status"] for one in told["results"]] == ["scored", "scored", "unscored", "scored"]
    for step in (0, 1):
        body = {
            "run": "a",
            "step": step,
            "rewards": [1.0, 1.0, 0.0, 1.0],
            "groups": ["p", "p", "q", "q"],
            "tasks": ["math", "math", "ocr", "ocr"],
        }
        assert service.post("/advantage", body).status == 200
    for probe in ("/livez", "/readyz", "/metrics"):
        assert service.get(probe).status == 200


@pytest.fixture(scope="session")
def scrape(tmp_path_factory) -> Iterator[Scrape]:
    """What a real service with every part shows over HTTP."""
    folder = tmp_path_factory.mktemp("scraped")
    sam2 = save_tiny_sam2(folder / "tiny")
    options = ("--polar", POLAR, "--sam2", str(sam2), "--media-dir", str(folder / "media"))
    with running(*options, "--worker-cpu-s", "0.5") as service:
        work(service)
        yield Scrape(service.get("/metrics").data.decode())
