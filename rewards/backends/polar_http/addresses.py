"""Which model servers there are: `http+vllm://host:port,host:port/MODEL`, read and checked."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from rewards.backends.polar_http.dialects import DIALECTS, Dialect
from rewards.errors import BadModel

DEFAULT_MODEL = "POLAR-7B"
SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Servers of one dialect that hold the same model.

    >>> found = Addresses.read("http+sglang://10.0.0.1:30000,10.0.0.2:30000/POLAR-1_8B")
    >>> found.bases
    ('http://10.0.0.1:30000', 'http://10.0.0.2:30000')
    >>> found.dialect.name, found.model
    ('sglang', 'POLAR-1_8B')
    """

    dialect: Dialect
    bases: tuple[str, ...]
    model: str = DEFAULT_MODEL

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the one line an operator gives; raises `BadModel` saying what was expected."""
        # A password, which no server here takes, would stand before it.
        shown = text.rpartition("@")[2]
        scheme, found, rest = text.partition("://")
        transport, plus, name = scheme.partition("+")
        if not found or not plus or transport not in SCHEMES or name not in DIALECTS:
            allowed = ", ".join(f"http+{name}://" for name in DIALECTS)
            raise BadModel(f"expected an address that begins with {allowed}; got {shown!r}")
        hosts, _, model = rest.partition("/")
        bases = tuple(_base(transport, host) for host in hosts.split(","))
        if len(set(bases)) < len(bases):
            raise BadModel(f"expected every address once; got {shown!r}")
        return cls(DIALECTS[name], bases, model.strip("/") or DEFAULT_MODEL)


def _base(transport: str, host: str) -> str:
    try:
        parts = urlsplit(f"{transport}://{host.strip()}")
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named or "@" in host or parts.query or parts.fragment:
        raise BadModel(f"expected host:port and no user, got {host.rpartition('@')[2]!r}")
    return f"{transport}://{parts.netloc}"
