"""The console: a web page that shows what the emulator does and lets one act, and the JSON API behind it.

Above every other room of the emulator, none of which knows of it; it is loaded when it is asked for. The API is
described in docs/console.md.
"""
