"""A browser opens the dashboard, finds a study and sees its trials."""

import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from playwright.sync_api import Browser, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",  # Chromium has none for root, as in a container
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
COMPLETE, PRUNED = TrialState.COMPLETE, TrialState.PRUNED
SCRIPT = [sys.executable, "-c", "from fesearch.cli.app import main; main()"]

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("CI") != "true",
    reason="there is no chromium here; type: make test-tools (or apt-get install chromium)",
)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where ``fesearch dashboard`` serves a study of four trials."""
    url = f"sqlite:///{tmp_path}/fesearch.db"
    storage = optuna.storages.RDBStorage(url)
    study = optuna.create_study(storage=storage, study_name="irnet-smoke")
    space = {"depth": optuna.distributions.IntDistribution(3, 48)}
    for depth, state in [(17, COMPLETE), (24, COMPLETE), (48, COMPLETE), (3, PRUNED)]:
        study.add_trial(
            optuna.create_trial(
                state=state,
                params={"depth": depth},
                distributions=space,
                value=1.0 / depth,
                intermediate_values={1: 1.0 / depth},
            )
        )
    storage.engine.dispose()

    command = [*SCRIPT, "dashboard", "--port", "0", "--storage", url]
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


@pytest.mark.slow
def test_opens_a_study_and_sees_its_trials(address: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(address)
    page.get_by_text("irnet-smoke").click()
    expect(page).to_have_url(re.compile(r"/dashboard/studies/1"))
    expect(page.get_by_text("irnet-smoke").first).to_be_visible()
    page.locator("a[href$='/studies/1/trials']").click()
    for number in range(4):
        expect(page.get_by_text(f"Trial {number}", exact=True).first).to_be_visible()
    expect(page.get_by_text("Pruned").first).to_be_visible()
    assert complaints == []

    for method, path in [("DELETE", "api/studies/1"), ("POST", "api/studies")]:
        request = urllib.request.Request(f"{address}{path}", data=b"", method=method)
        with pytest.raises(urllib.error.HTTPError, match="405") as refused:
            urllib.request.urlopen(request, timeout=10)
        refused.value.close()
    page.goto(address)
    expect(page.get_by_text("irnet-smoke")).to_be_visible()
