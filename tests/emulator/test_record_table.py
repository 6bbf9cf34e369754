"""The record in a notebook: entries as a table."""

from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator._record import Record, RecordedSend, RecordedWebhook, Recorder
from azure.messaging.webpubsubservice.emulator._record_table import Entries


def test_sends_are_a_table_without_empty_columns():
    sends = Entries([RecordedSend("chat", b"<b>", "text", group="lobby"), RecordedSend("chat", b"\xff", "binary")])
    assert sends._repr_html_() == (
        "<table><tr><th>hub</th><th>data</th><th>data_type</th><th>group</th></tr>"
        "<tr><td>chat</td><td>&lt;b&gt;</td><td>text</td><td>lobby</td></tr>"
        "<tr><td>chat</td><td>\ufffd</td><td>binary</td><td></td></tr></table>"
    )


def test_long_data_and_long_records_are_cut():
    shown = Entries([RecordedSend("chat", b"x" * 1000, "text")] * 60)._repr_html_()
    assert shown.count("<tr>") == 51
    assert "x" * 119 + "…" in shown
    assert "x" * 120 not in shown
    assert shown.endswith("<i>and 10 before these</i>")


def test_empty_record_says_so():
    assert Record().sends._repr_html_() == "<i>none</i>"


def test_record_of_an_emulator_is_a_table_and_a_tuple(rest, emulator):
    assert rest("POST", "/api/hubs/chat/:send", b"hello", "text/plain").status == 202
    assert isinstance(emulator, WebPubSubEmulator)
    assert "<td>hello</td>" in emulator.record.sends._repr_html_()
    shown = emulator.record._repr_html_()
    assert shown.startswith("<b>sends</b><table>")
    assert "<b>frames</b><i>none</i>" in shown
    assert emulator.record.sends == tuple(emulator.record.sends)


def test_what_a_repr_hides_is_hidden():
    recorder = Recorder(lambda: False)
    entry = RecordedWebhook("chat", "connect", "c", headers={"ce-signature": "sha256=secret"})
    recorder.add_webhook(entry)
    assert ("secret" in recorder.webhooks._repr_html_()) is ("secret" in repr(entry))
