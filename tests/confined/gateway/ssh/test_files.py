"""scp and sftp: files of the sandbox, and no others."""

import os
import re
from pathlib import Path


def test_files_old_and_new(ssh, place):
    """SCP's own protocol and SFTP: a folder with a link in it there and back, and what fails is said."""
    folder = place / "folder"
    folder.mkdir()
    (folder / "data").write_bytes(os.urandom(700_000))
    (folder / "link").symlink_to("data")
    for flags in (["-O"], []):
        back = place / f"back{''.join(flags)}"
        assert 0 == ssh(*flags, "-rp", folder, "alpha:there" + "".join(flags), program="scp").returncode
        assert 0 == ssh(*flags, "-rp", "alpha:there" + "".join(flags), back, program="scp").returncode
        assert {(folder / "data").read_bytes()} == {(back / name).read_bytes() for name in ("data", "link")}
        assert 1 == ssh(*flags, "alpha:nothing", back, program="scp").returncode
        refused = ssh(*flags, folder / "data", "alpha:/usr/x", program="scp")
        words = re.search(rb"Permission denied|Read-only file system", refused.stderr)
        assert (1, True) == (refused.returncode, words is not None), refused.stderr


def test_files_are_those_inside(ssh, place):
    """No path leads SFTP out: neither up, nor through a link, nor to what root could read."""
    (place / "secret").write_text("secret")
    ssh("alpha", f"ln -s {place} out; ln -s / root")
    batch = "\n".join(f"-get {path} {place}/leaked" for path in ("out/secret", f"root{place}/secret", "/etc/shadow"))
    ssh("-q", "alpha", program="sftp", input=batch.encode())
    assert not (place / "leaked").exists()


def test_sftp_commands(ssh, place):
    """What SFTP's own client can do with files."""
    batch = (
        f"mkdir d\nput {__file__} d/a\nrename d/a d/b\nsymlink b d/c\nln d/b d/h\nchmod 600 d/b\nls -l d\n"
        f"get d/c {place}/c\nrm d/b\nrm d/c\nrm d/h\nrmdir d\n-ls d\ndf\n"
    )
    done = ssh("-b", "-", "alpha", program="sftp", input=batch.encode())
    assert 0 == done.returncode, done.stderr
    assert Path(__file__).read_bytes() == (place / "c").read_bytes()
    assert [b"-rw-------", b"lrwxrwxrwx", b"-rw-------"] == re.findall(
        rb"^([l-]\S+) .* (?:d/)?[bch]$", done.stdout, re.M
    )
