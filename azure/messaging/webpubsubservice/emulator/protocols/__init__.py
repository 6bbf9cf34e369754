"""Bytes to frames and back: WebSocket framing, the handshake as values, and each subprotocol a client can speak.

One module a format, and one object a subprotocol. It must not know who is connected, what a frame sets in motion, or
how bytes reach a socket.
"""
