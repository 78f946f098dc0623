"""The other end: connections that send bytes made in advance, and see to it that what comes back is right."""
