"""Who may ask what of the dashboard: to look, unless it is open for writing, and if they may."""

import hmac
import ipaddress
import re
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qs, urlsplit

Environ: TypeAlias = dict[str, Any]
Application: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

COOKIE = "fesearch-token"
LONGEST_BODY = 1 << 20
"""Bytes of a request that writes; a note on a trial has a few thousand."""
_LOOKING = ("GET", "HEAD")
_WRITING = ("POST", "PUT", "DELETE")


class Refusal(NamedTuple):
    """An answer other than the page asked for."""

    status: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()


class Guard:
    """Lets a WSGI request through to ``application`` if it only looks, and may.

    Args:
        application: what answers the requests let through.
        token: asked for once in the address, then kept in a cookie. Without one, requests must
            name a loopback host, since a web page elsewhere could point its own name here.
        writable: requests that write are let through too, except those that another web page
            makes the visitor's browser send.
    """

    def __init__(
        self, application: Application, token: str | None = None, writable: bool = False
    ) -> None:
        self._application = application
        self._token = token
        self._writable = writable

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        refusal = (
            self._method(environ)
            or _body(environ)
            or (self._without_token(environ) if self._token else _foreign_host(environ))
        )
        if refusal is None:
            return self._application(environ, start)
        text = f"{refusal.text}\n".encode()
        length = ("Content-Length", str(len(text)))
        start(refusal.status, [("Content-Type", "text/plain"), length, *refusal.headers])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]

    def _method(self, environ: Environ) -> Refusal | None:
        method = environ["REQUEST_METHOD"]
        if method in _LOOKING:
            return None
        if self._writable and method in _WRITING:
            return _from_elsewhere(environ)
        allowed = ", ".join((*_LOOKING, *_WRITING) if self._writable else _LOOKING)
        text = "No such method." if self._writable else "This dashboard is read-only."
        return Refusal("405 Method Not Allowed", text, (("Allow", allowed),))

    def _without_token(self, environ: Environ) -> Refusal | None:
        typed = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
        if self._is_token(typed):
            # Lax: a Strict one would not come with who follows a link in a mail or a chat
            kept = f"{_cookie(environ)}={typed}; Path=/; HttpOnly; SameSite=Lax"
            return Refusal("303 See Other", "Welcome.", (("Location", "/"), ("Set-Cookie", kept)))
        try:
            morsel = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(_cookie(environ))
        except CookieError:
            morsel = None
        if morsel is not None and self._is_token(morsel.value):
            return None
        return Refusal("403 Forbidden", "Open the address with ?token= that fesearch printed.")

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(given.encode(), self._token.encode())


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _cookie(environ: Environ) -> str:
    """What the cookie is called at the port that the browser knows, behind a tunnel not ours.

    Browsers send the cookies of a host to all of its ports: under one name two dashboards would log
    out each other's visitors.
    """
    port = re.search(r":([0-9]+)$", environ.get("HTTP_HOST", ""))
    return f"{COOKIE}-{port[1]}" if port else COOKIE


def _body(environ: Environ) -> Refusal | None:
    length = environ.get("CONTENT_LENGTH") or "0"
    if environ["REQUEST_METHOD"] in _LOOKING:
        if length != "0" or "HTTP_TRANSFER_ENCODING" in environ:
            return Refusal("413 Content Too Large", "A request to look has no body.")
    elif "HTTP_TRANSFER_ENCODING" in environ or not re.fullmatch(r"[0-9]+", length):
        return Refusal("411 Length Required", "Say in Content-Length how long the body is.")
    elif len(length) > len(str(LONGEST_BODY)) or int(length) > LONGEST_BODY:
        return Refusal("413 Content Too Large", f"A body has at most {LONGEST_BODY} bytes.")
    return None


def _from_elsewhere(environ: Environ) -> Refusal | None:
    """A browser says where a page that writes is from; programs that are none say nothing."""
    origin, host = environ.get("HTTP_ORIGIN"), environ.get("HTTP_HOST", "")
    site = environ.get("HTTP_SEC_FETCH_SITE", "same-origin")
    if site in ("same-origin", "none") and (origin is None or urlsplit(origin).netloc == host):
        return None
    return Refusal("403 Forbidden", "Another web page may not write here.")


def _foreign_host(environ: Environ) -> Refusal | None:
    host = re.sub(r":\d+$", "", environ.get("HTTP_HOST", "")).strip("[]")
    if is_loopback(host):
        return None
    return Refusal("403 Forbidden", "This dashboard answers to localhost only.")
