"""One request and its answer by urllib3, within a time."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from trainer_client.config import ClientConfig
from trainer_client.steps import Lost, Reply, Send

PART_BYTES = 1 << 16
KEPT_CONNECTIONS = 64


def transmit(pool: urllib3.PoolManager, send: Send, config: ClientConfig) -> Reply | Lost:
    """Send a request and read the whole answer, all within `send.timeout_s`."""
    ends_at = time.monotonic() + send.timeout_s
    connect_s = min(config.connect_s, send.timeout_s)
    try:
        response = pool.request(
            send.method,
            config.url.rstrip("/") + send.path,
            body=_parts(send.body),
            headers={**config.request_headers(), **send.headers, **_length(send.body)},
            timeout=urllib3.Timeout(connect=connect_s, read=send.timeout_s),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        body = _read_all(response, ends_at)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return Lost(f"{type(error).__name__}: {error}")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status, headers, body)


def connections(config: ClientConfig) -> urllib3.PoolManager:
    """Return a pool of connections, through a proxy only where the settings trust its variable."""
    options: dict[str, Any] = {"maxsize": KEPT_CONNECTIONS, "ca_certs": config.ca_file}
    parts = urlsplit(config.url)
    proxy = getproxies().get(parts.scheme) if config.trust_env else None
    if proxy is None or proxy_bypass(parts.netloc):
        return urllib3.PoolManager(**options)
    return urllib3.ProxyManager(proxy, **options)


def _length(body: bytes | None) -> dict[str, str]:
    return {} if body is None else {"Content-Length": str(len(body))}


def _parts(body: bytes | None) -> Iterator[bytes] | None:
    # Sent in one piece, a large body would have to pass within the connect timeout.
    if body is None:
        return None
    return (body[at : at + PART_BYTES] for at in range(0, len(body), PART_BYTES))


def _read_all(response: urllib3.BaseHTTPResponse, ends_at: float) -> bytes:
    # The socket's timeout is for each read; an answer that drips must end as well.
    parts = []
    while part := response.read1(PART_BYTES):
        parts.append(part)
        if time.monotonic() > ends_at:
            response.close()
            raise TimeoutError("the answer did not end in time")
    response.release_conn()
    return b"".join(parts)
