"""The tests of rawws: one module per module, all wire input through `tests.wire.chopped`."""
