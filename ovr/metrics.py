"""The figures of one of our processes, served where the node says."""

from bus import metrics_server
from ovr.node import Node


def expose(node: Node) -> None:
    """Serve this process's figures from now on, if it has been given a port."""
    said = node.site.metrics
    if said.enabled and said.port is not None:
        metrics_server.serve(said.address, said.port)
