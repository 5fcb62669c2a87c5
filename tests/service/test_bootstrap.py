"""Tests for `service.bootstrap`: from settings to parts that work."""

import asyncio

import pytest

from rewards.sample import Sample
from service.bootstrap import open_container, read_specs
from service.errors import BadSettings
from service.settings import Settings


@pytest.fixture
def spec_file(tmp_path):
    """Write a spec file and return its path."""

    def write(text, name="own.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_file_may_build_on_an_earlier_one(spec_file):
    """An operator's specs stand beside the built-in ones, and can be bases themselves."""
    first = spec_file('name = "sharp"\nbase = "onethinker-paper"\npoint_sigma = 20', "a.toml")
    second = spec_file('name = "sharper"\nbase = "sharp"\npoint_sigma = 10', "b.toml")
    specs = read_specs([first, second])
    assert list(specs)[2:] == ["sharp", "sharper"]
    assert (specs["sharper"].point_sigma, specs["sharper"].tags) == (10.0, "paper")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('name = "x"\nsigma = 1', "unknown key 'sigma'"),
        ('name = "onethinker-paper"', "built in"),
        ("name = ", "expected TOML"),
        (None, "No such file"),
    ],
)
def test_a_bad_spec_file_is_named(spec_file, tmp_path, text, complaint):
    """The service does not start on constants it does not understand."""
    path = tmp_path / "missing.toml" if text is None else spec_file(text)
    with pytest.raises(BadSettings) as refused:
        read_specs([path])
    assert complaint in str(refused.value)
    assert str(path) in str(refused.value)


def test_two_files_cannot_share_a_name(spec_file):
    """A name stands for one set of constants."""
    files = [spec_file('name = "x"', "a.toml"), spec_file('name = "x"\nversion = 2', "b.toml")]
    with pytest.raises(BadSettings, match="already a spec named 'x'"):
        read_specs(files)


def test_an_unknown_default_spec_is_refused():
    """A default that does not exist would refuse every request later."""

    async def start():
        async with open_container(Settings.read({}, spec="mine", store="memory:")):
            pass

    with pytest.raises(BadSettings, match="unknown spec 'mine'"):
        asyncio.run(start())


def test_an_unusable_part_keeps_the_service_from_starting(tmp_path):
    """Each is told in a line that names the setting's value and says what is wrong with it."""
    (tmp_path / "file").write_bytes(b"x" * 4096)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "bare").mkdir()
    wrong = {
        "sqlite-folder": ({"store": f"sqlite:{tmp_path}/no/runs.db"}, "unable to open database"),
        "sqlite-file": ({"store": f"sqlite:{tmp_path}/file"}, "file is not a database"),
        "log": ({"update_log": f"{tmp_path}/no/log"}, "No such file or directory"),
        "keys": ({"keys": str(tmp_path)}, "Is a directory"),
        "polar-weights": ({"polar": f"{tmp_path}/bare"}, "No such file or directory"),
        "sam2": ({"sam2": f"{tmp_path}/none"}, "there is no config.json"),
        "media": ({"sam2": str(tmp_path), "media_dir": f"{tmp_path}/file"}, "File exists"),
    }

    async def start(given):
        options = {"store": "memory:", "workers": "1", **given}
        async with open_container(Settings.read({}, **options)):
            pass

    for name, (given, complaint) in wrong.items():
        with pytest.raises(BadSettings) as refused:
            asyncio.run(start(given))
        assert complaint in str(refused.value), name
        assert str(tmp_path) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_the_parts_are_ready_and_know_the_settings(spec_file):
    """What bootstrap puts together scores by an operator's own spec, within his limits."""
    file = spec_file('name = "plain"\nstructure_weight = 0')
    settings = Settings.read(
        {}, spec_files=str(file), spec="plain", max_items="3", workers="1", store="memory:"
    )
    sample = Sample("math", "<think>a</think><answer>$\\frac{1}{2}$</answer>", "0.5")

    async def start():
        async with open_container(settings) as container:
            assert all(part.ready for part in container.health().values())
            assert container.vital <= container.health().keys()
            assert container.limits.items == 3
            spec = container.specs[container.default_spec]
            return await container.scoring.score([sample], spec)

    [verdict] = asyncio.run(start())
    assert verdict.reward == 1.0
