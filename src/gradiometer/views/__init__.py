"""Figures as data, then text and HTML. Everything a person reads is made here."""

from .experiment import ToldExperiment, ToldRow, ToldTable
from .figures import Axis, Figure, Mark, Series
from .html import html_page
from .html_experiment import experiments_page
from .html_trial import trial_html
from .listing import LiveStatus, RunRow, live_line, runs_table
from .signals import Pictures, pictures
from .style import Style
from .svg import text_svg
from .text import text_page
from .text_compare import ComparedRuns, Named, compare_page, compared_runs
from .text_experiment import experiment_page, experiments_summary
from .text_trial import text_note, trial_page

__all__ = [
    "Axis",
    "ComparedRuns",
    "Figure",
    "LiveStatus",
    "Mark",
    "Named",
    "Pictures",
    "RunRow",
    "Series",
    "Style",
    "ToldExperiment",
    "ToldRow",
    "ToldTable",
    "compare_page",
    "compared_runs",
    "experiment_page",
    "experiments_page",
    "experiments_summary",
    "html_page",
    "live_line",
    "pictures",
    "runs_table",
    "text_note",
    "text_page",
    "text_svg",
    "trial_html",
    "trial_page",
]
