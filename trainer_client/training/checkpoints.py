"""Checkpoints: everything that the next step depends on, written whole or not at all."""

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from trainer_client.training.errors import BadCheckpoint
from trainer_client.training.learning import Learner

WEIGHTS = "trained.safetensors"
STATE = "state.pt"


def save_checkpoint(
    folder: Path, step: int, learner: Learner, dice: torch.Generator, *, run: str, keep: int
) -> Path:
    """Write the state after `step` under `folder`, drop all but the newest `keep`; return its path.

    Holds the weights that learn (frozen ones come from the model's own folder), optimiser,
    scheduler and every random generator. A crash while writing leaves the older ones as they were.
    """
    path = folder / f"step-{step:06d}"
    unfinished = folder / f".{path.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    weights = {name: p.detach().contiguous() for name, p in learner.policy.trainable.items()}
    save_file(weights, unfinished / WEIGHTS)
    state = {
        "run": run,
        "step": step,
        "optimiser": learner.optimiser.state_dict(),
        "scheduler": learner.scheduler.state_dict(),
        "random": _random_state(dice),
    }
    torch.save(state, unfinished / STATE)
    shutil.rmtree(path, ignore_errors=True)
    unfinished.replace(path)
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the whole checkpoints under `folder`, oldest first."""
    return sorted(folder.glob("step-*"))


def load_checkpoint(path: Path, learner: Learner, dice: torch.Generator, *, run: str) -> int:
    """Put everything back as it stood and return the step; raise `BadCheckpoint` if it differs."""
    try:
        weights = load_file(path / WEIGHTS, device=str(learner.policy.device))
        state: dict[str, Any] = torch.load(path / STATE, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise BadCheckpoint(f"{path}: {error}") from error
    if state["run"] != run:
        raise BadCheckpoint(f"{path}: expected run {run!r}; it belongs to {state['run']!r}")
    _restore_weights(path, learner, weights)
    learner.optimiser.load_state_dict(state["optimiser"])
    learner.scheduler.load_state_dict(state["scheduler"])
    _restore_random_state(state["random"], dice)
    return int(state["step"])


def _restore_weights(path: Path, learner: Learner, weights: dict[str, torch.Tensor]) -> None:
    trainable = learner.policy.trainable
    if weights.keys() != trainable.keys():
        odd = sorted(weights.keys() ^ trainable.keys())
        raise BadCheckpoint(f"{path}: other weights learn now than then: {', '.join(odd[:3])} …")
    with torch.no_grad():
        for name, parameter in trainable.items():
            if parameter.shape != weights[name].shape:
                raise BadCheckpoint(
                    f"{path}: expected {name} as {tuple(parameter.shape)}; "
                    f"got {tuple(weights[name].shape)}"
                )
            parameter.copy_(weights[name])


def _random_state(dice: torch.Generator) -> dict[str, Any]:
    return {
        "dice": dice.get_state(),
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _restore_random_state(state: dict[str, Any], dice: torch.Generator) -> None:
    dice.set_state(state["dice"])
    torch.set_rng_state(state["cpu"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
