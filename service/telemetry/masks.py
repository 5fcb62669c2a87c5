"""What the mask model and the media it looks at have done so far, read when it is scraped."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

STAGES = ("read", "encode", "decode", "track")
COUNTS = {
    "frames_encoded": "Images and frames that went through the image encoder.",
    "prompts_decoded": "Prompts that a mask was drawn for on an image.",
    "frames_tracked": "Frames that a mask was tracked through.",
}


class Kept(Protocol):
    """Whatever knows how many bytes it keeps."""

    @property
    def nbytes(self) -> int:
        """Bytes kept now."""
        ...


class Mortal(Protocol):
    """Whatever loses processes."""

    deaths: int


class MaskCollector(Collector):
    """Turns totals that are kept elsewhere into metrics."""

    def __init__(
        self, usage: Callable[[], Mapping[str, float]], media: Kept, decoders: Mortal
    ) -> None:
        self._usage = usage
        self._media = media
        self._decoders = decoders

    def collect(self) -> Iterator[Metric]:
        """Read every total once."""
        usage = self._usage()
        seconds = CounterMetricFamily(
            "reward_mask_stage_seconds", "Time spent on masks, by stage.", labels=["stage"]
        )
        for stage in STAGES:
            seconds.add_metric([stage], usage.get(f"{stage}_seconds", 0.0))
        yield seconds
        for name, meaning in COUNTS.items():
            yield CounterMetricFamily(f"reward_mask_{name}", meaning, value=usage.get(name, 0.0))
        asked = CounterMetricFamily(
            "reward_mask_embedding_requests", "Embeddings asked for.", labels=["outcome"]
        )
        asked.add_metric(["hit"], usage.get("cache_hits", 0.0))
        asked.add_metric(["miss"], usage.get("cache_misses", 0.0))
        yield asked
        yield GaugeMetricFamily(
            "reward_mask_embedding_bytes",
            "Embeddings kept on the device.",
            value=usage.get("cache_bytes", 0.0),
        )
        yield GaugeMetricFamily(
            "reward_media_bytes", "Images and videos on disk.", value=self._media.nbytes
        )
        yield CounterMetricFamily(
            "reward_media_decoder_deaths",
            "Decoding processes lost or killed.",
            value=self._decoders.deaths,
        )
