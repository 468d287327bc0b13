"""t2vgan: train, judge and use text-to-video GANs."""

__version__ = "0.1.0"
