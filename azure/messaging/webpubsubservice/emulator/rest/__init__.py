"""REST requests to inputs of a hub, and what came of them to answers: routes, operations, errors, tokens.

Requests and answers are plain values here. It must not know the server that read them, clients' sockets, subprotocols
or event handlers.
"""
