"""How well a number ranks architectures, held against training them alone."""
