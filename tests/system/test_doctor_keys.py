"""`tailgate doctor` on certificates, keys that expire, and the support archive, in which nothing is that somebody wrote
to somebody."""

import os
import subprocess

import writer

from doctors import doctor, findings, show, told
from harness import Bridge, tailgate, wait_for
from keys import World


def certificate(path, *, role="worker", expires=None, name="w9"):
    """Made by hand, as the allow-list's owner may do it."""
    done = tailgate("keygen", path, "--role", role, "--name", name)
    assert done.returncode == 0, done.stderr
    path.with_name(path.name + "_secret").unlink()
    if expires:
        path.write_text(path.read_text().replace("curve\n", f'    expires = "{expires}"\ncurve\n'))


def test_certificates_are_looked_at(site):
    world = World(site)
    world.key("w1", "worker")
    list_of = world.dir / "worker"
    certificate(list_of / "over.cert", expires="2020-01-01T00:00:00", name="over")
    certificate(list_of / "soon.cert", expires=writer.now(10 * 86400), name="soon")
    (list_of / "half.cert").write_text("curve\n")
    (list_of / "again.cert").write_text((list_of / "w1.cert").read_text())
    os.chmod(world.dir / "gateway.cert_secret", 0o644)
    report = told(world.bridge, "--curve", world.dir)
    said = sorted((finding["result"], finding["what"]) for finding in findings(report, "certificates"))
    show(report)
    for result, word in (("problem", "over.cert has expired"), ("problem", "gateway.cert_secret has mode 0644"),
                         ("warning", "soon.cert expires in 9 days"), ("warning", "half.cert is not used"),
                         ("warning", "key that is in this list twice")):
        assert any(kind == result and word in what for kind, what in said), word
    assert len(said) == 5
    told(world.bridge, "--curve", world.dir, "--fix")
    assert (world.dir / "gateway.cert_secret").stat().st_mode & 0o777 == 0o600


def test_key_made_for_some_days_is_let_in_until_they_are_over(site):
    world = World(site)
    cert = site.folder / "w1.cert"
    done = tailgate("keygen", cert, "--role", "worker", "--name", "w1", "--days", "40", "--allow", world.dir)
    assert done.returncode == 0 and "expires" in done.stdout
    world.serve()
    worker = world.serves()
    allowed = world.dir / "worker" / "w1.cert"
    text = allowed.read_text()
    expires = next(line for line in text.splitlines() if "expires" in line)
    part = world.dir / "part"
    part.write_text(text.replace(expires, '    expires = "2020-01-01T00:00:00"'))
    part.rename(allowed)
    world.gateway.wait_event("key", what="revoked")
    assert "has expired" in world.gateway.wait_event("key-skipped")["say"]
    wait_for(lambda: world.workers() == 0, "its connection to be cut")
    worker.close()


SECRET = "hush5ecret"


def test_bundle_has_what_helps_and_no_secret(site):
    world = World(site)
    bridge = world.bridge = Bridge(site.folder / "kept.db")
    config = site.folder / "tailgate.cfg"
    config.write_text(f'serve.session = "{SECRET}"\nlease = 2m\n')
    gateway = site.serve(bridge, "--work", f"--name w -- true {SECRET}", "-c", config)
    bridge.send(writer.query(SECRET, SECRET), {"note": SECRET}, to=SECRET)
    bridge.send(SECRET, {"action_type": "question", "files_involved": [SECRET]}, to="c" + SECRET)
    bridge.run("UPDATE conversations SET session_a_token = ?, session_b_token = ?", SECRET, SECRET)
    bridge.run("INSERT INTO audit_log (action, details, timestamp) VALUES ('get_messages', ?, ?)", SECRET, writer.now())
    bridge.run(f"CREATE TRIGGER t AFTER INSERT ON messages WHEN new.from_session = '{SECRET}' BEGIN"
               f" SELECT raise(ABORT, '{SECRET}'); END")
    (world.dir / "worker" / "x.cert").write_text(f"{SECRET}\n")
    config.write_text(f'serve.session = "{SECRET}"\n{SECRET} = {SECRET}\n')
    archive = site.folder / "support.tar"
    done = doctor(bridge, "--bundle", archive, "-c", config, "--curve", world.dir)
    assert archive.exists(), done.stderr
    data = archive.read_bytes()
    secrets = [SECRET.encode(), (world.dir / "gateway.cert_secret").read_bytes().split(b"secret-key")[1].strip()[3:40]]
    with bridge.reading() as db:
        secrets.append(bytes(db.execute("SELECT value FROM tailgate_meta WHERE key = 'token_key'").fetchone()[0]))
    for secret in secrets:
        assert secret not in data, data[max(0, data.find(secret) - 300):][:600]
    assert archive.stat().st_mode & 0o777 == 0o600
    listed = subprocess.run(["tar", "-tf", archive], capture_output=True, text=True, check=True).stdout.split()
    assert listed == ["CONTENTS.txt", "doctor.json", "status.json", "schema.txt", "settings.txt", "versions.txt",
                      "limits.txt"]
    contents = subprocess.run(["tar", "-xOf", archive, "CONTENTS.txt"], capture_output=True, text=True, check=True)
    assert all(name in contents.stdout for name in listed[1:])
    assert str(gateway.pid).encode() in data and b"Max open files" in data and b"messages.conversation_id" in data
    again = doctor(bridge, "--bundle", archive)
    assert again.returncode == 1 and "already" in again.stderr
    assert archive.read_bytes() == data


def test_bundle_has_the_settings_that_are_not_as_usual(site):
    bridge, config, archive = site.bridge(), site.folder / "tailgate.cfg", site.folder / "support.tar"
    config.write_text(f'lease = 2m\norder = fifo\nattempts = 5\nlog.level = debug\nwork = "{SECRET}"\nwork = "{SECRET}"\n')
    doctor(bridge, "--bundle", archive, "-c", config)
    told = subprocess.run(["tar", "-xOf", archive, "settings.txt"], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["lease = 2m", "order = fifo", f"work = ({2 * len(SECRET)} bytes)", "log.level = debug",
                                 "# 0 settings of single services"]
