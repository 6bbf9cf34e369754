"""Events on their way out to event handlers: CloudEvents, abuse protection, their order, and what is made of answers.

It takes what a hub raised and reports what came of it. It must not know the sockets of clients, nor REST; of a hub it
knows the values of its events, never its state.
"""
