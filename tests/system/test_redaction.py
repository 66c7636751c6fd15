"""Nothing that looks like a secret is committed: the bridge's eight rules with the results of Python's re, and
JSON that stays JSON."""

import json
import random
import re
import subprocess

import pytest

import writer
from harness import BUILD, LONG, WAIT, environment, wait_for

# As BRIDGE.md's table and the bridge's own code have them.
RULES = [(re.compile(pattern, re.DOTALL), word) for pattern, word in (
    (r"AKIA[0-9A-Z]{16}", "AWS_KEY_REDACTED"),
    (r"-----BEGIN[^-]+PRIVATE KEY-----.*?-----END[^-]+PRIVATE KEY-----", "PRIVATE_KEY_REDACTED"),
    (r"Bearer [A-Za-z0-9\-._~+/]+=*", "BEARER_TOKEN_REDACTED"),
    (r'(?i)password["\s:=]+[^\s"]+', "PASSWORD_REDACTED"),
    (r'(?i)api[_-]?key["\s:=]+[^\s"]+', "API_KEY_REDACTED"),
    (r'(?i)secret["\s:=]+[^\s"]+', "SECRET_REDACTED"),
    (r"ghp_[A-Za-z0-9]{36}", "GITHUB_TOKEN_REDACTED"),
    (r"sk-[A-Za-z0-9]{48}", "OPENAI_KEY_REDACTED"))]
NAMED = ("PASSWORD_REDACTED", "API_KEY_REDACTED", "SECRET_REDACTED")

# What nearly matches, and what stands around it.
FRAGMENTS = [
    "AKIA", "AKI", "A", "0123456789ABCDEF", "ABCDEFGH", "akia", "-----BEGIN", "----", "-", "-----END",
    " RSA PRIVATE KEY-----", "PRIVATE KEY-----", " PRIVATE KEY", "\nMIIE\n", "Bearer ", "bearer ", "Bearer",
    "abc.def~g+h/i", "==", "=", "password", "PassWord", "pa\u017f\u017fword", "passw\u00f6rd", "PASSWORD",
    "api", "ap\u0130", "AP\u0131", "key", "\u212aEY", "_", "api_key", "API-KEY", "apikey", "api__key", "secret",
    "\u017fecret", "SECRETS", ":", " : ", '"', '": "', " ", "\n", "\t", "\u00a0", "\u180e", "\u001c", "\u001f",
    "\u0085", "\u2028", "\u3000", "\u200b", "\ufeff", "hunter2", "x", "\u00fc", "\U0001f600", "{", "}", "\\",
    "ghp_", "gh", "a" * 36, "b" * 12, "sk-", "c" * 48, "d" * 47, "sk", "/", "REDACTED", ""]
NAMES = ["password", "db_PASSWORD", "api_key", "api-key", "apikey", "x_ap\u0130key", "client_secret", "\u017fecret",
         "password:", 'secret" ', "passwords", "key", "answer", "", "password=secret", "AKIA0123456789ABCDEF",
         "secret: x", "p\u00fcssword"]


def by_python(text):
    count = 0
    for rule, word in RULES:
        text, n = rule.subn(word, text)
        count += n
    return count, text


def member_by_python(name, text):
    """The string value TEXT of member NAME: a rule that would match from the name into the value of
    `name":"text` takes that much of it."""
    count, link = 0, '":"'
    for rule, word in RULES:
        whole = name + link + text
        inside = len(name) + len(link)
        ends = [match.end() for match in (rule.match(whole, at) for at in range(len(name))) if match]
        if word in NAMED and any(end > inside for end in ends):
            text = word + whole[max(ends):]
            count += 1
        text, n = rule.subn(word, text)
        count += n
    return count, text


def json_by_python(value):
    """VALUE with lists of pairs in the place of objects."""
    if isinstance(value, str):
        return by_python(value)
    if isinstance(value, tuple):  # an object
        done = [(by_python(name), member_by_python(name, one) if isinstance(one, str) else json_by_python(one))
                for name, one in value]
        return sum(a[0] + b[0] for a, b in done), tuple((a[1], b[1]) for a, b in done)
    if isinstance(value, list):
        done = [json_by_python(one) for one in value]
        return sum(one[0] for one in done), [one[1] for one in done]
    return 0, value


def parse(text):
    return json.loads(text, object_pairs_hook=tuple)


def redacted(frames, *options):
    """What redact_filter makes of (kind, text) pairs: pairs of a count and a text."""
    sent = b"".join(b"%s%d\n%s" % (kind.encode(), len(raw), raw)
                    for kind, raw in ((kind, text.encode()) for kind, text in frames))
    done = subprocess.run([BUILD / "tests" / "unit" / "redact_filter", *options], input=sent,
                          capture_output=True, timeout=WAIT * 3, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    found, at = [], 0
    while at < len(done.stdout):
        end = done.stdout.index(b"\n", at)
        count, size = map(int, done.stdout[at:end].split())
        found.append((count, done.stdout[end + 1:end + 1 + size].decode()))
        at = end + 1 + size
    assert len(found) == len(frames)
    return found


def texts(count, seed):
    source = random.Random(seed)
    return ["".join(source.choices(FRAGMENTS, k=source.randint(1, 14))) for _ in range(count)]


@pytest.mark.parametrize("options", [(), ("no-jit",)], ids=["jit", "no-jit"])
def test_thousands_of_texts_become_what_python_makes_of_them(options):
    tried = texts(200_000 if LONG else 20_000, seed=1)
    matched = 0
    for text, found in zip(tried, redacted([("t", text) for text in tried], *options)):
        expected = by_python(text)
        assert found == expected, ascii(text)
        matched += expected[0] > 0
    assert len(tried) / 20 < matched < len(tried), f"{matched} of {len(tried)} texts hold something"


# Each with the place where every character of Unicode is put.
PLACES = [
    "{}assword: x", "p{}ssword: x", "pa{}sword: x", "pas{}word: x", "pass{}ord: x", "passw{}rd: x", "passwo{}d: x",
    "passwor{}: x", "password{}x", "password:{}", "password:x{}y", "{}pikey:x", "a{}ikey:x", "ap{}key:x",
    "apikey{}x", "api{}key:x", "api{}ey:x", "apik{}y:x", "apike{}:x", "{}ecret=x", "s{}cret=x", "se{}ret=x",
    "sec{}et=x", "secr{}t=x", "secre{}=x", "secret{}x", "Bearer {}", "Bearer a{}b", "Bearer{}a", "B{}arer a",
    "A{}IA0123456789ABCDEF", "AKIA{}123456789ABCDEF", "-----BEGIN{}PRIVATE KEY----------END PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----{}-----END PRIVATE KEY-----", "gh{}_" + "a" * 36, "ghp_{}" + "a" * 35,
    "s{}-" + "a" * 48, "sk-{}" + "a" * 47]


def test_every_character_counts_as_python_counts_it():
    """Letter case and white space are Unicode's, and Python's idea of them is not PCRE2's."""
    top = 0x110000 if LONG else 0x30000
    every = [chr(code) for code in range(top) if not 0xd800 <= code < 0xe000]
    for place in PLACES:
        before, after = place.split("{}")
        # One text, each piece closed off by what ends every match.
        text = "".join(f'{before}{one}{after}" # ' for one in every)
        (found,) = redacted([("t", text)])
        expected = by_python(text)
        assert found[0] == expected[0], place
        assert found[1] == expected[1], place


def members(source, depth):
    return tuple((source.choice(NAMES) if source.random() < 0.7 else "".join(source.choices(FRAGMENTS, k=2)),
                  value(source, depth)) for _ in range(source.randint(0, 4)))


def value(source, depth):
    kind = source.random()
    if kind < 0.6 or depth == 0:
        return "".join(source.choices(FRAGMENTS, k=source.randint(0, 6)))
    if kind < 0.75:
        return source.choice([None, True, 17, -1.5e10])
    if kind < 0.85:
        return [value(source, depth - 1) for _ in range(source.randint(0, 3))]
    return members(source, depth - 1)


def written(source, tree):
    """TREE as JSON text, with white space and escapes as they come."""
    space = source.choice(["", " ", "\n", "\t "])
    if isinstance(tree, str):
        return json.dumps(tree, ensure_ascii=source.random() < 0.5)
    if isinstance(tree, tuple):
        inside = (space + "," + space).join(f"{written(source, name)}{space}:{space}{written(source, one)}"
                                            for name, one in tree)
        return "{" + space + inside + space + "}"
    if isinstance(tree, list):
        return "[" + (space + ",").join(written(source, one) for one in tree) + space + "]"
    return json.dumps(tree)


def test_strings_of_json_become_what_python_makes_of_each():
    source = random.Random(2)
    trees = [members(source, 3) for _ in range(50_000 if LONG else 8_000)]
    sent = [written(source, tree) for tree in trees]
    changed = 0
    for tree, text, (count, found) in zip(trees, sent, redacted([("j", text) for text in sent])):
        assert (count, parse(found)) == json_by_python(tree), text
        assert count > 0 or found == text, "without a match, every byte stays"
        changed += count > 0
    assert 500 < changed < len(trees)


SECRETS = {
    "AWS_KEY_REDACTED": "AKIAIOSFODNN7EXAMPLE",
    "PRIVATE_KEY_REDACTED": "-----BEGIN RSA PRIVATE KEY-----\nMIIEsecretmaterial\n-----END RSA PRIVATE KEY-----",
    "BEARER_TOKEN_REDACTED": "Bearer abc.def-ghi==",
    "PASSWORD_REDACTED": "password: hunter2",
    "API_KEY_REDACTED": "API-Key=1234abcd",
    "SECRET_REDACTED": "secret = s3cr3tvalue",
    "GITHUB_TOKEN_REDACTED": "ghp_" + "a1B2" * 9,
    "OPENAI_KEY_REDACTED": "sk-" + "Z9y8" * 12}
# No part of any may be found in the file's own text.
TRACES = ["AKIAIOSF", "MIIEsecret", "abc.def-ghi", "hunter2", "1234abcd", "s3cr3tvalue", "a1B2a1B2", "Z9y8Z9y8"]


def reply_row(bridge, message):
    bridge.reply(message)
    with bridge.reading() as db:
        row = next(row for row in db.execute("SELECT * FROM messages WHERE metadata LIKE '%\"in_reply_to\"%'")
                   if json.loads(row["metadata"])["in_reply_to"] == message)
        audit = db.execute("SELECT details FROM audit_log WHERE action = 'send_message' AND session_id = 'b'"
                           " ORDER BY id DESC LIMIT 1").fetchone()[0]
    return row["message"], row["metadata"], audit


def check_clean(bridge, message, words):
    """The reply to MESSAGE holds none of the secrets but the WORDS in their place, and says so."""
    text, metadata, audit = reply_row(bridge, message)
    for trace in TRACES:
        assert trace not in text and trace not in metadata and trace not in audit, trace
    for word in words:
        assert word in text + metadata, word
    assert json.loads(audit)["redacted"] is any(word in text + metadata for word in SECRETS)
    assert json.loads(audit)["message_length"] == len(text)
    json.loads(metadata)
    return text


def test_no_secret_of_a_worker_is_committed(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge)
    everything = "\n".join(f"see {secret} here" for secret in SECRETS.values())
    plain = bridge.ask_text("?")
    worker.final(worker.request().token, everything)
    assert check_clean(bridge, plain, SECRETS) == by_python(everything)[1]

    as_json = bridge.ask("?", query_id="sk-" + "Q" * 48)
    worker.final(worker.request().token, everything)
    reply = json.loads(check_clean(bridge, as_json, SECRETS))
    assert reply["answer"] == by_python(everything)[1]
    assert reply["query_id"] == "sk-" + "Q" * 48, "its own id is how the asker finds its answer"

    answer = {"answer": {"password": "hunter2", "api_key": "1234abcd", "token": SECRETS["GITHUB_TOKEN_REDACTED"]},
              "sources": [f"notes.md {secret}" for secret in SECRETS.values()],
              "client_secret": "s3cr3tvalue", "n": 1.50, SECRETS["AWS_KEY_REDACTED"]: True}
    nested = bridge.ask("?")
    worker.final(worker.request().token, answer)
    reply = json.loads(check_clean(bridge, nested, SECRETS))
    assert reply["answer"] == {"password": "PASSWORD_REDACTED", "api_key": "API_KEY_REDACTED",
                               "token": "GITHUB_TOKEN_REDACTED"}
    assert reply["client_secret"] == "SECRET_REDACTED" and reply["AWS_KEY_REDACTED"] is True
    sources = bridge.ask_text("?")
    worker.final(worker.request().token, {**answer, "answer": "see the sources"})
    assert check_clean(bridge, sources, SECRETS) == "see the sources"
    fetched = writer.fetch(str(bridge.path), bridge.conversation, "a")
    assert len(fetched) == 4
    bridge.check_exactly_once(4)
    wait_for(lambda: gateway.status()["counters"]["redacted"] == 4, "the counter")
    assert gateway.status()["counters"]["redaction_failed"] == 0


@pytest.mark.parametrize("filler", [0, 980])
def test_no_secret_in_an_error_is_committed_or_logged(site, filler):
    """Also where the reason is cut in the middle of one."""
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge)
    for word, secret in SECRETS.items():
        message = bridge.ask("?")
        worker.final(worker.request().token, {"type": "error", "error": f"{'x' * filler} {secret}", "retry": False})
        check_clean(bridge, message, [] if filler else [word])
    message = bridge.ask("?")
    worker.final(worker.request().token, {"type": "error", "error": {"password": "hunter2"}, "retry": False})
    assert "PASSWORD_REDACTED" in check_clean(bridge, message, [])
    with bridge.reading() as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = "\n".join(str(tuple(row)) for table in tables for row in db.execute(f'SELECT * FROM "{table}"'))
    gateway.stop()
    for trace in TRACES:
        assert trace not in kept and trace not in gateway.stderr.text(), trace


def test_answer_without_a_secret_is_committed_as_given(site):
    bridge = site.bridge()
    site.serve(bridge)
    worker = site.mdp(bridge)
    message = bridge.ask("?", query_id="q_1")
    given = '{"answer" :"the passwords of old, \\u00e9 and é", "x":1.500, "y" : [1e5 ,"a\\/b"]}'
    worker.final(worker.request().token, given)
    text, _, audit = reply_row(bridge, message)
    assert given[1:-1] in text
    assert json.loads(audit)["redacted"] is False


def test_over_long_answer_is_committed_cut_and_kept_whole(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = site.mdp(bridge)
    for ask in (bridge.ask, bridge.ask_text):
        message = ask("?")
        worker.final(worker.request().token, {"answer": "ü\U0001f600" * 40_000 + SECRETS["PASSWORD_REDACTED"],
                                              "sources": ["a.md"]})
        text, metadata, audit = reply_row(bridge, message)
        assert len(text) <= 50_000 and len(text) > 49_990
        if ask == bridge.ask:
            reply = json.loads(text)
            assert reply["answer"].startswith("ü\U0001f600ü") and reply["sources"] == ["a.md"]
        metadata = json.loads(metadata)
        assert metadata["truncated"] is True and metadata["full_length"] > 80_000
        assert json.loads(audit)["message_length"] == len(text)
        with bridge.reading() as db:
            whole = db.execute("SELECT answer FROM tailgate_answer WHERE message_id = ?", (message,)).fetchone()[0]
        assert len(whole) == metadata["full_length"] and "hunter2" not in whole
        assert "PASSWORD_REDACTED" in whole
    wait_for(lambda: gateway.status()["counters"]["cut"] == 2, "the counter")
    bridge.check_exactly_once(2)
