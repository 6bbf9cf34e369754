"""The sockets: HTTP and WebSocket connections come in here, and the effects of hubs become bytes.

The only room that waits for the network in the name of clients; every other room is asked from here. It must not decide
what a request, a frame or a token means: that is the business of the rooms below.
"""
