"""How long programs take: predicted, and timed whole."""
