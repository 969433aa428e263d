"""What can be searched: architectures, spaces, backbones, plans, costs. Pure data."""
