"""The policy: a small Llama that reads a word for a token, and its cold start."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from examples.ablation.puzzles import CLOSE, LAST, LEVELS, OPEN, STEP, TASKS, Puzzle, pose_all
from examples.ablation.settings import Settings

PAD, END, ASK = "<pad>", "<end>", "<ask>"
TEMPLATE = (
    "{% for m in messages %}{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %} <ask>{% endif %}"
)
NOTHING = -100  # what torch's cross-entropy leaves out
WARM_UP = 20
CALM_DOWN = 0.3  # over this share of the steps, the last, the rate falls to 0


def words() -> list[str]:
    """Return every word that is ever read or written, each once."""
    parts = [part for task in TASKS for part in task.layout if part]
    numbers = [str(slot * STEP) for slot in range(LAST + 1)]
    kinds = [task.kind for task in TASKS]
    return list(dict.fromkeys([PAD, END, ASK, OPEN, CLOSE, *LEVELS, *kinds, *parts, *numbers]))


def make_tokenizer() -> Any:
    """Return a tokenizer of these words, with a chat template."""
    numbered = {word: number for number, word in enumerate(words())}
    inner = Tokenizer(models.WordLevel(numbered, unk_token=PAD))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token=PAD, eos_token=END)
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def cold_start(settings: Settings, folder: Path, *, seed: int) -> Path:
    """Train a policy on blurred answers and save it; a folder that is there is left as it is."""
    if folder.exists():
        return folder
    logging.disable_progress_bar()
    torch.manual_seed(seed)
    dice = random.Random(f"cold start/{seed}")  # noqa: S311  # lessons, not secrets
    tokenizer = make_tokenizer()
    model = LlamaForCausalLM(_shape(settings, tokenizer))
    optimiser = torch.optim.AdamW(model.parameters(), settings.cold_start.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _rate(settings.cold_start.steps))
    for _ in range(settings.cold_start.steps):
        inputs, labels = _lesson(tokenizer, settings.cold_start.batch, dice)
        model(input_ids=inputs, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    unfinished = folder.with_name(folder.name + ".unfinished")
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    return unfinished.rename(folder)


def _shape(settings: Settings, tokenizer: Any) -> LlamaConfig:
    shape = settings.policy
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=2 * shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _rate(steps: int) -> Any:
    return lambda done: min(1.0, (done + 1) / WARM_UP, (steps - done) / (CALM_DOWN * steps))


def _lesson(tokenizer: Any, size: int, dice: random.Random) -> tuple[Tensor, Tensor]:
    puzzles: list[Puzzle] = []
    while len(puzzles) < size:
        puzzles += pose_all(dice)
    rows = [_row(tokenizer, puzzle, dice) for puzzle in puzzles[:size]]
    inputs = pad_sequence([tokens for tokens, _ in rows], True, tokenizer.pad_token_id)
    labels = pad_sequence([labels for _, labels in rows], True, NOTHING)
    return inputs, labels


def _row(tokenizer: Any, puzzle: Puzzle, dice: random.Random) -> tuple[Tensor, Tensor]:
    asked = _tokens(tokenizer, [puzzle.prompt, ASK])
    answered = _tokens(tokenizer, [puzzle.response(dice), END])
    tokens = torch.tensor(asked + answered)
    labels = tokens.clone()
    labels[: len(asked)] = NOTHING
    return tokens, labels


def _tokens(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    tokens: list[int] = tokenizer(" ".join(texts), add_special_tokens=False).input_ids
    return tokens
