"""The rules of a hub, as values: connections, groups, permissions, filters, sessions that can be recovered.

Inputs go in, effects come out, and a test can look at both in microseconds. It must not know a socket, HTTP, a format
of bytes, the time or chance: whoever calls it passes the time in.
"""
