"""Inputs that nobody thought of: plain functions of bytes that assert what must hold, whatever the bytes are.

`targets` lists them.  `python -m fuzz TARGET` lets atheris look for inputs by coverage; tests/test_fuzz.py tries each
target with its seeds and with mutations of them.
"""
