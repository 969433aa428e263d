"""What was asked, and the folders in which all that came of it lies."""
