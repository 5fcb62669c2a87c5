"""Documents are true: their tables are the code's, their links lead somewhere."""

import re

import pytest

from rewards.registry import NAMES
from service.settings import PREFIX, Settings
from tests.house.readme import DOCUMENTS, PAGES, PART, PARTS, renew
from tests.house.source import ROOT
from trainer_client.training.data import FIELDS

TEXTS = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
TEXT = TEXTS[ROOT / "README.md"]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)\)")
ANCHOR = re.compile(r"\]\(#([^)]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


documents = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: path.parent.name + path.stem
)


@documents
def test_the_tables_are_up_to_date(path):
    """`make readme` would change nothing."""
    text = TEXTS[path]
    assert renew(text) == text, "the code has changed: `make readme` writes its tables anew"


def test_every_table_is_shown():
    """What is made from the code stands in one document."""
    shown = [part["name"] for text in TEXTS.values() for part in PART.finditer(text)]
    assert sorted(shown) == sorted(PARTS)


@pytest.mark.parametrize("kind", NAMES)
def test_a_kind_has_a_row(kind):
    """Whoever adds a kind tells the reader."""
    assert f"| `{kind}` |" in TEXT


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_explained(name):
    """An operator finds every setting, as an option and as a variable."""
    assert Settings.model_fields[name].description
    assert f"| `--{name.replace('_', '-')}` | `{PREFIX}{name.upper()}` |" in TEXT


@pytest.mark.parametrize("name", sorted({name for names in FIELDS.values() for name in names}))
def test_a_field_of_the_data_is_explained(name):
    """Whoever writes data to train on finds every name that is read."""
    section = TEXT.split("### Train a model")[1].split("\n## ")[0]
    assert f"`{name}`" in section


@pytest.mark.parametrize("path", DOCUMENTS + PAGES, ids=lambda path: path.parent.name)
def test_links_lead_somewhere(path):
    """Every file and every section that a document points at is there."""
    text = path.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in HEADING.findall(text)
    }
    assert [link for link in LINK.findall(text) if not (path.parent / link).exists()] == []
    assert [anchor for anchor in ANCHOR.findall(text) if anchor not in anchors] == []
