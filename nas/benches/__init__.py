"""How the search itself does: its cost, what it finds, how far off its predictions are."""
