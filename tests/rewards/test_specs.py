"""Tests for `rewards.specs`."""

import pytest

from rewards.errors import BadSpec, UnknownSpec
from rewards.specs import BUILT_IN, ONETHINKER_PAPER, ONETHINKER_RELEASED, find_spec, read_spec

DIGESTS = {
    "onethinker-released": "sha256:"
    "fd83601853cf1c2ea3fe47bb920f425f86d22bf0b7836ffc2a804fbd332c0712",
    "onethinker-paper": "sha256:8cfa6415c25a22016207855eddea7bda2c786d8715631141269ab6fd940cca0b",
}
BASE = 'name = "mine"\nbase = "onethinker-paper"\n'


def test_a_digest_names_every_constant():
    """Two specs that differ in one constant, or in name alone, have different digests."""
    sharp = read_spec(BASE + "point_sigma = 20.0")
    dull = read_spec(BASE + "point_sigma = 20.5")
    same = read_spec(BASE + "point_sigma = 20")
    digests = {spec.digest for spec in (sharp, dull, *BUILT_IN.values())}
    assert len(digests) == 4
    assert sharp.digest == same.digest
    assert sharp.digest.startswith("sha256:")


def test_the_digests_of_the_built_in_specs_are_known():
    """A constant that changes unnoticed would change what a run was pinned to."""
    assert ONETHINKER_RELEASED.version == ONETHINKER_PAPER.version == 1
    assert ONETHINKER_RELEASED.digest == DIGESTS["onethinker-released"]
    assert ONETHINKER_PAPER.digest == DIGESTS["onethinker-paper"]


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        pytest.param("sigma = 1", "unknown key 'sigma'; known: base, name", id="unknown-key"),
        pytest.param('point_sigma = "wide"', "point_sigma: expected a number", id="type"),
        pytest.param("point_sigma = -1.0", "point_sigma: expected a number", id="negative"),
        pytest.param("point_sigma = nan", "point_sigma: expected a number", id="nan"),
        pytest.param("points_per_side = true", "points_per_side: expected int", id="boolean"),
        pytest.param('tags = "none"', "tags: expected one of 'released', 'paper'", id="choice"),
        pytest.param("=", "expected TOML", id="not-toml"),
    ],
)
def test_a_spec_that_cannot_be_used_says_why(toml, message):
    """What was expected, what came, and what is allowed."""
    with pytest.raises(BadSpec, match=message):
        read_spec(BASE + toml)


def test_a_built_in_name_is_not_for_taking():
    """A spec of one's own has a name of its own."""
    with pytest.raises(BadSpec, match="are built in"):
        read_spec('base = "onethinker-paper"\npoint_sigma = 20.0')


def test_an_unknown_spec_names_the_known_ones():
    """The error is a list to choose from."""
    with pytest.raises(UnknownSpec, match="known: onethinker-released, onethinker-paper"):
        find_spec("grpo")
