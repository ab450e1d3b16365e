"""Reports: what runs cost, where it went and how that compares to their quotes; read from the replica alone."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports
from pricing.reports.overview.report import overview

if TYPE_CHECKING:
    from pricing.reports.breakdowns import BY, Breakdown, breakdown
    from pricing.reports.cache_drops import drop_sentence, find_cache_drops
    from pricing.reports.chargeback import (
        ChargebackStatement,
        chargeback_statement,
        read_statement,
        statement_csv,
        statement_grids,
        statement_page,
        statement_sentences,
    )
    from pricing.reports.drift import CostTrend, cost_changes, cost_trends
    from pricing.reports.economics import EconomicSigns, signs
    from pricing.reports.escaping import escape_advice, escape_markdown, markdown_code
    from pricing.reports.exports import export
    from pricing.reports.focus import FocusRates, write_focus
    from pricing.reports.format import clean, duration, moment, percent, plural
    from pricing.reports.guards import (
        GuardLine,
        GuardReport,
        JudgedAnswer,
        Reviewable,
        guard_report,
        judged_answers,
        review_queue,
    )
    from pricing.reports.month_close import (
        MonthFigures,
        month_bounds,
        month_figures,
        month_grids,
        month_sentences,
        read_figures,
    )
    from pricing.reports.month_forecast import Moment, SpendForecast, spend_forecast
    from pricing.reports.month_forecast_audit import (
        AUDIT_DAYS,
        ForecastCoverage,
        audit_grid,
        audit_sentences,
        forecast_audit,
    )
    from pricing.reports.month_forecast_page import (
        budget_grid,
        forecast_page,
        forecast_rows,
        forecast_sentences,
        line_grid,
    )
    from pricing.reports.overview.data import Overview
    from pricing.reports.page import Figure, Page, Section, render_page
    from pricing.reports.past_sales import PastSales, sales
    from pricing.reports.price_review import review_markdown
    from pricing.reports.query import Row
    from pricing.reports.quote_audit import ENOUGH, QuoteAudit, Share, quote_audits
    from pricing.reports.quoted_path import QuotedPath, quoted_paths
    from pricing.reports.render import render_html, render_terminal
    from pricing.reports.repricing import TargetRates, at_rates
    from pricing.reports.run.data import RunReport
    from pricing.reports.run.markdown import render_markdown
    from pricing.reports.run.report import run_report
    from pricing.reports.run_list import RunLine, runs
    from pricing.reports.run_lookup import automations
    from pricing.reports.selection import Choice
    from pricing.reports.targets import TargetHealth, target_health
    from pricing.reports.volume import asked_turns

__all__ = [
    "AUDIT_DAYS",
    "BY",
    "ENOUGH",
    "Breakdown",
    "ChargebackStatement",
    "Choice",
    "CostTrend",
    "EconomicSigns",
    "Figure",
    "FocusRates",
    "ForecastCoverage",
    "GuardLine",
    "GuardReport",
    "JudgedAnswer",
    "Moment",
    "MonthFigures",
    "Overview",
    "Page",
    "PastSales",
    "QuoteAudit",
    "QuotedPath",
    "Reviewable",
    "Row",
    "RunLine",
    "RunReport",
    "Section",
    "Share",
    "SpendForecast",
    "TargetHealth",
    "TargetRates",
    "asked_turns",
    "at_rates",
    "audit_grid",
    "audit_sentences",
    "automations",
    "breakdown",
    "budget_grid",
    "chargeback_statement",
    "clean",
    "cost_changes",
    "cost_trends",
    "drop_sentence",
    "duration",
    "escape_advice",
    "escape_markdown",
    "export",
    "find_cache_drops",
    "forecast_audit",
    "forecast_page",
    "forecast_rows",
    "forecast_sentences",
    "guard_report",
    "judged_answers",
    "line_grid",
    "markdown_code",
    "moment",
    "month_bounds",
    "month_figures",
    "month_grids",
    "month_sentences",
    "overview",
    "percent",
    "plural",
    "quote_audits",
    "quoted_paths",
    "read_figures",
    "read_statement",
    "render_html",
    "render_markdown",
    "render_page",
    "render_terminal",
    "review_markdown",
    "review_queue",
    "run_report",
    "runs",
    "sales",
    "signs",
    "spend_forecast",
    "statement_csv",
    "statement_grids",
    "statement_page",
    "statement_sentences",
    "target_health",
    "write_focus",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "find_cache_drops": "pricing.reports.cache_drops",
            "drop_sentence": "pricing.reports.cache_drops",
            "ChargebackStatement": "pricing.reports.chargeback",
            "chargeback_statement": "pricing.reports.chargeback",
            "read_statement": "pricing.reports.chargeback",
            "statement_csv": "pricing.reports.chargeback",
            "statement_grids": "pricing.reports.chargeback",
            "statement_page": "pricing.reports.chargeback",
            "statement_sentences": "pricing.reports.chargeback",
            "AUDIT_DAYS": "pricing.reports.month_forecast_audit",
            "ForecastCoverage": "pricing.reports.month_forecast_audit",
            "audit_grid": "pricing.reports.month_forecast_audit",
            "audit_sentences": "pricing.reports.month_forecast_audit",
            "forecast_audit": "pricing.reports.month_forecast_audit",
            "MonthFigures": "pricing.reports.month_close",
            "month_bounds": "pricing.reports.month_close",
            "month_figures": "pricing.reports.month_close",
            "month_grids": "pricing.reports.month_close",
            "month_sentences": "pricing.reports.month_close",
            "read_figures": "pricing.reports.month_close",
            "FocusRates": "pricing.reports.focus",
            "write_focus": "pricing.reports.focus",
            "Moment": "pricing.reports.month_forecast",
            "SpendForecast": "pricing.reports.month_forecast",
            "spend_forecast": "pricing.reports.month_forecast",
            "budget_grid": "pricing.reports.month_forecast_page",
            "forecast_page": "pricing.reports.month_forecast_page",
            "forecast_rows": "pricing.reports.month_forecast_page",
            "forecast_sentences": "pricing.reports.month_forecast_page",
            "line_grid": "pricing.reports.month_forecast_page",
            "BY": "pricing.reports.breakdowns",
            "Breakdown": "pricing.reports.breakdowns",
            "Choice": "pricing.reports.selection",
            "ENOUGH": "pricing.reports.quote_audit",
            "EconomicSigns": "pricing.reports.economics",
            "Figure": "pricing.reports.page",
            "GuardLine": "pricing.reports.guards",
            "GuardReport": "pricing.reports.guards",
            "JudgedAnswer": "pricing.reports.guards",
            "Overview": "pricing.reports.overview.data",
            "Page": "pricing.reports.page",
            "QuoteAudit": "pricing.reports.quote_audit",
            "QuotedPath": "pricing.reports.quoted_path",
            "Reviewable": "pricing.reports.guards",
            "Row": "pricing.reports.query",
            "RunLine": "pricing.reports.run_list",
            "RunReport": "pricing.reports.run.data",
            "Section": "pricing.reports.page",
            "Share": "pricing.reports.quote_audit",
            "TargetHealth": "pricing.reports.targets",
            "TargetRates": "pricing.reports.repricing",
            "asked_turns": "pricing.reports.volume",
            "at_rates": "pricing.reports.repricing",
            "automations": "pricing.reports.run_lookup",
            "breakdown": "pricing.reports.breakdowns",
            "clean": "pricing.reports.format",
            "duration": "pricing.reports.format",
            "escape_advice": "pricing.reports.escaping",
            "escape_markdown": "pricing.reports.escaping",
            "export": "pricing.reports.exports",
            "guard_report": "pricing.reports.guards",
            "judged_answers": "pricing.reports.guards",
            "markdown_code": "pricing.reports.escaping",
            "moment": "pricing.reports.format",
            "percent": "pricing.reports.format",
            "plural": "pricing.reports.format",
            "quote_audits": "pricing.reports.quote_audit",
            "quoted_paths": "pricing.reports.quoted_path",
            "render_html": "pricing.reports.render",
            "render_markdown": "pricing.reports.run.markdown",
            "render_page": "pricing.reports.page",
            "render_terminal": "pricing.reports.render",
            "review_markdown": "pricing.reports.price_review",
            "review_queue": "pricing.reports.guards",
            "run_report": "pricing.reports.run.report",
            "runs": "pricing.reports.run_list",
            "PastSales": "pricing.reports.past_sales",
            "sales": "pricing.reports.past_sales",
            "CostTrend": "pricing.reports.drift",
            "cost_changes": "pricing.reports.drift",
            "cost_trends": "pricing.reports.drift",
            "signs": "pricing.reports.economics",
            "target_health": "pricing.reports.targets",
        },
    )
