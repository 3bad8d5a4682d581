"""A sheet as one HTML page that needs nothing else: no network, no script."""

import re
from html import escape
from importlib.resources import files
from string import Template

from fesearch.figures.layout import columns
from fesearch.figures.render import panel_svg
from fesearch.figures.sheet import Panel, Sheet
from fesearch.figures.style import FAINT, INK

_ID = re.compile(r'(\bid="|href="#|url\(#)')


def html(sheet: Sheet) -> bytes:
    """The page: for dark and light screens, phones and paper; each panel an SVG with its text."""
    template = Template(files("fesearch.figures").joinpath("page.html").read_text("utf-8"))
    figures = [_figure(panel, number) for number, panel in enumerate(sheet.panels, start=1)]
    return template.substitute(
        title=escape(sheet.title),
        lead=escape(sheet.lead),
        source=escape(sheet.source),
        columns=columns(sheet.panels),
        figures="\n".join(figures),
    ).encode()


def _figure(panel: Panel, number: int) -> str:
    """A panel with its caption; one that is wide can be scrolled on a phone, by keys too."""
    name = escape(panel.title)
    scrolled = f' tabindex="0" role="region" aria-label="{name}"' if panel.wide else ""
    return (
        f'<figure class="{"wide" if panel.wide else "narrow"}">\n'
        f"<figcaption><h2>{name}</h2><p>{escape(panel.note)}</p></figcaption>\n"
        f'<div class="drawing"{scrolled}>\n{inline_svg(panel, f"panel{number}")}</div>\n</figure>'
    )


def inline_svg(panel: Panel, prefix: str) -> str:
    """The panel's SVG element, in the colours of the page and with names of its own in it.

    Args:
        prefix: of these names, letters and digits; no two elements of a page have the same.
    """
    text = panel_svg(panel)
    text = text[text.index("<svg") :]
    text = _ID.sub(rf"\g<1>{prefix}-", text)
    text = text.replace(INK, "var(--ink)").replace(FAINT, "var(--faint)")
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(panel.alt)}"', 1)
