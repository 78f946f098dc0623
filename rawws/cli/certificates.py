"""How a verb that connects verifies a server; for itself, as `ssl` takes its time to be imported."""

import ssl


def trusting(ca: str | None, insecure: bool) -> ssl.SSLContext:
    """How a client verifies a server: by the certificates in this file alone, or if there is none, by the system's.

    Raises:
        ValueError: there are none in it; the message says what to do.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        why = "no certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"--ca {ca}: {why}; it takes a PEM file") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
