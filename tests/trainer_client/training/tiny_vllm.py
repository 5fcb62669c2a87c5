"""The part of vLLM's HTTP interface that the loop uses, over a model of transformers.

vLLM itself wants a GPU. What is asked of this stand-in is what vLLM's own documents promise:
prompts and responses as tokens, adapters loaded from a folder under a name, 404 for a name that
is not known and 400 for one that is taken. It says nothing of vLLM's speed or arithmetic.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


class TinyServer(ThreadingHTTPServer):
    """A server of one base model and the adapters that it was told of."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.adapters = {}
        self.seen = []
        self.rank = 16
        self.loses = []
        self.hides_tokens = self.forbids_adapters = False
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def answer(self, path, body):
        """A status and a document."""
        self.seen.append((path, body))
        routes = {"/v1/completions": self.complete}
        if not self.forbids_adapters:
            routes["/v1/load_lora_adapter"] = self.load
            routes["/v1/unload_lora_adapter"] = self.unload
        if path not in routes:
            return 404, {"detail": "Not Found"}
        try:
            with self.lock:
                return routes[path](body)
        except Exception as error:  # noqa: BLE001 - a fault of this stand-in must not be retried
            return 500, {"error": {"message": repr(error)}}

    def load(self, body):
        """Read an adapter from its folder."""
        if body["lora_name"] in self.adapters:
            return 400, {"error": {"message": "The lora adapter has already been loaded."}}
        rank = json.loads(Path(body["lora_path"], "adapter_config.json").read_text())["r"]
        if rank > self.rank:
            return 400, {
                "error": {"message": f"LoRA rank {rank} is greater than max_lora_rank {self.rank}."}
            }
        base = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32)
        self.adapters[body["lora_name"]] = PeftModel.from_pretrained(base, body["lora_path"])
        return 200, {}

    def unload(self, body):
        """Forget an adapter."""
        if self.adapters.pop(body["lora_name"], None) is None:
            return 404, {"error": {"message": "The lora adapter cannot be found."}}
        return 200, {}

    def complete(self, body):
        """Continue one prompt `n` times."""
        model = self.adapters.get(body["model"])
        if model is None:
            return 404, {"error": {"message": f"The model {body['model']} does not exist."}}
        chance = {"do_sample": False}
        if body["temperature"]:
            torch.manual_seed(body["seed"])
            chance = {"do_sample": True, "temperature": body["temperature"], "top_k": 0}
        whole = model.generate(
            input_ids=torch.tensor([body["prompt"]]),
            num_return_sequences=body["n"],
            max_new_tokens=body["max_tokens"],
            eos_token_id=body["stop_token_ids"],
            **chance,
        )
        rows = [self.end(row[len(body["prompt"]) :].tolist(), body) for row in whole]
        choices = [{"index": index, "text": "", "token_ids": row} for index, row in enumerate(rows)]
        if self.hides_tokens:
            choices = [{"index": choice["index"], "text": "?"} for choice in choices]
        # The order of an answer's choices is not promised; their index is.
        return 200, {"object": "text_completion", "choices": choices[::-1]}

    @staticmethod
    def end(row, body):
        """Cut what follows the token that ended the response."""
        ends = [at for at, token in enumerate(row) if token in body["stop_token_ids"]]
        return row[: ends[0] + 1] if ends else row


class Handler(BaseHTTPRequestHandler):
    """JSON in and out."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Answer one request."""
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert not chunked
        status, document = self.server.answer(self.path, json.loads(body))
        if self.path in self.server.loses:
            # Done, but nobody is told.
            self.server.loses.remove(self.path)
            self.close_connection = True
            return
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""
