"""A feed of currencies and prices: order books told in changes, to many readers, each as fast as it reads.

Read book.py, market.py, hub.py and server.py, in this order; then view.py and client.py for the other side, and
joined.py for more than one process.
"""
