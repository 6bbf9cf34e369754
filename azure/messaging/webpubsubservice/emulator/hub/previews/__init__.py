"""Previews of the service, for clients of the JSON subprotocols: invocations, streams, the state of groups.

Rules as values, as those of the hub; loaded when the first client uses one of them.
"""
