"""The conformance suite: is a server, or a client, what RFC 6455 and RFC 7692 ask for?"""
