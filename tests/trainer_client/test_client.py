"""Tests for `trainer_client.client` over real sockets."""

from trainer_client.client import RewardClient


def test_results_stand_in_the_order_of_the_items(server, config):
    """A batch that travels in several requests comes back in its own order."""
    server.limits["items"] = 3
    items = [
        {"kind": "math", "response": "x" * n, "ground_truth": "4", "group": f"p{n % 4}"}
        for n in range(10)
    ]
    with RewardClient(config) as client:
        assert client.reward(items).rewards == [float(n) for n in range(10)]
