"""Holdfast: train your own small language model, from raw text to a published chat model, and never lose a step."""

__version__ = "0.1.0"
