"""Ray says nothing on the screen that nobody asked for."""

from __future__ import annotations

import logging
from threading import Thread

from nas.processes.cluster import ray_cluster


def test_a_thread_that_asks_for_the_cluster_is_not_warned_of() -> None:
    """As Tune does in ours; Ray sets its level anew whenever it is asked."""
    import ray

    said: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = said.append  # type: ignore[method-assign]
    logger = logging.getLogger("ray")
    logger.addHandler(handler)
    try:
        with ray_cluster(1, None, verbose=False):
            thread = Thread(target=lambda: ray.init(ignore_reinit_error=True))
            thread.start()
            thread.join()
    finally:
        logger.removeHandler(handler)
    assert not [one for one in said if "SIGTERM" in one.getMessage()]
