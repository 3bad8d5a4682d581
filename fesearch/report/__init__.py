"""A page on studies that needs nothing else: what was found, how sure it is, how to repeat it."""

from fesearch.report.again import rewrite
from fesearch.report.contents import Report, collect
from fesearch.report.page import render, write, write_figures
from fesearch.report.sections import Section

__all__ = ["Report", "Section", "collect", "render", "rewrite", "write", "write_figures"]
