"""The command `rawws`, before anything of rawws is imported: Ctrl-C is no traceback then either.

This is a module beside the package, because whoever imports a module of a package has imported the package, which
takes a tenth of a second.
"""


def main() -> int:
    """Run the command line; gives back the exit code, and never raises."""
    try:
        from rawws.cli import main
    except KeyboardInterrupt:
        return 130
    return main()
