"""Diagnosis: from a recorded run to findings with cause, evidence and cures, or to the statement that there is none."""

from .panel import CHECKED, diagnose

__all__ = ["CHECKED", "diagnose"]
