"""How it learns: recipes, batches, steps, and all that a checkpoint holds."""
