"""What is asked of a scrape and is not there is found out."""

import pytest


@pytest.mark.parametrize(
    ("query", "unknown"),
    [
        ("rate(reward_item_total[5m])", ["reward_item_total"]),
        ('reward_items_total{sort="ocr"}', ["reward_items_total{sort}"]),
        ('reward_items_total{outcome=~"scored|lost"}', ["reward_items_total{outcome=lost}"]),
        ('reward_part_ready{part!="mask"}', ["reward_part_ready{part=mask}"]),
        ("sum by (task, le) (reward_part_ready)", ["by (le)", "by (task)"]),
        ("job_task:reward_score:mean30m / on (run) up", ["by (run)"]),
        ("reward_store_failures_total + on (stage) reward_departures_total", []),
        ('job:reward_http:rate5m{job="a"} > up{instance="b"}', []),
    ],
)
def test_what_is_not_in_a_scrape_is_named(scrape, query, unknown):
    """A metric, a label, a value or a grouping that no series has."""
    assert scrape.unknown(query) == unknown
