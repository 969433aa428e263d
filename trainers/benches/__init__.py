"""How long steps and programs take, beside how others do them."""
