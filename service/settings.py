"""Every setting of the service, read once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from rewards.specs import RELEASED
from service.errors import BadSettings
from service.listening import Listening

PREFIX = "REWARDS_"
MIB = 2**20


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class Settings(Listening):
    """How one replica listens, what it accepts, and where it keeps its state.

    Each field is an option of `reward-service serve` and an environment variable `REWARDS_…`. What
    may hold a password or a token has `repr=False`, and is shown nowhere.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str = Field(
        "sqlite:rewards.db",
        pattern=r"^(memory:|sqlite:.+|rediss?://.+)$",
        repr=False,
        description="Where runs are kept: sqlite:PATH, memory: or redis://HOST:PORT/DB.",
    )
    store_timeout_s: float = Field(
        2.0, gt=0, le=60, description="How long to wait for the store before answering 503."
    )
    allow_unsafe_store: bool = Field(
        default=False,
        description="Start on a Redis that may forget what it has acknowledged; never in earnest.",
    )
    record_steps: int = Field(
        10_000, ge=1, le=10_000_000, description="Steps of a run that a rewind reaches back."
    )
    answer_steps: int = Field(
        128, ge=1, le=1_000_000, description="Steps of a run whose answers are kept for a replay."
    )
    answer_expire_s: float = Field(
        86_400.0,
        ge=1,
        le=31_536_000,
        description="How long a run at rest keeps its answers and open steps, in seconds.",
    )
    shards_deadline_s: float = Field(
        20.0, gt=0, le=3600, description="Longest that a shard waits for the others of its step."
    )
    update_log: Path | None = Field(
        None, description="File to append every update to, for `reward-service verify-log`."
    )
    spec: str = Field(RELEASED, description="Spec of requests that name none.")
    spec_files: Annotated[tuple[Path, ...], BeforeValidator(_split)] = Field(
        (), description="TOML files, comma-separated, each with a spec of your own."
    )
    max_body_bytes: int = Field(
        32 * MIB, ge=1024, le=1024 * MIB, description="Largest request body, in bytes."
    )
    max_items: int = Field(
        8192, ge=1, le=65_536, description="Most items that one request may hold."
    )
    max_rollouts: int = Field(
        262_144, ge=1, le=1_000_000, description="Most rewards that one step or shard may hold."
    )
    max_held_bytes: int = Field(
        256 * MIB,
        ge=1024,
        description="Bytes of all bodies inside at once, half of them of one caller; more is"
        " answered 429.",
    )
    max_waiting_items: int = Field(
        65_536,
        ge=1,
        description="Items that may wait for their turn, half of them of one run; more is answered"
        " 429.",
    )
    max_active_items: int = Field(
        32_768, ge=1, description="Items scored at the same time; runs take turns beyond that."
    )
    max_deadline_ms: int = Field(
        120_000,
        ge=1,
        le=3_600_000,
        description="Longest a request may take, in milliseconds; a later deadline is cut to this.",
    )
    body_timeout_s: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="Longest that sending one request body may take, in seconds.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=1024,
        description="Processes for judging what may hang, such as formulas; 0: one per processor.",
    )
    worker_cpu_s: float = Field(
        5.0, gt=0, le=3600, description="Processor time that judging one item may take, in seconds."
    )
    worker_memory_bytes: int = Field(
        2048 * MIB, ge=256 * MIB, description="Memory that one such process may take, in bytes."
    )
    polar: str | None = Field(
        None,
        min_length=1,
        repr=False,
        description="POLAR for open-ended answers: a checkpoint folder, servers as"
        " http+vllm://HOST:PORT[,HOST:PORT][/MODEL] (or sglang, lmdeploy), or an application of Ray"
        " Serve as ray://HOST[:10001]/APP (ray://auto/APP on a node of the cluster).",
    )
    polar_device: str = Field("cpu", min_length=1, description="Device of a POLAR checkpoint.")
    polar_dtype: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="Precision of a POLAR checkpoint; auto: bf16 on a GPU, else fp32."
    )
    polar_batch_tokens: int = Field(
        16_384, ge=512, le=2**24, description="Most tokens one batch of POLAR computes."
    )
    polar_waiting_tokens: int = Field(
        2**24,
        ge=1,
        description="Tokens for POLAR inside at once, three characters each; more is answered 429.",
    )
    polar_tokenizer: Path | None = Field(
        None, description="Folder with POLAR's tokenizer, to cut long texts for model servers."
    )
    cache_characters: int = Field(
        16 * MIB,
        ge=0,
        le=2**40,
        description="Characters of judged texts remembered, so that repeated answers cost nothing.",
    )
    sam2: str | None = Field(
        None,
        min_length=1,
        repr=False,
        description="SAM 2 for mask items: a folder with safetensors, a .pt file, or an application"
        " of Ray Serve as ray://HOST[:10001]/APP.",
    )
    sam2_backend: Literal["transformers", "native"] = Field(
        "transformers", description="Library that runs it; `native` is Meta's, for .pt files."
    )
    sam2_device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="Where it runs."
    )
    sam2_precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="What it computes in; `auto` is bfloat16 on a GPU."
    )
    sam2_cache_bytes: int = Field(
        4096 * MIB, ge=0, description="Embeddings kept on the device, in bytes (17 MB a frame)."
    )
    mask_px: int = Field(
        2**28,
        ge=1,
        description="Pixels in hand at once: of masks drawn, and 2^20 a frame seen.",
    )
    mask_waiting_px: int = Field(
        2**35, ge=1, description="Pixels of masks and frames inside at once; more is answered 429."
    )
    media_dir: Path = Field(
        Path("rewards-media"), description="Folder of uploaded images and videos."
    )
    media_bytes: int = Field(
        16384 * MIB, ge=MIB, description="Most bytes in it; the least recently used go first."
    )
    max_upload_bytes: int = Field(
        256 * MIB, ge=1024, description="Largest image or video that may be uploaded, in bytes."
    )
    max_inline_bytes: int = Field(
        MIB, ge=0, description="Largest image or video within a request, in bytes."
    )
    max_picture_px: int = Field(
        2**24, ge=1, description="Most pixels of an image, and of each frame of a video."
    )
    max_video_frames: int = Field(9000, ge=1, description="Most frames of an uploaded video.")
    max_video_s: float = Field(600.0, gt=0, description="Longest video, in seconds.")
    max_clip_frames: int = Field(
        256, ge=1, le=4096, description="Most frames sampled from a video, or listed."
    )
    max_clip_px: int = Field(
        2**28, ge=1, description="Most pixels of all frames of a clip together."
    )
    decoders: int = Field(2, ge=1, le=256, description="Processes that decode images and videos.")
    decode_s: float = Field(
        60.0, gt=0, le=3600, description="Longest that decoding one of them may take, in seconds."
    )
    decode_memory_bytes: int = Field(
        2048 * MIB, ge=256 * MIB, description="Memory that one decoding process may take, in bytes."
    )
    tracing: str | None = Field(
        None,
        pattern=r"^https?://[^/]+.*$",
        repr=False,
        description="OpenTelemetry collector to send traces to, as http://HOST:4318.",
    )
    metric_runs: int = Field(
        8,
        ge=0,
        le=1000,
        description="Runs whose moving averages are metrics: those this replica moved last.",
    )
    metric_tasks: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        (),
        max_length=100,
        description="Tasks, comma-separated, that metrics name besides those of the kinds; what"
        " else callers make up is `other`.",
    )

    @classmethod
    def read(cls, environ: Mapping[str, str], **given: str) -> Self:
        """Return the settings of the environment, overruled by those `given` on a command line.

        Raises `BadSettings`, naming the setting, for a value out of bounds and for a variable
        that begins with `REWARDS_` and is no setting: a typing error would otherwise go unseen.

        >>> Settings.read({"REWARDS_PORT": "9000", "HOME": "/"}, host="::1").port
        9000
        """
        variables = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(PREFIX)
        }
        try:
            return cls.model_validate(variables | given)
        except ValidationError as error:
            raise BadSettings("; ".join(map(_complaint, error.errors()))) from None


def _complaint(error: Mapping[str, object]) -> str:
    location = error["loc"]
    name = str(location[0]) if isinstance(location, tuple) and location else ""
    if error["type"] == "extra_forbidden":
        known = ", ".join(Settings.model_fields)
        return f"unknown setting {PREFIX}{name.upper()}; known: {known}"
    got = f"; got {error['input']!r}" if Settings.model_fields[name].repr else ""
    return f"{name}: {error['msg']}{got}"
