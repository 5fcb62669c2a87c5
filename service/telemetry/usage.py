"""What a part has done and holds, as metrics."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

Usage = Callable[[], Mapping[str, float]]
Family = CounterMetricFamily | GaugeMetricFamily

LEVELS: Mapping[str, str] = {
    "admission_active_items": "Items scored now.",
    "admission_active_items_limit": "Items that may be scored at the same time.",
    "admission_held_bytes": "Bytes of the bodies inside.",
    "admission_held_bytes_limit": "Bytes of bodies that may be inside.",
    "admission_waiting_items": "Items that wait for their turn.",
    "admission_waiting_items_limit": "Items that may wait for their turn.",
    "cache_characters": "Characters of the texts that verdicts are kept for.",
    "cache_characters_limit": "Characters that may be kept.",
    "isolated_waiting_cases": "Formulas and the like that wait for a worker.",
    "isolated_workers": "Workers for what may hang.",
    "keys_known": "Keys that callers may show.",
    "masks_active_px": "Pixels of masks and frames in hand.",
    "masks_cache_bytes": "Bytes of embeddings kept on the device.",
    "masks_waiting_px": "Pixels of masks and frames that wait for their turn.",
    "media_bytes": "Bytes of uploaded media on disk.",
    "similarity_batch_tokens_limit": "Tokens that a batch of the model may hold.",
    "similarity_breaker_open": "1 while a model server is left alone, 0 while it is asked.",
    "similarity_in_flight": "Calls that a model server works on.",
    "similarity_waiting_items": "Comparisons that wait for the model.",
    "similarity_waiting_tokens": "Tokens that wait for the model.",
}
TOTALS: Mapping[str, str] = {
    "cache_hits": "Verdicts that were known.",
    "cache_misses": "Verdicts that were not known.",
    "keys_failed_reloads": "Changes of the file of keys to what makes no sense.",
    "masks_cache_hits": "Embeddings that were kept.",
    "masks_cache_misses": "Embeddings that had to be computed.",
    "masks_decode_seconds": "Time spent decoding prompts.",
    "masks_encode_seconds": "Time spent embedding frames.",
    "masks_frames_encoded": "Frames embedded.",
    "masks_frames_tracked": "Frames tracked.",
    "masks_judge_seconds": "Time spent comparing masks.",
    "masks_prompts_decoded": "Prompts decoded.",
    "masks_read_seconds": "Time spent waiting for pixels.",
    "masks_track_seconds": "Time spent tracking.",
    "media_decoder_deaths": "Decoding processes lost.",
    "similarity_batches": "Batches that the model computed.",
    "similarity_call_seconds": "Time spent in calls to model servers.",
    "similarity_calls": "Calls to model servers.",
    "similarity_compute_seconds": "Time that the model computed.",
    "similarity_computed_tokens": "Tokens computed, shared prefixes once.",
    "similarity_dropped_items": "Comparisons that nobody waited for any more.",
    "similarity_encode_seconds": "Time spent turning text into tokens.",
    "similarity_failed_calls": "Calls to model servers that brought no scores.",
    "similarity_items": "Comparisons that the model computed.",
    "similarity_out_of_memory": "Batches that did not fit on the device and were halved.",
    "similarity_queue_seconds": "Time that comparisons waited for the model.",
    "similarity_retries": "Calls to model servers that were repetitions.",
    "similarity_tokens": "Tokens of the comparisons computed.",
}
"""What a part tells of itself, by `part_key`."""


class UsageCollector(Collector):
    """Reads a part's `usage()` at every scrape: `reward_<part>_<key>`, totals with `_total`.

    A key `name/address` becomes the label `address`, empty for the others.
    """

    def __init__(self, part: str, usage: Usage) -> None:
        self._part = part
        self._usage = usage

    def describe(self) -> list[Family]:
        """Nothing ahead of time: which keys there are is the part's business."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield one family for each key."""
        families: dict[str, Family] = {}
        for key, value in sorted(self._usage().items()):
            name, _, address = key.partition("/")
            families.setdefault(name, family_of(f"{self._part}_{name}")).add_metric(
                [address], value
            )
        yield from families.values()


def family_of(name: str) -> Family:
    """Return the family, without samples, of what a part tells.

    >>> family_of("cache_hits").name, family_of("media_bytes").documentation
    ('reward_cache_hits', 'Bytes of uploaded media on disk.')
    """
    if name in LEVELS:
        return GaugeMetricFamily(f"reward_{name}", LEVELS[name], labels=["address"])
    told = TOTALS.get(name, f"{name.replace('_', ' ')}.".capitalize())
    return CounterMetricFamily(f"reward_{name}", told, labels=["address"])
