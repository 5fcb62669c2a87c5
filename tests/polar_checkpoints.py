"""Tiny random POLAR checkpoints in InternLM2's own layout, and the same forward pass by hand."""

import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import save_file
from sentencepiece import SentencePieceTrainer
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

PIECES = 400
SEPARATOR_ID = PIECES
CORPUS = [
    "What is the capital of China? Beijing. Shanghai. Because it is the seat of government.",
    "How many letters are there in the word strawberry? There are ten letters in the word.",
    "two plus two is four, and not five; a b c d e f g h i j k l m n o p q r s t u v w x y z",
] * 20


@dataclass
class RandomPolar:
    """A checkpoint of random weights: its `config.json` and its tensors by InternLM2's names.

    As it stands it is tiny and matches the tokenizers written here.
    """

    seed: int = 0
    heads: int = 8
    kv_heads: int = 2
    hidden: int = 64
    intermediate: int = 96
    layers: int = 3
    positions: int = 512
    vocabulary: int = PIECES + 4

    @cached_property
    def config(self) -> dict:
        """What `config.json` says."""
        return {
            "architectures": ["InternLM2ForRewardModel"],
            "auto_map": {"AutoModel": "modeling_internlm2.InternLM2ForRewardModel"},
            "model_type": "internlm2",
            "bias": False,
            "hidden_act": "silu",
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "max_position_embeddings": self.positions,
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "pad_token_id": 2,
            "reward_token_id": 3,
            "rms_norm_eps": 1e-5,
            "rope_scaling": {"type": "dynamic", "factor": 2.0},
            "rope_theta": 1000000,
            "vocab_size": self.vocabulary,
        }

    @cached_property
    def tensors(self) -> dict:
        """Matrices around 0, norms around 1."""
        generator = torch.Generator().manual_seed(self.seed)
        return {
            name: torch.randn(size, generator=generator) * (0.15 if len(size) > 1 else 0.1)
            + (0 if len(size) > 1 else 1)
            for name, size in self.sizes().items()
        }

    def sizes(self):
        """The shape of every tensor, fused and grouped as InternLM2 keeps them."""
        head = self.hidden // self.heads
        sizes = {
            "model.tok_embeddings.weight": (self.vocabulary, self.hidden),
            "model.norm.weight": (self.hidden,),
            "v_head.weight": (1, self.hidden),
        }
        for i in range(self.layers):
            layer = f"model.layers.{i}."
            sizes |= {
                layer + "attention_norm.weight": (self.hidden,),
                layer + "attention.wqkv.weight": (
                    (self.heads + 2 * self.kv_heads) * head,
                    self.hidden,
                ),
                layer + "attention.wo.weight": (self.hidden, self.heads * head),
                layer + "ffn_norm.weight": (self.hidden,),
                layer + "feed_forward.w1.weight": (self.intermediate, self.hidden),
                layer + "feed_forward.w3.weight": (self.intermediate, self.hidden),
                layer + "feed_forward.w2.weight": (self.hidden, self.intermediate),
            }
        return sizes

    def write(self, folder: Path, *, tokenizer: str = "pieces", dummy_prefix: bool = False) -> Path:
        """Write the folder as it would be published; `tokenizer` is `pieces` or `fast`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config))
        names = sorted(self.tensors)
        files = {"model-00001-of-00002.safetensors": names[::2]}
        files["model-00002-of-00002.safetensors"] = names[1::2]
        for file, own in files.items():
            save_file({name: self.tensors[name].contiguous() for name in own}, folder / file)
        where = {name: file for file, own in files.items() for name in own}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
        if tokenizer == "pieces":
            write_pieces(folder, dummy_prefix=dummy_prefix)
        else:
            write_fast(folder)
        return folder

    def score(self, rows: torch.Tensor, attended: torch.Tensor) -> list[float]:
        """The reward model by hand: `rows` and `attended` are `(batch, length)`, padding anywhere.

        The score is read at the last attended token.
        """
        seen = attended.bool()
        steps = (seen.long().cumsum(1) - 1).clamp(min=0)
        length = rows.shape[1]
        visible = torch.ones(length, length, dtype=torch.bool).tril()[None] & seen[:, None, :]
        # A padding row that sees nothing would be NaN; what it computes is never read.
        visible = visible | torch.eye(length, dtype=torch.bool)
        x = self.tensors["model.tok_embeddings.weight"][rows]
        for i in range(self.layers):
            x = self._layer(x, f"model.layers.{i}.", steps, visible)
        x = self._norm(x, "model.norm.weight")
        last = (seen.long().cumsum(1)).argmax(1)
        final = x[torch.arange(len(rows)), last]
        return (final @ self.tensors["v_head.weight"].T)[:, 0].tolist()

    def _layer(self, x, layer, steps, visible):
        batch, length, _ = x.shape
        head, queries = self.hidden // self.heads, self.heads // self.kv_heads
        normal = self._norm(x, layer + "attention_norm.weight")
        fused = normal @ self.tensors[layer + "attention.wqkv.weight"].T
        fused = fused.view(batch, length, self.kv_heads, queries + 2, head)
        query = self._rotate(fused[..., :queries, :], steps)
        key = self._rotate(fused[..., queries : queries + 1, :], steps)
        value = fused[..., queries + 1, :]
        weights = torch.einsum("bikgd,bjkd->bkgij", query, key[..., 0, :]) / head**0.5
        weights = weights.masked_fill(~visible[:, None, None], float("-inf")).softmax(-1)
        mixed = torch.einsum("bkgij,bjkd->bikgd", weights, value).reshape(batch, length, -1)
        x = x + mixed @ self.tensors[layer + "attention.wo.weight"].T
        normal = self._norm(x, layer + "ffn_norm.weight")
        gate = normal @ self.tensors[layer + "feed_forward.w1.weight"].T
        up = normal @ self.tensors[layer + "feed_forward.w3.weight"].T
        gated = gate * torch.sigmoid(gate) * up
        return x + gated @ self.tensors[layer + "feed_forward.w2.weight"].T

    def _norm(self, x, name):
        size = x.pow(2).mean(-1, keepdim=True)
        return self.tensors[name] * (x / torch.sqrt(size + self.config["rms_norm_eps"]))

    def _rotate(self, x, steps):
        half = x.shape[-1] // 2
        speeds = self.config["rope_theta"] ** -(torch.arange(half) / half)
        angles = (steps[..., None] * speeds)[:, :, None, None, :]
        first, second = x[..., :half], x[..., half:]
        return torch.cat(
            [
                first * angles.cos() - second * angles.sin(),
                second * angles.cos() + first * angles.sin(),
            ],
            dim=-1,
        )


def write_pieces(folder: Path, *, dummy_prefix: bool = False) -> None:
    """A sentencepiece model with `[UNUSED_TOKEN_130]` inside, and `<|reward|>` added by config."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=model,
        model_type="bpe",
        vocab_size=PIECES,
        byte_fallback=True,
        add_dummy_prefix=dummy_prefix,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=["[UNUSED_TOKEN_130]"],
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    added = {str(SEPARATOR_ID): {"content": "<|reward|>", "special": True}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))


def write_fast(folder: Path) -> None:
    """A byte-level `tokenizer.json` with both marks as special tokens."""
    tokens = Tokenizer(models.BPE())
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    specials = ["<unk>", "<s>", "</s>", "[UNUSED_TOKEN_130]"]
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES,
        special_tokens=specials,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokens.train_from_iterator(CORPUS, trainer)
    tokens.add_special_tokens([AddedToken("<|reward|>", special=True)])
    tokens.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    tokens.save(str(folder / "tokenizer.json"))
