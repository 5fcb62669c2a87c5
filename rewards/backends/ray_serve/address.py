"""Where a model runs on Ray: `ray://HOST:PORT/APP` or `ray://auto/APP`, read and checked."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from rewards.errors import BadModel

SCHEME = "ray://"
LOCAL = "auto"
CLIENT_PORT = 10001
EXPECTED = f"expected {SCHEME}HOST:PORT/APP or {SCHEME}{LOCAL}/APP"


@dataclass(frozen=True, slots=True)
class RayAddress:
    """A cluster, as `ray.init` takes it, and the Serve application on it that holds the model.

    `auto` is the cluster that this machine is a node of; a host is asked through the port of its
    Ray Client server, 10001 unless another is named.

    >>> RayAddress.read("ray://10.0.0.1/polar")
    RayAddress(cluster='ray://10.0.0.1:10001', app='polar')
    >>> RayAddress.read("ray://auto/sam2").cluster
    'auto'
    """

    cluster: str
    app: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the one line an operator gives; raises `BadModel` saying what was expected."""
        # A password, which Ray does not take, would stand before it.
        shown = text.rpartition("@")[2]
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port or CLIENT_PORT
        except ValueError:
            raise BadModel(f"{EXPECTED}; got {shown!r}") from None
        app = parts.path.removeprefix("/")
        if f"{parts.scheme}://" != SCHEME or not host or not app or "/" in app:
            raise BadModel(f"{EXPECTED}; got {shown!r}")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise BadModel(f"{EXPECTED}; got {shown!r}")
        if host == LOCAL:
            return cls(LOCAL, app)
        return cls(f"{SCHEME}{f'[{host}]' if ':' in host else host}:{port}", app)

    def __str__(self) -> str:
        return f"{SCHEME}{self.cluster.removeprefix(SCHEME)}/{self.app}"
