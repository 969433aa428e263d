"""The phases of a search, each of which leaves files in the run's folder."""
