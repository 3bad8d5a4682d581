"""A browser opens a report: phone and desk, dark and light, paper; silent and nothing cut off."""

import os
import shutil
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import sync_playwright

from fesearch.cli.app import run
from fesearch.export import export
from fesearch.holdout import holdout

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage"]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None and os.environ.get("CI") != "true",
        reason="there is no chromium here; type: make test-tools (or apt-get install chromium)",
    ),
]


def test_the_page_fits_everywhere_and_is_silent(studies: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    holdout("forests", studies)
    model = tmp_path / "an exported model"
    export("forests", studies, model)
    assert run(["report", "forests", "nets", str(model), "--to", str(path)]) == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for width in (390, 1280):
            for scheme in SCHEMES:
                page = browser.new_page(
                    viewport={"width": width, "height": 844}, color_scheme=scheme
                )
                heard: list[str] = []
                page.on("console", lambda message, heard=heard: heard.append(message.text))
                page.on("request", lambda request, heard=heard: heard.append(request.url))
                page.goto(path.as_uri())
                assert [said for said in heard if not said.startswith("data:")] == [path.as_uri()]
                assert page.evaluate("document.documentElement.scrollWidth") == width
                page.get_by_text("Numbers", exact=True).first.click()
                assert page.get_by_text("Behind the pictures").first.is_visible()
                assert page.evaluate(
                    "[...document.querySelectorAll('caption')]"
                    ".every(one => one.getBoundingClientRect().right <= innerWidth)"
                )
                colours = page.evaluate(
                    "[...['body', '.narrow svg text']].map(s => document.querySelector(s))"
                    ".map(e => getComputedStyle(e)).map((c, i) => i ? c.fill : c.backgroundColor)"
                )
                paper, ink = (sum(map(int, text[4:-1].split(", "))) for text in colours)
                assert abs(paper - ink) > 500
                assert (paper < 100) == (scheme == "dark")
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 794, "height": 1123})
        assert page.evaluate("document.documentElement.scrollWidth") == 794
        assert page.get_by_text('split = "random').last.is_visible()  # settings are on paper too
        browser.close()
