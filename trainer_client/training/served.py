"""Rollouts drawn by a vLLM server that is handed the adapters after every move of the policy.

The server must be started for it, and must see the job's output folder under the same path::

    VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 vllm serve MODEL --enable-lora --max-lora-rank 64

Its API key, if it wants one, comes from `VLLM_API_KEY`. Only tokens are taken from it, which
needs vLLM 0.10.2 or newer; their probabilities are computed here, so that small differences
between its arithmetic and ours stay out of the objective's ratios. `prompts_at_once` is how many
groups it is asked for at the same time: more than the memory of one process would hold.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import torch

from trainer_client.client import RewardClient
from trainer_client.config import ClientConfig
from trainer_client.errors import BadAnswer, RewardRefused
from trainer_client.steps import Call
from trainer_client.training.config import SamplingConfig
from trainer_client.training.errors import BadServer
from trainer_client.training.learning import Learner
from trainer_client.training.prompts import Prompt
from trainer_client.training.rollouts import Rollouts, gather_rollouts
from trainer_client.wire.text import decode, encode, reading

T = TypeVar("T")

LONGEST_S = 1800.0
NOT_FOUND = 404
LOADED = "already been loaded"
SETTINGS = "--enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"
# What the model's own generation settings would change is set back: the policy is sampled as it is.
PLAIN = {"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
SEEDS = 2**31


class ServedPolicy:
    """The policy as a vLLM server holds it; `folder` is where adapters are handed over.

    Each state of the policy goes under a name of its own, for the server keeps what it has
    computed for a name.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._server = RewardClient(
            ClientConfig(
                url=url,
                api_key=os.environ.get("VLLM_API_KEY"),
                budget_s=LONGEST_S,
                attempt_s=LONGEST_S,
            )
        )
        self._folder = folder
        self._job = uuid.uuid4().hex[:8]
        self._held: list[str] = []

    def draw(
        self,
        learner: Learner,
        prompts: Sequence[Prompt],
        sampling: SamplingConfig,
        *,
        dice: torch.Generator | None,
    ) -> Rollouts:
        """Draw as `draw_rollouts` does, from the policy as it stands. Raises `BadServer`."""
        model = self._publish(learner)
        asked = [_question(model, learner, prompt, sampling, dice) for prompt in prompts]
        with ThreadPoolExecutor(sampling.prompts_at_once) as pool:
            drawn = list(pool.map(self._complete, asked))
        policy = learner.policy
        rows = [torch.tensor(row, device=policy.device) for rows in drawn for row in rows]
        return gather_rollouts(policy, prompts, rows)

    def _publish(self, learner: Learner) -> str:
        name = f"{self._job}-{learner.scheduler.last_epoch}"
        if name in self._held:
            return name
        path = (self._folder / name).resolve()
        learner.policy.model.save_pretrained(path)
        self._load(name, path)
        self._held.append(name)
        for gone in self._held[-2:-1]:
            # A name that is not there is gone already: the answer to an earlier attempt was lost.
            with suppress(BadServer):
                self._ask("/v1/unload_lora_adapter", {"lora_name": gone}, _nothing)
        # The server may still read the files of the one that was just unloaded.
        for old in self._held[:-2]:
            shutil.rmtree(self._folder / old)
        self._held = self._held[-2:]
        return name

    def _load(self, name: str, path: Path) -> None:
        try:
            body = {"lora_name": name, "lora_path": str(path)}
            self._ask("/v1/load_lora_adapter", body, _nothing)
        except BadServer as refusal:
            # Nobody else uses the name, so it was an earlier attempt whose answer was lost.
            if LOADED not in str(refusal):
                raise

    def _complete(self, question: Mapping[str, Any]) -> list[list[int]]:
        return self._ask("/v1/completions", question, lambda body: _read(body, question["n"]))

    def _ask(self, path: str, body: Mapping[str, Any], read: Callable[[bytes], T]) -> T:
        sent = encode(body, "the request")
        try:
            return self._server.call(Call("POST", path, read, lambda _: sent, quick=False))
        except RewardRefused as refusal:
            hint = f"; {SETTINGS} are needed" if refusal.status == NOT_FOUND else ""
            raise BadServer(f"{self._server.config.url}{path}: {refusal}{hint}") from refusal


def _nothing(_: bytes) -> None:
    return None


def _question(
    model: str,
    learner: Learner,
    prompt: Prompt,
    sampling: SamplingConfig,
    dice: torch.Generator | None,
) -> dict[str, Any]:
    chance: dict[str, Any] = {"temperature": 0.0, "n": 1}
    if dice is not None:
        seed = int(torch.randint(SEEDS, (1,), generator=dice, device=dice.device))
        chance = {"temperature": sampling.temperature, "n": sampling.group_size, "seed": seed}
    return {
        "model": model,
        "prompt": prompt.tokens.tolist(),
        "max_tokens": sampling.max_new_tokens,
        "stop_token_ids": learner.policy.stops.tolist(),
        "return_token_ids": True,
        **PLAIN,
        **chance,
    }


def _read(body: bytes, count: int) -> list[list[int]]:
    """Return the tokens of `count` responses, in the order of their index."""
    expected = f"{count} choices with token_ids, which vLLM gives from 0.10.2 on"
    with reading(expected):
        choices = sorted(decode(body)["choices"], key=lambda choice: int(choice["index"]))
        tokens = [[int(token) for token in choice["token_ids"]] for choice in choices]
    if len(tokens) != count or not all(tokens):
        raise BadAnswer(f"expected {expected}; got {[len(row) for row in tokens]} tokens")
    return tokens
