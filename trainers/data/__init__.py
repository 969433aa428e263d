"""Data sets: labelled images as NumPy arrays. No torch: a packed program is judged without it."""
