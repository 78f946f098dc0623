"""Our suite beside Autobahn's: both against the same peers, in one run, and whatever that one finds ours has to find.

    pip install kosoku
    python -m tests.conformance.beside_autobahn                            # all that are installed, without 12 and 13
    python -m tests.conformance.beside_autobahn tornado-deflate --cases '12.*' --cases '13.*' --keep DIR
    python -m tests.conformance.beside_autobahn --keep DIR --out docs/conformance/autobahn.md

Autobahn's cases are run by kosoku, as in `tests.interop.autobahn`.  A peer is one process, which both suites test, one
after the other; a wrong animal of the zoo lives in this process.  A case of ours is the counterpart of one of
Autobahn's if it carries its id (`ab:5.18`), and has found the same if it fails or warns.  The exit status is 1 if it
does not, and the reason is not one of those in `explained`.

In this order: `said` (what a suite says, and how it is kept), `explained` (where Autobahn asks for what the RFCs do
not), `comparing`, `subjects` (who is tested), `running` (one suite against one of them), `page`, `__main__`.
"""
