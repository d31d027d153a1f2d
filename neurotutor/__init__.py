"""NeuroTutor: published systems between brains and machine learning, explained and implemented."""

__version__ = "0.1.0"
