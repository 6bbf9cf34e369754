"""Azure Web PubSub on one machine: the service as an object in this process, or as a command."""
