"""The live dashboard: a small server that shows the runs of one folder to the user of this machine. No torch here."""
