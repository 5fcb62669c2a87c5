"""Tests for `service.settings`."""

import pytest
from pydantic import ValidationError

from service.errors import BadSettings
from service.settings import Settings


def test_the_command_line_overrules_the_environment():
    """An option is nearer at hand than a variable, and a variable than the default."""
    environment = {"REWARDS_PORT": "9000", "REWARDS_HOST": "::1", "PATH": "/bin"}
    settings = Settings.read(environment, port="9001")
    assert (settings.host, settings.port, settings.max_items) == ("::1", 9001, 8192)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_and_has_a_default(name):
    """A service without any configuration starts, and every setting can explain itself."""
    field = Settings.model_fields[name]
    assert not field.is_required()
    assert field.description.endswith(".")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("port", "99999", "port: Input should be less than or equal to 65535; got '99999'"),
        ("port", "http", "port: Input should be a valid integer"),
        ("store", "mysql://x", "store: String should match pattern"),
        ("log_level", "loud", "log_level: Input should be 'debug'"),
        ("max_items", "0", "max_items: Input should be greater than or equal to 1"),
        ("prot", "80", "unknown setting REWARDS_PROT; known: host, port,"),
    ],
)
def test_a_bad_setting_is_named(name, value, complaint):
    """What was given and what is allowed stand in one line, wherever the value came from."""
    with pytest.raises(BadSettings) as refused:
        Settings.read({f"REWARDS_{name.upper()}": value})
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.promise(29)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store", "rdis://:a-secret@10.0.0.1:6379/0"),
        ("tracing", "htp://me:a-secret@10.0.0.1:4318"),
        ("polar", ""),
    ],
)
def test_what_may_hold_a_secret_is_not_repeated(name, value):
    """A typing error in a URL with a password does not put the password into a log."""
    with pytest.raises(BadSettings, match=f"^{name}: ") as refused:
        Settings.read({f"REWARDS_{name.upper()}": value})
    assert "secret" not in str(refused.value)
    assert "got" not in str(refused.value)


@pytest.mark.promise(29)
def test_settings_that_are_printed_show_no_secret():
    """Nor does whoever prints all settings give one away."""
    secret = Settings.read({"REWARDS_STORE": "redis://:a-secret@10.0.0.1:6379/0"})
    assert "secret" not in f"{secret} {secret!r}"


def test_settings_do_not_change():
    """What was read at the start holds to the end."""
    settings = Settings.read({})
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


def test_paths_are_separated_by_commas():
    """Several files fit into one variable."""
    settings = Settings.read({"REWARDS_SPEC_FILES": " a.toml, b.toml,"})
    assert [str(path) for path in settings.spec_files] == ["a.toml", "b.toml"]
