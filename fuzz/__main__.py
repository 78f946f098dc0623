"""`python -m fuzz TARGET`: let atheris look for inputs that break a target, from its seeds on."""

import argparse
import sys
import tempfile
from pathlib import Path

from fuzz import seeds

try:
    import atheris  # type: ignore[import-untyped]
except ImportError:
    sys.exit("atheris is missing: pip install atheris")

with atheris.instrument_imports(include=["rawws"]):
    from fuzz.targets import TARGETS


def main() -> None:
    """Run one target until the time is over or something breaks; libFuzzer says how many it tried."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=300, help="how long (default: 300)")
    parser.add_argument("--corpus", type=Path, help="where inputs are kept from run to run (default: nowhere)")
    parser.add_argument("--max-len", type=int, default=600, help="bytes of an input (default: 600)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        corpus = arguments.corpus or Path(temporary)
        corpus.mkdir(parents=True, exist_ok=True)
        for name, data in seeds.of(arguments.target).items():
            (corpus / name).write_bytes(data)
        options = [
            f"-max_total_time={arguments.seconds}",
            f"-max_len={arguments.max_len}",
            f"-dict={Path(__file__).parent / 'words.dict'}",
            "-timeout=10",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[arguments.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
