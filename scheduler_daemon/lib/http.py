"""The one maker of HTTP sessions."""

from typing import TYPE_CHECKING

from .. import __version__

if TYPE_CHECKING:
    import requests

USER_AGENT = f"scheduler-daemon/{__version__}"


def open_http(proxy: str | None = None, ca_file: str | None = None) -> "requests.Session":
    """
    Return a session that obeys only what it is told.

    It reads no proxy, certificate or ``.netrc`` from the environment; the caller passes ``allow_redirects=False`` and
    a time limit with each call, because a redirect would carry the token to another host. One session per thread.
    """
    import requests

    from .http_limit import TimedAdapter

    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, TimedAdapter())
    session.trust_env = False
    session.headers["User-Agent"] = USER_AGENT
    if proxy:
        session.proxies = {"http": proxy, "https": proxy}
    if ca_file:
        session.verify = ca_file
    return session
