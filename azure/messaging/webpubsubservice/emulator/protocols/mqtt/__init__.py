"""MQTT 3.1.1 and 5.0: packets to bytes and back, in any chunks. Pure, and loaded when the first MQTT client comes.

Strict: what the standards call malformed is refused, whoever sends it. It must not know what a packet sets in motion.
"""
