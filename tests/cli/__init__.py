"""The command line: each verb as a person or a script runs it."""
