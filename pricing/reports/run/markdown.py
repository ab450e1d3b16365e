"""A run's report as Markdown: for Prefect's artifact and for ``.farebox/reports/<run>.md``."""

from __future__ import annotations

from pathlib import Path

from pricing.money import format_money
from pricing.reports import sentences
from pricing.reports.cache_drops import drop_sentence
from pricing.reports.format import amount, count, duration, moment, percent, plural
from pricing.reports.markdown_text import escape_markdown
from pricing.reports.run.data import RunReport
from pricing.templates import template_environment

MOST = 100
"""Turns listed in the file: Prefect keeps artifacts in its database."""

_TEMPLATES = Path(__file__).parent / "templates"


def render_markdown(report: RunReport) -> str:
    """The report as GitHub-flavoured Markdown. Every value is escaped: none of them makes a cell, a link or HTML."""
    environment = template_environment(
        _TEMPLATES,
        escape=escape_markdown,
        filters={
            "money": format_money,
            "duration": duration,
            "percent": percent,
            "count": count,
            "amount": amount,
            "moment": moment,
        },
    )
    return environment.get_template("run.md.j2").render(
        report=report, turns=report.turns[:MOST], sentences=sentences, plural=plural, drop_sentence=drop_sentence
    )
