"""The event handler that the published clients talk to."""

from azure.messaging.webpubsubservice.eventhandler import EventErrorResponse, UserEventResponse, WebPubSubEventHandler


def event_handler():
    handler = WebPubSubEventHandler(verify_signatures=False)

    @handler.on_event
    def echo(request):
        return UserEventResponse(request.data, "json" if request.data_type == "json" else None)

    @handler.on_event("nothing")
    def nothing(request):
        return None

    @handler.on_event("refuse")
    def refuse(request):
        return EventErrorResponse(400, "no")

    return handler
