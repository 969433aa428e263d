"""What learns: layers, binarizers, networks made from plans, supernets."""
