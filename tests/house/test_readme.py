"""The README is true: its tables are the code's, its links lead somewhere."""

import re

import pytest

from rewards.registry import NAMES
from service.settings import PREFIX, Settings
from tests.house.readme import README, renew
from tests.house.source import ROOT

TEXT = README.read_text(encoding="utf-8")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)\)")
ANCHOR = re.compile(r"\]\(#([^)]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def test_the_tables_are_up_to_date():
    """`make readme` would change nothing."""
    assert renew(TEXT) == TEXT, "the code has changed: `make readme` writes its tables anew"


@pytest.mark.parametrize("kind", NAMES)
def test_a_kind_has_a_row(kind):
    """Whoever adds a kind tells the reader."""
    assert f"| `{kind}` |" in TEXT


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_explained(name):
    """An operator finds every setting, as an option and as a variable."""
    assert Settings.model_fields[name].description
    assert f"| `--{name.replace('_', '-')}` | `{PREFIX}{name.upper()}` |" in TEXT


def test_links_lead_somewhere():
    """Every file and every section that the README points at is there."""
    anchors = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in HEADING.findall(TEXT)
    }
    assert [link for link in LINK.findall(TEXT) if not (ROOT / link).exists()] == []
    assert [anchor for anchor in ANCHOR.findall(TEXT) if anchor not in anchors] == []
