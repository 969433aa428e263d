"""The search itself: candidates are asked for, scored and told."""
