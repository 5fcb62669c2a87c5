"""A real HTTP server that misbehaves on cue and otherwise answers as the contract says."""

import contextlib
import hashlib
import json
import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

UNREADABLE = "unreadable"
"""The ground truth that no answer can be judged against."""

UNKNOWN = "nope"
"""The kind that nobody knows; nor does anybody know an empty one."""

SPEC = {"name": "onethinker-released", "version": 1, "digest": "sha256:0"}


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self):
        """The body, read."""
        return json.loads(self.body)


class ScriptedServer(ThreadingHTTPServer):
    """Plays one act of `script` for each POST; without a script it is an honest service."""

    daemon_threads = True
    block_on_close = False
    # As many may come at once.
    request_queue_size = 1024

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: deque[Callable[[Handler], None]] = deque()
        self.limits = {"items": 8192, "body_bytes": 1 << 20}
        self.spec = SPEC
        self.seen: list[Seen] = []
        self.media: dict[str, bytes] = {}
        self.runs: dict[str, int] = {}
        self.open: set[socket.socket] = set()
        self.connections = 0
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"

    @property
    def posts(self):
        """The POST requests that came, in order of arrival."""
        return [seen for seen in self.seen if seen.method == "POST"]

    def play(self, *acts):
        """Put acts on the script."""
        self.script.extend(acts)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Stop listening and hang up on everyone."""
        self.shutdown()
        self.server_close()
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        """Stay quiet when a client hangs up: that is what these tests make it do."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def setup(self):
        """Count the connection."""
        super().setup()
        with self.server.lock:
            self.server.open.add(self.connection)
            self.server.connections += 1

    def finish(self):
        """Forget the connection."""
        with self.server.lock:
            self.server.open.discard(self.connection)
        super().finish()

    def log_message(self, *_):
        """Stay quiet."""

    def handle_any(self):
        """Record the request, then play the next act or answer honestly."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, body, time.monotonic())
        with self.server.lock:
            self.server.seen.append(seen)
            act = self.server.script.popleft() if self._scripted() else honest(seen)
        act(self)

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - the standard library's names

    def _scripted(self):
        return self.command == "POST" and bool(self.server.script)

    def reply(self, status, document, **headers):
        """Send a JSON answer."""
        self.reply_bytes(status, json.dumps(document).encode(), **headers)

    def reply_bytes(self, status, body, *, declared=None, **headers):
        """Send any bytes, maybe fewer than declared."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(declared or len(body)))
        self.end_headers()
        self.wfile.write(body)


def honest(seen):
    """Answer as the contract says: the reward of a response is its length, a tenth when scaled."""
    if seen.path == "/reward":
        return _reward(seen.json)
    if seen.path == "/advantage":
        return _advantage(seen.json)
    if seen.path.startswith("/media/"):
        return _keep(seen)
    name, _, verb = seen.path.removeprefix("/runs/").partition("/")
    if seen.path.startswith("/runs/") and (seen.method == "GET" or verb == "rewind"):
        return _run(unquote(name), seen.json["step"] if verb == "rewind" else None)
    return lambda handler: handler.reply(
        200, {"limits": handler.server.limits, "path": seen.path, "body": seen.body.decode()}
    )


def _reward(body):
    named = [media for item in body["items"] for media in item.get("media", {}).values()]
    wanted = {sha256 for media in named for sha256 in media.get("frames") or [media["sha256"]]}

    unknown = [at for at, item in enumerate(body["items"]) if item["kind"] in (UNKNOWN, "")]
    if unknown:
        return refusal(*[f"/items/{at}/kind" for at in unknown[:20]])

    def act(handler):
        missing = sorted(wanted - handler.server.media.keys())
        if missing:
            return problem(424, "media_missing", retryable=True, facts={"missing": missing})(
                handler
            )
        results = [_judge(item, body.get("scale")) for item in body["items"]]
        return handler.reply(200, {"spec": handler.server.spec, "results": results})

    return act


def _run(name, rewound_to):
    def act(handler):
        if name not in handler.server.runs:
            return problem(404, "unknown_run")(handler)
        if rewound_to is not None:
            handler.server.runs[name] = rewound_to
        return handler.reply(200, {"run": name, "step": handler.server.runs[name]})

    return act


def _judge(item, scale):
    if item["ground_truth"] in (UNREADABLE, None):
        return unscored(item["id"])
    reward = float(len(item["response"]))
    return verdict(item["id"], reward) | ({"scaled_reward": reward / 10} if scale else {})


def _advantage(body):
    answer = {
        "advantages": body["rewards"],
        "scaled_rewards": [None if r is None else r / 10 for r in body["rewards"]],
        "kept": [True] * len(body["rewards"]),
        "tasks": {"math": {"mean": 0.5, "std": 0.25, "updates": 1}},
        "state_version": 1,
        "replayed": False,
    }

    def act(handler):
        handler.server.runs[body["run"]] = body["step"]
        handler.reply(200, answer)

    return act


def _keep(seen):
    def act(handler):
        handler.server.media[hashlib.sha256(seen.body).hexdigest()] = seen.body
        handler.reply(201, {})

    return act


def verdict(identity, reward):
    """A scored result."""
    return {
        "id": identity,
        "status": "scored",
        "reward": reward,
        "accuracy": 1.0,
        "format": 1.0,
        "structure": 0.5,
        "parts": {},
        "scorer": "rule",
        "reason": None,
        "error": None,
    }


def unscored(identity, code="bad_ground_truth", *, retryable=False):
    """A result without a verdict."""
    error = {"code": code, "retryable": retryable, "message": "no verdict"}
    nothing = {"status": "unscored", "reward": None, "accuracy": None, "scorer": None}
    return verdict(identity, 0.0) | nothing | {"error": error}


def results(*listed, **changed):
    """Answer with these results, whatever was asked."""
    return lambda handler: handler.reply(200, {"spec": SPEC, "results": listed} | changed)


def problem(status, code, *, retryable=False, facts=None, **headers):
    """Refuse as the service does."""
    document = {"code": code, "retryable": retryable, "detail": f"{code}!", "facts": facts or {}}
    return lambda handler: handler.reply(status, document, **headers)


def refusal(*pointers, code="unknown_kind"):
    """Refuse by the fields that these point to."""
    errors = [{"pointer": pointer, "detail": "not known"} for pointer in pointers]
    document = {"code": code, "retryable": False, "detail": "not known", "errors": errors}
    return lambda handler: handler.reply(422, document)


def garbage(body=b"<html>proxy</html>", status=200):
    """Answer with what is no JSON."""
    return lambda handler: handler.reply_bytes(status, body)


def hang_up(handler):
    """Close without a word."""
    handler.close_connection = True


def reset(handler):
    """Reset the connection."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    with handler.server.lock:
        handler.server.open.discard(handler.connection)
    os.close(handler.connection.detach())
    handler.close_connection = True


def cut_short(handler):
    """Promise more bytes than are sent, then close."""
    handler.reply_bytes(200, b'{"spec": ', declared=1000)
    handler.close_connection = True


def after(seconds, act):
    """Play an act late."""

    def late(handler):
        time.sleep(seconds)
        act(handler)

    return late


def drip(seconds, every=0.05):
    """Begin an answer and send it a byte at a time, for longer than anyone waits."""

    def act(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            handler.wfile.write(b" ")
            time.sleep(every)
        handler.close_connection = True

    return act
