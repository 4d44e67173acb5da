"""Trials of cures: designed, run, judged. No torch before a training is run."""
