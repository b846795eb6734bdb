"""`ovr observe`: what the supervisor tells at /metrics, where containers take its place."""

from ovr.options import Config, Data


def observe(data: Data = None, config: Config = None) -> None:
    """Listen to the bus, and serve figures of the broker and of all processes at /metrics: for containers.

    Example: `OVR_METRICS_PORT=9464 ovr observe --data data`
    """
    from bus.heartbeat import beat
    from ovr.figures import Figures
    from ovr.metrics import expose
    from ovr.node import open_node
    from ovr.processes import SUPERVISOR
    from ovr.watch import Watch
    from projectors.live import stop_signals
    from schemas.errors import ConfigurationError

    stopped = stop_signals()
    node = open_node(data, config)
    if node.site.metrics.port is None:
        raise ConfigurationError(
            "say where to serve figures: `port` in [metrics] of site.toml, or OVR_METRICS_PORT"
        )
    watch = Watch(node.broker(SUPERVISOR), "observe")
    site = node.site
    url = site.reports.base_url or site.web.base_url
    figures = Figures(watch, url=url, certificates=[site.listen.cert_file])
    expose(node)
    while not stopped():
        watch.connection.step(_TURN_S)
        beat(online=watch.connection.connected)
    watch.connection.close()
    del figures


_TURN_S = 0.5
