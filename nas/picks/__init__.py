"""From an architecture that was picked to the packed file that is handed over."""
