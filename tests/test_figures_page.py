"""Figures in a page: nothing from elsewhere, each with a text for who cannot see it."""

import re
from html.parser import HTMLParser

from drawn import drawn, quick, small

from fesearch.figures import Sheet
from fesearch.figures.page import html
from fesearch.figures.style import FAINT, INK


class Parsed(HTMLParser):
    """The elements of a page: (tag, attributes)."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag


def test_a_page_needs_nothing_from_elsewhere() -> None:
    page = Parsed(drawn(".html"))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "metadata"}
    links = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("href", "xlink:href", "src", "action", "data")
    ]
    assert links
    assert all(link and link.startswith(("data:", "#")) for link in links)
    assert not re.search(rb"url\((?!#)|@import", drawn(".html"))


def test_every_reference_in_a_page_meets_one_element() -> None:
    content = drawn(".html").decode()
    ids = [
        attributes["id"]
        for _, attributes in Parsed(content.encode()).elements
        if "id" in attributes
    ]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', content)) <= set(ids)


def test_every_drawing_of_a_page_has_an_alternative_text_and_the_colours_of_the_page() -> None:
    content = drawn(".html")
    drawings = [attributes for tag, attributes in Parsed(content).elements if tag == "svg"]
    assert [drawing["aria-label"] for drawing in drawings] == [p.alt for p in small().panels]
    assert {drawing["role"] for drawing in drawings} == {"img"}
    body = content.decode().partition("<main>")[2]
    assert INK not in body
    assert FAINT not in body
    assert "fill: var(--ink)" in body
    assert "fill: var(--faint)" in body


def test_a_page_shows_what_it_is_told_as_text() -> None:
    odd = Sheet(title="<b>$x", lead="a & b", source="</footer>", panels=quick().panels)
    content = html(odd).decode()
    assert "<h1>&lt;b&gt;$x</h1>" in content
    assert "<p>a &amp; b</p>" in content
    assert "<p>&lt;/footer&gt;</p>" in content
