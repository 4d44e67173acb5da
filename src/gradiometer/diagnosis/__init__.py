"""Diagnosis: from a recorded run to findings with cause, evidence and cures, or to the statement that none was found."""

from .panel import CHECKED, diagnose

__all__ = ["CHECKED", "diagnose"]
