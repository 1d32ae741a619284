"""A collector that refuses more than the real one does: for reasons nobody foresaw."""

import re

from tests.gratia_server.replies import BAD_REQUEST, Collector, Reply, Request

_JOB = re.compile(rb"LocalJobId%3E([0-9]+)\.[0-9]+%3C")
_REFUSAL = Reply(BAD_REQUEST, "error unmarshalling xml")


class RefusingCollector(Collector):
    """Refuses each bundle that holds a job of certain clusters, or every request."""

    def __init__(self, clusters: set[int], *, refuses_all: bool = False) -> None:
        super().__init__()
        self._clusters = clusters
        self._refuses_all = refuses_all

    def answer(self, request: Request, *, stored_share: float = 1) -> Reply:
        """Refuse *request*, or answer it as the table says."""
        found = {int(cluster) for cluster in _JOB.findall(request.body)}
        if self._refuses_all or found & self._clusters:
            return _REFUSAL
        return super().answer(request, stored_share=stored_share)
