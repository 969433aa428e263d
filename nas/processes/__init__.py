"""Work shared among processes: Ray, quiet, and what is seen of them."""
