"""``webpubsub publish``: to whom, of what kind, and from where."""

import json
import os
import signal
import struct
import subprocess

import pytest
import terminals
from terminals import PROGRAM, WAIT

LARGEST = 1_048_576
SUMMARY = r"{} sent to {} in \d+\.\d s\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["hello"], "hello"),
        (["--text", "Grüße, 世界 👋🏽"], "Grüße, 世界 👋🏽"),
        (["--json", '{"a": 1.50, "b": [null]}'], '{"a": 1.50, "b": [null]}'),
        (["--json", '"text"'], '"text"'),
        (["--binary", "bytes"], b"bytes"),
        (["--", "--text"], "--text"),
        (["-1"], "-1"),
    ],
)
def test_message_arrives_as_it_was_written(here, hub, listener, arguments, expected):
    client = listener()
    status, out, err = here("publish", hub, *arguments)
    assert (status, out) == (0, "")
    assert err.startswith("1 message (")
    assert client.receive() == expected


def test_message_goes_to_whom_it_is_for(here, hub, join):
    ada, bob, carol = join("ada", groups=["lobby"]), join("bob", groups=["lobby"]), join("carol")
    commands = [
        (["--group", "lobby"], "group 'lobby' of hub", [ada, bob]),
        (["--user", "ada"], "user 'ada' of hub", [ada]),
        (["--connection", carol.id], f"connection '{carol.id}' of hub", [carol]),
        (["--group", "lobby", "--exclude", ada.id], "group 'lobby' of hub", [bob]),
        (["--exclude", ada.id, "--exclude", bob.id], "hub", [carol]),
        (["--filter", "userId eq 'bob'"], "hub", [bob]),
        (["--user", "ada", "--ttl", "60"], "user 'ada' of hub", [ada]),
    ]
    for number, (options, target, receivers) in enumerate(commands):
        status, _, err = here("publish", hub, *options, f"m{number}")
        assert status == 0
        assert f"1 message (2 bytes) sent to {target} '{hub}' in " in err
        for receiver in receivers:
            assert receiver.data() == ("text", f"m{number}")
    here("publish", hub, "the end")
    for client in (ada, bob, carol):
        assert client.data() == ("text", "the end")  # and nothing between


def test_options_may_stand_anywhere(here, hub, join):
    client = join("ada")
    for arguments in ([hub, "--user", "ada", "x"], ["--user", "ada", hub, "x"], [hub, "x", "--user", "ada"]):
        assert here("publish", *arguments)[0] == 0
        assert client.data() == ("text", "x")


@pytest.mark.parametrize("dash", [["-"], []])
def test_each_line_of_the_input_is_a_message(here, hub, listener, dash):
    client = listener()
    status, out, err = here("publish", hub, *dash, stdin="\ufeffone\n\n\u00fc\r\n  three\t\nlast".encode())
    assert (status, out) == (0, "")
    assert [client.receive() for _ in range(4)] == ["one", "ü", "  three\t", "last"]
    assert err.startswith(f"4 messages (17 bytes) sent to hub '{hub}' in ")


def test_lines_of_json_and_of_bytes(here, hub, listener):
    client = listener()
    assert here("publish", hub, "--json", "-", stdin=b'{"n":1}\r\n[2]\n')[0] == 0
    assert [client.receive() for _ in range(2)] == ['{"n":1}', "[2]"]
    assert here("publish", hub, "--binary", "-", stdin=b"\xff\r\n\x00\n")[0] == 0
    assert [client.receive() for _ in range(2)] == [b"\xff\r", b"\x00"]


def test_whole_input_is_one_message(here, hub, listener):
    client = listener()
    assert here("publish", hub, "--whole", "--json", stdin=b'{\n "n": 1\n}\n')[0] == 0
    assert client.receive() == '{\n "n": 1\n}\n'
    assert here("publish", hub, "--whole", "--binary", stdin=bytes(LARGEST))[0] == 0
    assert client.receive() == bytes(LARGEST)


def test_empty_input_is_no_message(here, hub):
    status, _, err = here("publish", hub, "-")
    assert (status, err[:30]) == (0, f"0 messages (0 bytes) sent to hub '{hub}'"[:30])


@pytest.mark.parametrize(
    "case",
    [
        (["--json"], b"nonsense", "line 3 is not JSON: Expecting value"),
        (["--json"], b"NaN", "line 3 is not JSON: NaN is no value of JSON"),
        (["--json"], b"[" * 100_000, "line 3 is JSON that is nested too deep"),
        (["--text"], b"\xff\xfe", "line 3 is not UTF-8 (byte 0): send it with --binary"),
        (["--json"], b"\xff", "line 3 is not UTF-8 (byte 0): send it with --binary"),
        (["--text"], b"x" * (LARGEST + 1), "line 3 has more than the 1048576 bytes that the service takes"),
        (["--binary"], b"x" * 5 * LARGEST, "line 3 has more than the 1048576 bytes that the service takes"),
    ],
)
def test_bad_line_ends_it_and_is_named(here, hub, listener, case):
    arguments, bad, words = case
    client = listener()
    status, out, err = here("publish", hub, *arguments, stdin=b'"one"\n\n' + bad + b'\n"two"\n')
    assert (status, out) == (2, "")
    first, second = err.splitlines()
    assert first == f"1 message (5 bytes) sent to hub '{hub}', the last of them line 1"
    assert second.startswith(f"error: {words}")
    assert here("publish", hub, "the end")[0] == 0
    assert [str(client.receive()).strip("b'") for _ in range(2)] == ['"one"', "the end"]


def test_largest_line_and_numbers_of_any_size_are_sent(here, hub, listener):
    client = listener()
    assert here("publish", hub, stdin=b"x" * LARGEST + b"\r\n")[0] == 0
    assert client.receive() == "x" * LARGEST
    number = "9" * 5000
    assert here("publish", hub, "--json", number)[0] == 0
    assert client.receive() == number


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--json", "{"], "the message is not JSON"),
        (["\udcff"], "the message is not UTF-8"),
        (["--whole", "x"], "--whole is for standard input"),
        (["--connection", "c", "--filter", "x", "m"], "--filter and --exclude do not go with --connection"),
        (["--user", "u", "--exclude", "c", "m"], "--exclude does not go with --user"),
        (["--ttl", "301", "m"], "'301' is not a whole number from 0 to 300"),
        (["--group", "g", "--user", "u", "m"], "argument --user: not allowed with argument --group"),
        (["--text", "--json", "m"], "not allowed with argument"),
        (["two", "words"], "too many arguments: quote what has spaces in it"),
        (["--group", "", "m"], "group"),
        (["--group", "a/b", "m"], "group 'a/b' cannot be addressed"),
    ],
)
def test_wrong_usage_is_status_2(here, hub, arguments, words):
    status, out, err = here("publish", hub, *arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


def test_bytes_of_an_argument_that_are_not_text_are_sent_as_binary(webpubsub, hub, listener):
    client = listener()
    assert webpubsub("publish", hub, "--binary", b"\xff\xfe").returncode == 0
    assert client.receive() == b"\xff\xfe"


def test_refusal_is_status_1_and_the_words_of_the_service(here, hub):
    status, out, err = here("publish", hub, "--filter", "a b", "x")
    assert (status, out) == (1, "")
    assert err == (
        "error: the service refused: (Error.BadRequest) Invalid syntax for 'a b': "
        "Syntax error at position 3 in 'a b'. (Parameter 'filter')\n"
    )


def test_quiet_says_nothing(here, hub):
    assert here("publish", hub, "--quiet", "x") == (0, "", "")
    assert here("publish", hub, "--quiet", stdin=b"1\n2\n") == (0, "", "")
    status, out, err = here("publish", hub, "--quiet", "--json", stdin=b"1\nx\n")
    assert (status, out) == (2, "")
    assert err.startswith("error: line 2 is not JSON")


def test_line_is_sent_before_the_next_is_there(hub, listener, connection_string):
    client = listener()
    with subprocess.Popen(
        [*PROGRAM, "publish", hub],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=terminals.environment(connection_string),
    ) as process:
        for line in (b"first\n", b"second\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert client.receive() == line.decode().strip()
        process.stdin.close()
        assert process.wait(WAIT) == 0
        assert process.stderr.read().startswith(b"2 messages (11 bytes) sent")


def test_interrupted_input_says_how_far_it_came(hub, listener, connection_string):
    client = listener()
    with subprocess.Popen(
        [*PROGRAM, "publish", hub],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=terminals.environment(connection_string),
    ) as process:
        process.stdin.write(b"first\nsecond\n")
        process.stdin.flush()
        assert [client.receive() for _ in range(2)] == ["first", "second"]
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT) == 130
        assert process.stderr.read().decode() in {  # the answer to the second may not have come yet
            f"1 message (5 bytes) sent to hub '{hub}', the last of them line 1\n",
            f"2 messages (11 bytes) sent to hub '{hub}', the last of them line 2\n",
        }


def test_closed_input_is_said(hub, connection_string):
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *PROGRAM, "publish", hub],
        capture_output=True,
        timeout=WAIT,
        check=False,
        env=terminals.environment(connection_string),
    )
    assert (done.returncode, done.stderr) == (2, b"error: there is no standard input: give a MESSAGE\n")


def test_terminal_as_input_says_how_to_end_it(hub, listener, connection_string):
    import pty

    client = listener()
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "publish", hub], stdin=theirs, stderr=subprocess.PIPE, env=terminals.environment(connection_string)
    ) as process:
        os.close(theirs)
        assert process.stderr.readline() == b"Each line is a message; Ctrl-D ends the input.\n"
        os.write(ours, b"typed\n")
        assert client.receive() == "typed"
        os.write(ours, b"\x04")
        assert process.wait(WAIT) == 0
        assert process.stderr.read().startswith(b"1 message (5 bytes) sent")
        os.close(ours)


def on_a_terminal(arguments, connection_string, **streams):
    """Run the command with standard error on a pseudo-terminal; return its status and what was shown."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=terminals.environment(connection_string),
        **streams,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:  # what Linux says at the end
                read = b""
            if not read:
                break
            shown += read
        os.close(ours)
        return process.wait(WAIT), shown.decode()


def test_terminal_shows_how_much_of_a_file_is_sent(hub, listener, connection_string, tmp_path):
    pytest.importorskip("tqdm")
    client = listener()
    path = tmp_path / "lines"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(20)))
    with path.open("rb") as lines:
        status, shown = on_a_terminal(["publish", hub], connection_string, stdin=lines)
    assert status == 0
    assert [client.receive() for _ in range(20)] == [str(number) for number in range(20)]
    assert "0%|" in shown
    assert shown.splitlines()[-1].lstrip("\r ").startswith(f"20 messages (30 bytes) sent to hub '{hub}' in ")


def test_terminal_shows_how_many_messages_of_a_pipe_are_sent(hub, connection_string, tmp_path):
    pytest.importorskip("tqdm")
    path = tmp_path / "lines"
    path.write_bytes(b"1\n2\n")
    with path.open("rb") as lines, subprocess.Popen(["cat"], stdin=lines, stdout=subprocess.PIPE) as cat:
        status, shown = on_a_terminal(["publish", hub], connection_string, stdin=cat.stdout)
    assert status == 0
    assert "0 messages [" in shown
    assert "2 messages (2 bytes) sent" in shown


def test_no_bar_without_a_terminal_or_with_quiet(webpubsub, hub, connection_string, tmp_path):
    assert "%|" not in webpubsub("publish", hub, stdin=b"1\n2\n").stderr
    path = tmp_path / "lines"
    path.write_bytes(b"1\n")
    with path.open("rb") as lines:
        assert on_a_terminal(["publish", hub, "--quiet"], connection_string, stdin=lines) == (0, "")


def test_json_is_sent_as_it_is_written(here, hub, listener):
    client = listener()
    text = json.dumps({"ü": "\u2028"}, ensure_ascii=False)
    assert here("publish", hub, "--json", text)[0] == 0
    assert client.receive() == text
