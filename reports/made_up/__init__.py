"""Runs that nobody ran: real architectures, plans and costs, with made-up errors and times.

For the page's tests and its benchmark.
"""

from reports.made_up.asked import MadeUp
from reports.made_up.folder import write

__all__ = ["MadeUp", "write"]
