"""The rules of the panel, one a file: each reads one model of a run and says what it found."""
