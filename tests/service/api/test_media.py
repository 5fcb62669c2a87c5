"""Tests for `/media` and for media named by items, over a real socket and a real store."""

import base64
import hashlib
import os
import signal
import time
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import urllib3

from rewards.ports import Health
from rewards.specs import BUILT_IN, RELEASED
from service.api.app import build_app
from service.container import Container
from service.engine.admission import Admission
from service.engine.advantages import AdvantageEngine
from service.engine.runs import RunLedger
from service.engine.streams import StreamEngine
from service.media.library import MediaLibrary
from service.media.limits import MediaLimits
from service.media.pool import DecodePool
from service.media.store import MediaStore
from service.state.memory import MemoryStore
from service.telemetry.metrics import Metrics
from service.telemetry.stages import Stages
from tests.real_media import coins, png_that_declares, ramp, video
from tests.service.api.conftest import LIMITS, Engine, Service, serving

MEDIA = MediaLimits(upload_bytes=2**20, inline_bytes=70_000)
PICTURE, FILM = coins(), video(ramp(20))
ANSWER = '{"boxes": [0, 0, 9, 9], "positive_points": [], "negative_points": [], "time": 0}'


def digest_of(content):
    """Return the name of content."""
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def looking(tmp_path_factory):
    """A service that takes media in."""
    folder, engine = tmp_path_factory.mktemp("media"), Engine()

    @asynccontextmanager
    async def opening():
        store, runs = MediaStore(folder, max_bytes=10**7, max_file_bytes=2**20), MemoryStore()
        library = MediaLibrary(store, DecodePool(MEDIA, workers=1))
        metrics = Metrics(version="0")
        await library.start()
        yield Container(
            scoring=engine,
            advantages=AdvantageEngine(runs, shards_deadline_s=0.5),
            streams=StreamEngine(runs),
            runs=RunLedger(runs),
            specs=BUILT_IN,
            default_spec=RELEASED,
            limits=replace(LIMITS, media=MEDIA),
            admission=Admission(LIMITS.capacity),
            metrics=metrics,
            stages=Stages(metrics),
            probes=(lambda: {"rules": Health(ready=True)},),
            vital=frozenset(),
            version="0",
            media=library,
        )
        await library.close()

    app = build_app(opening)
    with serving(app) as port, urllib3.PoolManager(retries=False) as http:
        yield Service(port, engine, app.state.container, {}, http)


def in_base64(content):
    """Write content as it stands within a request."""
    return base64.b64encode(content).decode()


def put(service, content, digest=None, **options):
    """Upload content, under its own name unless told otherwise."""
    path = f"/media/{digest or digest_of(content)}"
    return service.get(path, "PUT", body=content, **options)


def item(media_type="image", **media):
    """One mask item that names media."""
    return {
        "kind": "mask",
        "media_type": media_type,
        "response": f"<think>a</think><answer>{ANSWER}</answer>",
        "ground_truth": {"size": [1, 1], "counts": [1]},
        "media": media,
    }


def test_content_is_uploaded_once_and_found_by_its_name(looking):
    """PUT measures it, HEAD finds it, a second PUT is as good as the first."""
    assert looking.get(f"/media/{digest_of(PICTURE)}", "HEAD").status == 404
    for _ in range(2):
        answer = put(looking, PICTURE)
        assert (answer.status, answer.json()) == (
            200,
            {
                "sha256": digest_of(PICTURE),
                "kind": "image",
                "width": 384,
                "height": 303,
                "frames": 1,
                "duration_s": 0.0,
            },
        )
    assert looking.get(f"/media/{digest_of(PICTURE)}", "HEAD").status == 200


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        pytest.param(b"hello", None, 422, "bad_media", id="no-media"),
        pytest.param(PICTURE[:5000], None, 422, "bad_media", id="half"),
        pytest.param(png_that_declares(40_000, 40_000), None, 413, "too_large", id="bomb"),
        pytest.param(b"\0" * (2**20 + 1), None, 413, "too_large", id="too-many-bytes"),
        pytest.param(PICTURE, "0" * 64, 422, "invalid_request", id="another-hash"),
        pytest.param(PICTURE, "..%2f..%2fetc%2fpasswd", 404, "not_found", id="path"),
        pytest.param(PICTURE, "A" * 64, 422, "invalid_request", id="upper-case"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(content, name, status, code, looking):
    """The problem says what was expected, and never a path of the server."""
    answer = put(looking, content, name)
    problem = answer.json()
    assert (answer.status, problem["code"], problem["retryable"]) == (status, code, False)
    assert "unfinished" not in answer.data.decode()
    assert looking.get("/livez").status == 200


def test_a_body_that_is_announced_too_large_is_not_read(looking):
    """Ten gigabytes are refused before the first byte of them."""
    with looking.connect() as connection:
        connection.sendall(
            b"PUT /media/"
            + b"0" * 64
            + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n"
        )
        assert b" 413 " in connection.recv(65536).splitlines()[0]


def test_a_compressed_body_is_refused(looking):
    """It could unpack to anything."""
    answer = put(looking, PICTURE, headers={"Content-Encoding": "gzip"})
    assert (answer.status, answer.json()["code"]) == (415, "unsupported_encoding")


def test_a_body_that_drips_is_cut_off(looking):
    """The patience of `body_timeout_s` is three seconds here."""
    with looking.connect() as connection:
        connection.sendall(
            b"PUT /media/" + b"0" * 64 + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"
        )
        connection.settimeout(10)
        assert b" 408 " in connection.recv(65536).splitlines()[0]


def test_missing_media_are_named_and_the_batch_is_scored_once_they_are_there(looking):
    """424 lists what to upload, once each; nothing was scored."""
    pictures = [coins("PNG", compress_level=level) for level in (1, 2)]
    digests = sorted(map(digest_of, pictures))
    batch = {"items": [item(image={"sha256": digest}) for digest in [*digests, digests[0]]]}
    before = len(looking.engine.batches)
    answer = looking.post("/reward", batch)
    problem = answer.json()
    assert (answer.status, problem["code"], problem["retryable"]) == (424, "media_missing", True)
    assert sorted(problem["facts"]["missing"]) == digests
    assert len(looking.engine.batches) == before
    for picture in pictures:
        assert put(looking, picture).status == 200
    assert looking.post("/reward", batch).status == 200
    assert [sample.media.image for sample in looking.engine.batches[-1]] == [*digests, digests[0]]


def test_small_media_travel_within_the_request(looking):
    """They are kept like uploaded ones."""
    picture = coins("JPEG")
    inline = {"base64": base64.b64encode(picture).decode()}
    assert looking.post("/reward", {"items": [item(image=inline)]}).status == 200
    assert looking.engine.batches[-1][0].media.image == digest_of(picture)
    assert looking.get(f"/media/{digest_of(picture)}", "HEAD").status == 200


def along(content, **fields):
    """A request of one item that brings an image along."""
    inline = {"base64": base64.b64encode(content).decode()}
    return {"items": [item(image=inline)], **fields}


def send(connection, request):
    """Ask without waiting for the answer."""
    body = orjson.dumps(request)
    head = f"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


def inside(service):
    """Items in hand, and items that wait."""
    usage = service.container.admission.usage()
    return usage["active_items"], usage["waiting_items"]


@pytest.mark.promise(5)
def test_nothing_is_decoded_of_what_is_refused_or_waits(looking):
    """With the queue full, a request with an image is refused before anybody looks at it.

    One that waits has kept nothing yet either.
    """
    refused, waiting = (coins("PNG", compress_level=level) for level in (3, 4))
    ocr = {"kind": "ocr", "response": "a", "ground_truth": "a"}
    before = looking.sample("reward_stage_duration_seconds_count", stage="media")
    with ExitStack() as callers:
        callers.callback(setattr, looking.engine, "delay_s", 0.0)
        looking.engine.delay_s = 60.0
        for run, items, then in (("a", 64, (64, 0)), ("a", 64, (64, 64)), ("b", 63, (64, 127))):
            caller = callers.enter_context(looking.connect())
            send(caller, {"items": [ocr] * items, "run": run})
            looking.wait_until(lambda then=then: inside(looking) == then)
        caller = callers.enter_context(looking.connect())
        send(caller, along(waiting))
        looking.wait_until(lambda: inside(looking) == (64, 128))
        answer = looking.post("/reward", along(refused))
        assert (answer.status, answer.json()["code"]) == (429, "overloaded")
        begun = looking.sample("reward_stage_duration_seconds_count", stage="media")
        assert begun == before
        for picture in (refused, waiting):
            assert looking.get(f"/media/{digest_of(picture)}", "HEAD").status == 404
    looking.wait_until(lambda: inside(looking) == (0, 0))


def freeze_decoder():
    """Stop the process that decodes, which does not know of it."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        parent = stat.read_text().rpartition(")")[2].split()[1]
        if parent == str(os.getpid()) and b"service.media.decode" in (
            stat.with_name("cmdline").read_bytes()
        ):
            os.kill(int(stat.parent.name), signal.SIGSTOP)


@pytest.mark.promise(12)
def test_media_that_do_not_come_in_time_are_not_waited_for(looking):
    """At its deadline the request is answered: every item unscored and retryable."""
    assert looking.post("/reward", along(coins("JPEG", quality=80))).status == 200
    freeze_decoder()
    before, begun = len(looking.engine.batches), time.monotonic()
    late = looking.post("/reward", along(coins("JPEG", quality=81), deadline_ms=500))
    assert late.status == 200
    assert time.monotonic() - begun < 20.0
    [result] = late.json()["results"]
    assert (result["error"]["code"], result["error"]["retryable"]) == ("deadline_exceeded", True)
    assert len(looking.engine.batches) == before
    assert looking.post("/reward", along(coins("JPEG", quality=81))).status == 200


@pytest.mark.promise(13)
def test_media_of_a_caller_that_left_are_not_brought_in(looking):
    """Its turn and its place in the decoder are there for others."""
    assert looking.post("/reward", along(coins("JPEG", quality=70))).status == 200
    before = looking.sample("reward_departures_total", stage="media")
    freeze_decoder()
    with looking.connect() as caller:
        send(caller, along(coins("JPEG", quality=71)))
        looking.wait_until(lambda: inside(looking) == (1, 0))
    looking.wait_until(lambda: inside(looking) == (0, 0))
    left = before + 1
    looking.wait_until(lambda: looking.sample("reward_departures_total", stage="media") == left)
    assert looking.post("/reward", along(coins("JPEG", quality=72))).status == 200


def test_videos_and_lists_of_frames_are_named_with_their_rate(looking):
    """The rate is the item's, twice a second by default."""
    assert put(looking, FILM).status == 200
    assert put(looking, PICTURE).status == 200
    named = [
        {"sha256": digest_of(FILM)},
        {"sha256": digest_of(FILM), "fps": 5},
        {"frames": [digest_of(PICTURE)] * 2, "fps": 0.5},
    ]
    items = [item("video", video=video) for video in named]
    assert looking.post("/reward", {"items": items}).status == 200
    media = [sample.media for sample in looking.engine.batches[-1]]
    assert [(m.video is not None, len(m.frames), m.fps) for m in media] == [
        (True, 0, 2.0),
        (True, 0, 5.0),
        (False, 2, 0.5),
    ]


@pytest.mark.parametrize(
    ("media", "status"),
    [
        pytest.param({"image": {}}, 422, id="nothing"),
        pytest.param({"image": {"sha256": "0" * 64, "base64": "aaaa"}}, 422, id="both"),
        pytest.param({"image": {"url": "http://127.0.0.1:6379/"}}, 422, id="url"),
        pytest.param({"image": {"path": "/etc/passwd"}}, 422, id="path"),
        pytest.param({"image": {"sha256": "../../etc/passwd"}}, 422, id="path-as-hash"),
        pytest.param({"image": {"base64": "%%%"}}, 422, id="no-base64"),
        pytest.param({"image": {"base64": "aGVsbG8="}}, 422, id="no-picture"),
        pytest.param({"image": {"base64": "A" * 100_000}}, 413, id="too-large-inline"),
        pytest.param({"video": {"sha256": "0" * 64, "fps": 0}}, 422, id="no-rate"),
        pytest.param({"video": {"frames": []}}, 422, id="no-frames"),
        pytest.param({"sound": {"sha256": "0" * 64}}, 422, id="sound"),
    ],
)
@pytest.mark.promise(26)
def test_media_that_cannot_be_named_so_are_refused(media, status, looking):
    """No URL, no path, and exactly one way to say which content."""
    assert looking.post("/reward", {"items": [item(**media)]}).status == status


@pytest.mark.parametrize(
    ("role", "text", "status", "code"),
    [
        pytest.param("image", "%%%", 422, "invalid_request", id="no-base64"),
        pytest.param("image", "aGVsbG8=", 422, "bad_media", id="no-picture"),
        pytest.param("video", in_base64(FILM[: len(FILM) // 2]), 422, "bad_media", id="half"),
        pytest.param("image", "A" * 100_000, 413, "too_large", id="too-many-bytes"),
        pytest.param(
            "image", in_base64(png_that_declares(9_000, 9_000)), 413, "too_large", id="bomb"
        ),
    ],
)
def test_the_item_whose_content_cannot_be_used_is_pointed_at(role, text, status, code, looking):
    """A batch is refused whole, and says which of its items to leave out."""
    assert put(looking, PICTURE).status == 200
    good = item(image={"sha256": digest_of(PICTURE)})
    bad = item(role, **{role: {"base64": text}})
    answer = looking.post("/reward", {"items": [good, bad, good]})
    problem = answer.json()
    assert (answer.status, problem["code"]) == (status, code)
    [field] = problem["errors"]
    assert field == {"pointer": f"/items/1/media/{role}/base64", "detail": problem["detail"]}


def test_kinds_that_do_not_look_need_no_upload(looking):
    """What a rule scores is scored, whatever media the item names."""
    named = {
        "kind": "ocr",
        "response": "<think>a</think><answer>a</answer>",
        "ground_truth": "a",
        "media": {"image": {"sha256": "0" * 64}},
    }
    answer = looking.post("/reward", {"items": [named]})
    assert answer.json()["results"][0]["reward"] == 1.5


def test_the_limits_of_media_are_published(looking, service):
    """`GET /info` names them, or says that nothing looks at media."""
    media = looking.get("/info").json()["limits"]["media"]
    assert (media["inline_bytes"], media["uploads"]) == (70_000, 16)
    assert service.get("/info").json()["limits"]["media"] is None


def test_a_service_without_a_mask_model_takes_no_media(service):
    """An upload would be for nothing."""
    answer = put(service, PICTURE)
    assert (answer.status, answer.json()["code"]) == (422, "no_model")
    assert service.get(f"/media/{digest_of(PICTURE)}", "HEAD").status == 422
