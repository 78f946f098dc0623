"""The conformance suite itself: its cases against endpoints that are right, and against some that are not."""
