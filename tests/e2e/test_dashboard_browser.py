"""A browser clicks through the dashboard, on a desk and on a phone, and on to Optuna's."""

import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

import optuna
import pytest
import searched
from playwright.sync_api import Browser, Page, expect, sync_playwright

from fesearch.dashboard.connections import QuietHandler
from fesearch.dashboard.guard import Application, Environ, Guard
from fesearch.export import export
from fesearch.holdout import holdout
from fesearch.joint import holdout_ensemble

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",  # Chromium has none for root, as in a container
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
SCRIPT = [sys.executable, "-c", "from fesearch.cli.app import main; main()"]

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("CI") != "true",
    reason="there is no chromium here; type: make test-tools (or apt-get install chromium)",
)


@pytest.fixture
def address(studies: str) -> Iterator[str]:
    """Where ``fesearch dashboard`` serves three studies, one of which Optuna knows too."""
    storage = optuna.storages.RDBStorage(studies)
    study = optuna.create_study(storage=storage, study_name="nets")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    storage.engine.dispose()

    with dashboard("--storage", studies) as found:
        yield found


@contextmanager
def dashboard(*words: str) -> Iterator[str]:
    """Where ``fesearch dashboard`` serves."""
    command = [*SCRIPT, "dashboard", "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found
            yield found.group()
        finally:
            server.terminate()


@pytest.fixture
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "CI=true wants the browser test: type make test-tools"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def visits(browser: Browser, address: str) -> Iterator[tuple[Page, Callable[[], None]]]:
    """The first page on a desk and on a phone, and what asserts that a page fits there.

    No page complains in the console, or asks for anything elsewhere.
    """
    for width, scheme in ((1280, "light"), (390, "dark")):
        page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
        complaints: list[str] = []
        page.on("console", lambda m, into=complaints: into.append(m.text))
        page.on("pageerror", lambda error, into=complaints: into.append(str(error)))
        page.on(
            "request",
            lambda r, into=complaints: r.url.startswith((address, "data:")) or into.append(r.url),
        )

        def fits(page: Page = page, width: int = width) -> None:
            assert page.evaluate("document.documentElement.scrollWidth") == width, page.url

        page.goto(address)
        yield page, fits
        assert complaints == []
        page.close()


@pytest.mark.slow
def test_every_page_can_be_clicked_to_and_fits(address: str, browser: Browser) -> None:
    for page, fits in visits(browser, address):
        fits()
        page.locator("#studies").get_by_role("link", name="nets").click()
        expect(page.get_by_role("heading", name="nets")).to_be_visible()
        page.locator("#rungs").scroll_into_view_if_needed()
        expect(page.locator("#rungs svg").first).to_be_visible(timeout=40_000)
        fits()
        page.get_by_role("link", name="All trials").first.click()
        page.get_by_role("link", name="the best first").click()
        fits()
        page.locator("td a").first.click()
        expect(page.get_by_role("heading", name="Trial 0")).to_be_visible()
        expect(page.get_by_text("what happened")).to_be_visible()
        fits()
        page.get_by_role("link", name="nets").click()
        page.get_by_role("link", name="Its ranking").click()
        expect(page.get_by_text("Pictures are of the 2 best studies")).to_be_visible()
        fits()


@pytest.fixture
def compared(studies: str, tmp_path: Path) -> Iterator[str]:
    """Where folds, an ensemble, published values and exported models are served."""
    for fold in (0, 1):
        split = f"kfold:k=2,member={fold}"
        searched.search(
            studies, f"fold{fold}", "random_forest", [searched.SMALL_FOREST], split=split
        )
        holdout(f"fold{fold}", studies)
    holdout("fold0", studies, over="members")
    holdout("forests", studies)
    holdout_ensemble(["nets", "forests"], studies, 4)
    export("forests", studies, tmp_path / "one model")
    searched.search(
        studies, "fractions", "random_forest", [searched.SMALL_FOREST], preset="full",
        features="element_fractions+magpie",
    )  # fmt: skip
    export("nets", studies, tmp_path / "both", ensemble=8, others=["fractions"])
    values = tmp_path / "values.csv"
    values.write_text('name,test_mae,source\nA network of others,0.05,"A long name, 2020"\n')
    models = [word for name in ("one model", "both") for word in ("--model", str(tmp_path / name))]
    with dashboard("--storage", studies, "--beside", str(values), *models) as found:
        yield found


@pytest.mark.slow
def test_folds_ensembles_published_values_and_models_can_be_clicked_to_and_fit(
    compared: str, browser: Browser
) -> None:
    for page, fits in visits(browser, compared):
        expect(page.get_by_role("heading", name="Over repeated divisions")).to_be_visible()
        repeated = page.locator("#repeated")
        expect(repeated.get_by_text("2 divisions; looks at their test parts")).to_be_visible()
        expect(repeated.get_by_text("A network of others")).to_be_visible()
        fits()
        repeated.get_by_role("link", name="fold0").first.click()
        expect(page.get_by_role("heading", name="fold0")).to_be_visible()
        expect(page.locator("dd", has_text="kfold:k=2")).to_be_visible()
        shown(page, "parity", "Test rows, with a look on record at this model.")
        fits()
        page.get_by_role("link", name="Its ranking").click()
        expect(page.get_by_text("A network of others")).to_be_visible()
        fits()

        page.goto(compared)
        page.locator("#studies").get_by_role("link", name="forests").click()
        page.get_by_role("link", name="Its ranking").click()
        expect(
            page.get_by_text("Ensembles stand last: picked on the rows that validate")
        ).to_be_visible()
        expect(page.get_by_text("A network of others")).to_be_visible()
        shown(page, "errors", "Test rows, with a look on record at this model.")
        shown(page, "errors", "Validation rows; of the test rows not all of these models")
        fits()

        for name, part in (("one model", "Test"), ("both", "Validation")):
            page.goto(compared)
            page.locator("#models").get_by_role("link", name=name).click()
            expect(page.get_by_text(f"{part} MAE of")).to_be_visible()
            shown(page, "elements", f"{part} rows")
            fits()


def shown(page: Page, analysis: str, said: str) -> None:
    """Scroll to an analysis, and see its pictures and of which rows they are."""
    place = page.locator(f"#{analysis}")
    place.scroll_into_view_if_needed()
    expect(place.locator("svg").first).to_be_visible(timeout=40_000)
    expect(place.get_by_text(said).first).to_be_visible()


@pytest.mark.slow
def test_optunas_pages_work_in_it_and_change_nothing(address: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.locator("#studies").get_by_role("link", name="nets").click()
    page.get_by_role("link", name="In Optuna's dashboard").click()
    expect(page).to_have_url(re.compile(r"/dashboard/studies/1"))
    expect(page.get_by_text("nets").first).to_be_visible(timeout=30_000)  # a large script
    page.locator("a[href$='/studies/1/trials']").click()
    expect(page.get_by_text("Trial 1", exact=True).first).to_be_visible(timeout=30_000)
    assert complaints == []
    for method, path in [("DELETE", "api/studies/1"), ("POST", "api/studies")]:
        request = urllib.request.Request(f"{address}{path}", data=b"", method=method)
        with pytest.raises(urllib.error.HTTPError, match="405") as refused:
            urllib.request.urlopen(request, timeout=10)
        refused.value.close()


@contextmanager
def served(application: Application) -> Iterator[int]:
    """The port at which an application answers."""
    with make_server("127.0.0.1", 0, application, handler_class=QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_the_address_with_the_token_may_be_a_link_on_another_site(browser: Browser) -> None:
    def page_of(body: str) -> Application:
        def answer(environ: Environ, start: Callable[..., Any]) -> list[bytes]:
            start("200 OK", [("Content-Type", "text/html")])
            return [body.encode()]

        return answer

    with served(Guard(page_of("let in"), "secret")) as inside:
        link = f'<a href="http://127.0.0.1:{inside}/?token=secret">dashboard</a>'
        with served(page_of(link)) as outside:
            page = browser.new_page()
            page.goto(f"http://localhost:{outside}/")  # to a browser another site than 127.0.0.1
            page.get_by_role("link", name="dashboard").click()
            expect(page.get_by_text("let in")).to_be_visible()
            page.close()
