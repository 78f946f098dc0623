"""Tests of the faces that programs written for other libraries know."""
