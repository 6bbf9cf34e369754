"""MQTT clients in a hub, as values: packets, sessions, and what each packet sets in motion.

Loaded when the first MQTT client comes. It must not know how a packet is written as bytes, nor a socket or the time.
"""
