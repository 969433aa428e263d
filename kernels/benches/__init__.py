"""Every kernel beside the reference, torch and the limit of the machine."""
