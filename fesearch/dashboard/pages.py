"""The pages of the dashboard: addresses, and what a template makes of what they ask for."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bottle import Bottle, HTTPError, HTTPResponse, request

from fesearch import __version__
from fesearch.analysis import Analysis
from fesearch.bundlefiles import CARD
from fesearch.dashboard import contents
from fesearch.dashboard.guard import Environ
from fesearch.dashboard.pictures import Pictures
from fesearch.dashboard.series import series
from fesearch.dashboard.suggestions import Suggestions
from fesearch.errors import FesearchError, InputError, NoResultError, StudyNotFoundError
from fesearch.paths import dashboards
from fesearch.ranking.published import Publication
from fesearch.record import TrialState
from fesearch.report.models import exported, facts
from fesearch.report.templates import environment
from fesearch.store.glance import Pulse
from fesearch.store.results import Store
from fesearch.subject import ModelSubject, StudySubject, Subject

OPTUNA = ("dashboard", "api", "static", "csv", "artifacts", "favicon.ico")
"""First words of the addresses that optuna-dashboard has for itself."""
SCRIPT = Path("dashboard", "live.js")
FRESH_SECONDS = 2.0
"""For which what running studies say is said again, to however many visitors."""
MOST_KEPT = 256
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_HTML = "text/html; charset=utf-8"


class Pages:
    """All pages as one WSGI application; each request reads the store anew.

    Args:
        url: of the store.
        writable: optuna-dashboard may write.
        beside: published values, shown below the rankings they belong to.
        models: folders of exported models, which have a page each.

    Raises:
        InputError: one is no exported model, or was changed.
    """

    def __init__(
        self,
        url: str,
        writable: bool = False,
        beside: Publication | None = None,
        models: Sequence[str] = (),
    ) -> None:
        self._url = url
        self._beside = beside
        self._models = [exported(name) for name in models]
        self._templates = environment()
        self._templates.globals.update(version=__version__, writable=writable)
        self._pictures = Pictures()
        self._optuna = Suggestions(url, writable, self._failed)
        self._kept: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self._app = Bottle()
        self._app.default_error_handler = self._unknown
        study = "/studies/<identity:int>"
        routes: dict[str, Callable[..., Any]] = {
            "/": self.home,
            "/live": self.live,
            f"/{SCRIPT.name}": self.script,
            study: self.study,
            f"{study}/live": self.study_live,
            f"{study}/optuna": self.optuna,
            f"{study}/trials": self.trials,
            f"{study}/trials/<number:int>": self.trial,
            f"{study}/pictures/<name>": self.study_pictures,
            "/rankings/<digest>": self.ranking,
            "/rankings/<digest>/pictures/<name>": self.ranking_pictures,
            "/series/<digest>/pictures/<name>": self.series_pictures,
            "/models/<number:int>": self.model,
            "/models/<number:int>/pictures/<name>": self.model_pictures,
        }
        for path, answer in routes.items():
            self._app.route(path, "GET", partial(self._answer, answer))

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        first = environ.get("PATH_INFO", "").strip("/").partition("/")[0]
        answer: Callable[..., Iterable[bytes]] = self._optuna if first in OPTUNA else self._app
        return answer(environ, start)

    def close(self) -> None:
        """Begin no more pictures."""
        self._pictures.close()

    def home(self) -> HTTPResponse:
        """What is running, and what is best."""
        found = contents.home(self._url, self._beside)
        running = contents.running(self._url)
        return self._page("home", running=running, models=self._models, **found)

    def live(self) -> HTTPResponse:
        """The running studies, for a page that is open."""
        return self._renewed(lambda: self._text("running", running=contents.running(self._url)))

    def study(self, identity: int) -> HTTPResponse:
        """A study."""
        now = contents.progress(self._url, identity)
        return self._page("study", now=now, **contents.study(self._url, identity))

    def study_live(self, identity: int) -> HTTPResponse:
        """How a study stands, for a page that is open."""
        return self._renewed(
            lambda: self._text("progress", now=contents.progress(self._url, identity))
        )

    def optuna(self, identity: int) -> HTTPResponse:
        """On to the study in optuna-dashboard."""
        with Store.look(self._url) as store:
            name = store.study_of(identity).name
        place = f"/dashboard/studies/{self._optuna.number_of(name)}"
        return HTTPResponse(status=303, headers={"Location": place, **_HEADERS})

    def trials(self, identity: int) -> HTTPResponse:
        """The trials of a study, a page at a time."""
        page, state, order = (request.query.get(one, "") for one in ("page", "state", "order"))
        if page and not (page.isascii() and page.isdigit() and 0 < len(page) < 7 and int(page)):
            raise InputError("There is no such page.", "Pages are numbered from 1.")
        if state and state not in list(TrialState):
            raise InputError("No trial can be in that state.", f"States: {', '.join(TrialState)}.")
        chosen = TrialState(state) if state else None
        found = contents.trials(self._url, identity, int(page or 1), chosen, order == "best")
        return self._page("trials", state=state, order=order, states=list(TrialState), **found)

    def trial(self, identity: int, number: int) -> HTTPResponse:
        """One trial."""
        return self._page("trial", **contents.trial(self._url, identity, number))

    def ranking(self, digest: str) -> HTTPResponse:
        """All that is ranked under one key."""
        return self._page("ranking", **contents.ranked(self._url, digest, self._beside))

    def study_pictures(self, identity: int, name: str) -> HTTPResponse:
        """An analysis of a study: a page of its own, or a part of one that is open."""
        with Store.look(self._url) as store:
            row = store.study_of(identity)
        return self._analysis(contents.analysis(name), [row.name], row.name, f"/studies/{row.id}")

    def ranking_pictures(self, digest: str, name: str) -> HTTPResponse:
        """An analysis of the best studies of a ranking."""
        analysis, found = contents.analysis(name), contents.ranked(self._url, digest)
        title = f"{found['ranking']['data']}: {found['ranking']['key'].target}"
        return self._analysis(analysis, found["names"], title, f"/rankings/{digest}")

    def series_pictures(self, digest: str, name: str) -> HTTPResponse:
        """An analysis of studies on several divisions."""
        with Store.look(self._url) as store:
            every = series(store, store.studies())
        for one in every:
            if (one.digest, one.analysis.name) == (digest, name):
                place = f"/series/{digest}"
                return self._analysis(one.analysis, one.names, one.title, place, back="/")
        raise NoResultError("There are no such studies.", "Begin at the first page.")

    def model(self, number: int) -> HTTPResponse:
        """An exported model, as it is now."""
        found = exported(self._model(number))
        words = {"number": number, "model": found, "facts": facts(found.card)}
        return self._page("model", **words, analyses=contents.analyses("models"))

    def model_pictures(self, number: int, name: str) -> HTTPResponse:
        """An analysis of an exported model."""
        folder = self._model(number)
        try:
            pulse = (-number, str((Path(folder) / CARD).stat().st_mtime_ns))
        except OSError as error:
            raise InputError(
                f"The model in '{folder}' cannot be read any more: {error.strerror}.",
                "Put it back, or start the dashboard without it.",
            ) from None
        who = [ModelSubject(folder, Path(folder))]
        place = f"/models/{number}"
        return self._drawn(contents.analysis(name), [pulse], lambda: who, folder, place, place)

    def _model(self, number: int) -> str:
        if not 0 < number <= len(self._models):
            raise InputError("There is no such model.", "Type: fesearch dashboard --model DIR")
        return self._models[number - 1].name

    def script(self) -> HTTPResponse:
        """What renews parts of a page; pages can be read without it."""
        text = (dashboards() / SCRIPT).read_text("utf-8")
        kind = {"Content-Type": "text/javascript; charset=utf-8"}
        return HTTPResponse(text, headers={**_HEADERS, **kind})

    def _analysis(
        self, analysis: Analysis, names: Sequence[str], title: str, place: str, back: str = ""
    ) -> HTTPResponse:
        with Store.look(self._url) as store:
            pulses = [store.pulse(store.study(name)) for name in names]

        def who() -> list[StudySubject]:
            return [StudySubject(name, self._url) for name in names]

        return self._drawn(analysis, pulses, who, title, place, back or place)

    def _drawn(
        self,
        analysis: Analysis,
        pulses: Sequence[Pulse],
        who: Callable[[], Sequence[Subject]],
        title: str,
        place: str,
        back: str,
    ) -> HTTPResponse:
        found = self._pictures.get(analysis, pulses, who)
        words = {"analysis": analysis, "drawn": found, "title": title}
        words |= {"place": place, "back": back}
        part = request.query.get("part") == "1"
        text = self._text("pictures" if part else "analysis", **words)
        return self._response(text, 202 if found is None else 200)

    def _answer(self, callback: Callable[..., HTTPResponse], **given: Any) -> HTTPResponse:
        """What a page answers, or why it cannot."""
        try:
            return callback(**given)
        except (InputError, StudyNotFoundError, NoResultError) as error:
            return self._response(self._text("failure", error=error), 404)
        except FesearchError as error:
            return self._response(self._text("failure", error=error), 503)

    def _unknown(self, error: HTTPError) -> str:
        """An address that is none, or a fault of ours."""
        ours = error.status_code >= 500
        said = FesearchError(
            "This page failed." if ours else "There is no such page.",
            "The terminal of fesearch dashboard says more." if ours else "Begin at the first page.",
        )
        for name, value in {**_HEADERS, "Content-Type": _HTML}.items():
            error.set_header(name, value)
        return self._text("failure", error=said)

    def _failed(self, error: FesearchError, start: Callable[..., Any]) -> Iterable[bytes]:
        """The page in place of optuna-dashboard's."""
        text = self._text("failure", error=error).encode()
        length = ("Content-Length", str(len(text)))
        start("503 Service Unavailable", [*_HEADERS.items(), ("Content-Type", _HTML), length])
        return [text]

    def _page(self, name: str, **words: Any) -> HTTPResponse:
        return self._response(self._text(name, **words))

    def _renewed(self, make: Callable[[], str]) -> HTTPResponse:
        """A part of a page, made anew when it is two seconds old."""
        now = time.monotonic()
        with self._lock:
            at, text = self._kept.get(request.path, (0.0, ""))
        if not text or now - at > FRESH_SECONDS:
            text = make()
            with self._lock:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[request.path] = (now, text)
        return self._response(text)

    def _text(self, name: str, **words: Any) -> str:
        template = self._templates.get_template(f"dashboard/{name}.html.jinja")
        return template.render(snapshot=contents.snapshot(self._url), **words)

    def _response(self, text: str, status: int = 200) -> HTTPResponse:
        return HTTPResponse(text, status, headers={**_HEADERS, "Content-Type": _HTML})
