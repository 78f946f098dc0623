"""rawws with others: one conversation on real sockets with each of them, in both roles and with both transports."""
