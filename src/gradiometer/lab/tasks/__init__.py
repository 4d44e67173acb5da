"""Tasks: data with real splits, and the score of the best constant prediction."""
