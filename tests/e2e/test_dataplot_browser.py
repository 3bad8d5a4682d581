"""A browser opens the page that ``fesearch data plot`` writes: dark and light, phone and paper."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from fesearch.cli.app import run

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",  # Chromium has none for root, as in a container
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PHONE, DESK, PAPER = 390, 1300, 794  # pixels across

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None and os.environ.get("CI") != "true",
        reason="there is no chromium here; type: make test-tools (or apt-get install chromium)",
    ),
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("figures") / "miedema.html"
    assert run(["data", "plot", "miedema", "--to", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "CI=true wants the browser test: type make test-tools"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def opened(browser: Browser, path: Path, width: int, scheme: Literal["light", "dark"]) -> Page:
    """The page, which asked for nothing but itself and complained of nothing."""
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(path.as_uri())
    assert [said for said in heard if not said.startswith("data:")] == [path.as_uri()]
    return page


def brightness(page: Page, selector: str, what: str) -> int:
    """Sum of red, green and blue of an element, 0 to 765."""
    colour: list[int] = page.evaluate(
        "([selector, what]) => getComputedStyle(document.querySelector(selector))[what]"
        ".match(/[0-9]+/g).slice(0, 3).map(Number)",
        [selector, what],
    )
    return sum(colour)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_fits_and_is_silent(
    drawn: Path, browser: Browser, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = opened(browser, drawn, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    expect(page.get_by_role("heading", name="Elements", exact=True)).to_be_visible()
    expect(page.get_by_role("img")).to_have_count(4)
    paper = brightness(page, "body", "backgroundColor")
    words = [brightness(page, "body", "color"), brightness(page, ".narrow svg text", "fill")]
    assert all(abs(ink - paper) > 500 for ink in words)
    assert (paper < 100) == (scheme == "dark")


def test_the_table_can_be_scrolled_on_a_phone_by_keys_and_its_text_is_text(
    drawn: Path, browser: Browser
) -> None:
    page = opened(browser, drawn, PHONE, "light")
    table = page.get_by_role("region", name="Elements")
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.wide .drawing').scrollLeft > 0")
    assert "Gd" in table.locator("text").all_text_contents()
    height = table.locator("text", has_text="Gd").evaluate("t => t.getBoundingClientRect().height")
    assert height > 10


def test_on_paper_it_is_black_on_white_and_nothing_is_cut_off(
    drawn: Path, browser: Browser
) -> None:
    page = opened(browser, drawn, PAPER, "dark")
    page.emulate_media(media="print")
    assert brightness(page, "body", "backgroundColor") == 765
    assert brightness(page, "body", "color") < 100
    for number in range(4):
        box = page.locator("svg").nth(number).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PAPER
