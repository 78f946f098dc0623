"""Figures of the code itself, beside the goals that it is held to: `python -m tests.figures`."""
