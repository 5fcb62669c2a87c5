"""What a part has done and holds, as metrics."""

from collections import defaultdict
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
    "admission_pixels": "Pixels of masks and frames inside, as estimated when they came.",
    "admission_pixels_limit": "Pixels that may be inside; 0 without a mask model.",
    "admission_tokens": "Tokens for the similarity model inside, as estimated when they came.",
    "admission_tokens_limit": "Tokens that may be inside; 0 without such a model.",
    "admission_waiting_items": "Items that wait for their turn.",
    "admission_waiting_items_limit": "Items that may wait for their turn.",
    "cache_characters": "Characters of the texts that verdicts are kept for.",
    "cache_characters_limit": "Characters that may be kept.",
    "isolated_waiting_cases": "Formulas and the like that wait for a worker.",
    "isolated_workers": "Workers for what may hang.",
    "keys_known": "Keys that callers may show.",
    "masks_active_px": "Pixels of masks and frames in hand.",
    "masks_breaker_open": "1 while the application on Ray that draws masks is away, else 0.",
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
    "masks_call_seconds": "Time spent in calls to the application on Ray.",
    "masks_calls": "Calls to the application on Ray.",
    "masks_decode_seconds": "Time spent decoding prompts.",
    "masks_encode_seconds": "Time spent embedding frames.",
    "masks_failed_calls": "Calls to the application on Ray that brought no masks.",
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
EXPLAINED = LEVELS.keys() | TOTALS.keys()


class UsageCollector(Collector):
    """Reads a part's `usage()` at every scrape: `reward_<part>_<key>`, totals with `_total`.

    A key `name/address` becomes the label `address`. What has no explanation here is not shown:
    a replica of another version may tell it.
    """

    def __init__(self, part: str, usage: Usage) -> None:
        self._part = part
        self._usage = usage

    def describe(self) -> list[Family]:
        """Nothing ahead of time: which keys there are is the part's business."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield one family for each key."""
        told: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for key, value in sorted(self._usage().items()):
            name, _, address = key.partition("/")
            told[f"{self._part}_{name}"][address] = value
        for name in sorted(told.keys() & EXPLAINED):
            by_address = any(told[name])
            family = family_of(name, by_address=by_address)
            for address, value in told[name].items():
                family.add_metric([address] if by_address else [], value)
            yield family


def family_of(name: str, *, by_address: bool = False) -> Family:
    """Return the family, without samples, of what a part tells; raises `KeyError` for the unknown.

    >>> family_of("cache_hits").name, family_of("media_bytes").documentation
    ('reward_cache_hits', 'Bytes of uploaded media on disk.')
    """
    labels = ["address"] if by_address else []
    if name in LEVELS:
        return GaugeMetricFamily(f"reward_{name}", LEVELS[name], labels=labels)
    return CounterMetricFamily(f"reward_{name}", TOTALS[name], labels=labels)
