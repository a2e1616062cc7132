"""The bodies of the commands; the only place that knows Hydra."""
