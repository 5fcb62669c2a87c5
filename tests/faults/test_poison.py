"""Poisoned items, over real HTTP: each costs itself, its neighbours are right, all stay alive."""

import itertools
import random
import socket
import threading
import time

import pytest

from tests.e2e.running import is_running, running
from tests.faults.pace import p99_calm_s, p99_s
from tests.house.source import ROOT

WORKERS, CPU_S, MEMORY_BYTES = 2, 0.5, 512 << 20
GOOD = {
    "kind": "math",
    "response": "<think>a</think><answer>$\\frac{1}{2}$</answer>",
    "ground_truth": "0.5",
}
BOX = {
    "kind": "spatial_grounding",
    "response": '<think>a</think><answer>{"boxes": [0, 0, 10, 10]}</answer>',
    "ground_truth": '{"boxes": [0, 0, 10, 10]}',
}
HIDDEN = "MXNlY3JldCB0aGF0IG5vIGxvZyBtYXkgc2hvdw"


def words(count, seed):
    """Text of many words."""
    source = random.Random(seed)
    return " ".join(source.choice("abcdefgh") for _ in range(count))


def answered(kind, answer, truth):
    """An item whose policy answers so."""
    response = f"<think>{HIDDEN}</think><answer>{answer}</answer>"
    return {"kind": kind, "response": response, "ground_truth": truth}


EVALUATED = (
    "9**9**9**9",
    "$9^{9^{9^{9}}}$",
    r"\frac{1}{0}",
    "factorial(10**9)",
    "10**10**10",
    "$(x+y+z)^{2000}$",
    r"\sqrt{" * 5000,
    "7" * 100_000,
    '__import__("os").system("touch pwned")',
    "(lambda: 1)()",
    "().__class__.__bases__[0].__subclasses__()",
)
BOXES = (
    "[10, 10, 0, 0]",
    "[5, 5, 5, 5]",
    "[-1, -1, -2, -2]",
    "[1e308, 1e308, 1e309, 1e309]",
    "[NaN, 0, 1, 1]",
    "[0, 0, Infinity, 1]",
    "[]",
    "[" * 50_000,
    '{"a": ' * 50_000,
    "9" * 5_000,
)
CASES = {
    # What a text is that sympy would evaluate, or run.
    16: [answered(kind, text, "42") for kind in ("math", "multiple_choice") for text in EVALUATED],
    # A power with more digits than a worker has bytes.
    19: [answered("math", f"{base}**(10**10)", "42") for base in (2, 3)],
    # Boxes that are none: no NaN comes out of them.
    21: [
        answered("spatial_grounding", f'{{"boxes": {box}}}', BOX["ground_truth"]) for box in BOXES
    ],
    # Long texts, and what makes regular expressions go back for ever.
    24: [
        answered("ocr", words(300_000, 1), words(300_000, 2)),
        answered("open_ended", words(300_000, 1), words(300_000, 2)),
        answered("math", "a" * 100_000 + "!", "42"),
        answered("math", "<think>" * 20_000, "42"),
        answered("numerical", "1" + "," * 100_000 + "!", "42"),
        answered("multiple_choice", "(" * 100_000, "A"),
    ],
}


@pytest.fixture(scope="module")
def service():
    """A service whose workers may take little."""
    options = {
        "workers": WORKERS,
        "worker-cpu-s": CPU_S,
        "worker-memory-bytes": MEMORY_BYTES,
        "log-level": "debug",
    }
    given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with running(*given) as service:
        assert reward_of(service, GOOD) == 1.5
        yield service


def reward_of(service, item):
    """The reward of an item by itself."""
    return service.post("/reward", {"items": [item]}).json()["results"][0]["reward"]


def sent_while_alive(service, items):
    """The results of a batch; until they come every probe is answered."""
    answers = []

    def send():
        answers.append(service.post("/reward", {"items": items, "deadline_ms": 120_000}))

    sender = threading.Thread(target=send)
    sender.start()
    while sender.is_alive():
        assert service.get("/livez").status == 200
        time.sleep(0.05)
    assert answers[0].status == 200
    assert b"NaN" not in answers[0].data
    assert b"Infinity" not in answers[0].data
    return answers[0].json()["results"]


@pytest.mark.parametrize(
    "number", [pytest.param(number, marks=pytest.mark.promise(number)) for number in CASES]
)
def test_poison_among_good_neighbours(service, number):
    """A poisoned answer scores nothing; those before and behind it score what they should."""
    batch = [one for item in CASES[number] for one in (item, GOOD, BOX)]
    results = sent_while_alive(service, batch)
    assert {result["reward"] for result in results[1::3] + results[2::3]} == {1.5}
    wrong = [
        (item["response"][:80], result)
        for item, result in zip(CASES[number], results[::3], strict=True)
        if result["status"] != "scored" or result["accuracy"] > (0.6 if number == 24 else 0)
    ]
    assert wrong == []
    assert reward_of(service, GOOD) == 1.5
    assert not (ROOT / "pwned").exists()


@pytest.mark.promise(18)
def test_a_worker_that_is_killed_is_gone(service):
    """After endless answers every worker is another process, and none of the old is left."""
    numbers = itertools.count(100)

    def all_at_work():
        # A worker is started when there is work for it.
        towers = [answered("math", f"{next(numbers)}**9**9**9", "42") for _ in range(3 * WORKERS)]
        sent_while_alive(service, towers)
        return len(service.children()) == 1 + WORKERS

    def replaced():
        return before - set(service.children())

    service.wait_until(all_at_work)
    before = set(service.children())
    service.wait_until(all_at_work)
    assert len(replaced()) >= WORKERS
    service.wait_until(lambda: not any(map(is_running, replaced())), within_s=10)
    assert reward_of(service, GOOD) == 1.5


@pytest.mark.promise(17)
def test_a_batch_of_poison_keeps_nobody_waiting(service, faults):
    """While two workers are killed again and again, boxes are scored in the service itself.

    They wait hardly longer than before.
    """

    def ask():
        assert reward_of(service, BOX) == 1.5

    calm_s = p99_calm_s(ask)
    poison = [answered("math", f"{n}**9**9**9", "42") for n in range(20, 26)]
    done = threading.Event()

    def send():
        service.post("/reward", {"items": poison, "deadline_ms": 120_000})
        done.set()

    sender = threading.Thread(target=send)
    sender.start()
    served = 0

    def going_on(asked):
        nonlocal served
        served = asked
        return not done.is_set()

    meanwhile_s = p99_s(ask, going_on)
    sender.join()
    assert served > len(poison)
    assert meanwhile_s <= faults.bound_s(calm_s)


@pytest.mark.promise(26)
def test_an_address_is_only_text(service):
    """Wherever an item names one, in whatever spelling, nobody goes there."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        port = trap.getsockname()[1]
        trap.settimeout(0.5)
        urls = [f"http://127.0.0.1:{port}/", f"http://[::ffff:127.0.0.1]:{port}/"]
        urls += [f"http://2130706433:{port}/", f"gopher://127.0.0.1:{port}/", "file:///etc/passwd"]
        kinds = [one["name"] for one in service.get("/kinds").json()["kinds"]]
        items = [
            {**answered(kind, url, url), "prompt": url, "media_type": "image"}
            for kind in sorted(set(kinds) - {"tracking", "temporal_grounding"})
            for url in urls
        ]
        assert "passwd" not in str([result["parts"] for result in sent_while_alive(service, items)])
        for media in ({"image": {"url": urls[0]}}, {"image": urls[0]}, {"video": {"url": urls[0]}}):
            refused = service.post("/reward", {"items": [{**BOX, "media": media}]})
            assert refused.status == 422
        with pytest.raises(TimeoutError):
            trap.accept()


@pytest.mark.promise(27)
@pytest.mark.parametrize(
    "path",
    [
        "/media/../../etc/passwd",
        "/media/..%2f..%2fetc%2fpasswd",
        "/runs/..%2f..%2fetc%2fpasswd/state",
        "/runs/%00",
        "/proc/self/environ",
    ],
)
def test_a_path_leads_to_no_file(service, path):
    """What is forbidden looks like what is missing: a name that cannot be, or no route at all."""
    answer = service.http.request("GET", service.url + path)
    assert answer.status in {404, 405, 422}
    assert b"root:" not in answer.data


@pytest.mark.promise(29)
def test_no_log_shows_what_was_sent(service):
    """After all that the log has lines of the service's own making only."""
    service.post("/reward", {"items": [answered("math", HIDDEN, HIDDEN)]})
    service.post("/reward", {"items": [{"kind": HIDDEN, "response": "", "ground_truth": ""}]})
    service.get(f"/media/{HIDDEN}")
    assert service.logged("request")
    log = "\n".join(service.lines)
    for payload in (HIDDEN, "9**9", "subclasses", "etc/passwd", "boxes", "a b c"):
        assert payload not in log
    assert max(map(len, service.lines)) < 2000
    assert service.logged("failed") == []
