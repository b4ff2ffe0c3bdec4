"""Records the captures of this folder again: real mail programs, talking in namespaces that end with this script.

    sudo python captures/record.py --list
    sudo python captures/record.py [NAME ...]

Without names all scenes are recorded. No packet leaves the script's own namespaces; the mail servers are Debian's
packages, unpacked beside the system and not installed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from recording import network, readme, roots, scenes
from recording.lab import Lab, Scene
from recording.network import RecordingError
from recording.servers import Farm
from recording.tap import Recording, finish

FOLDER = Path(__file__).resolve().parent
INSIDE = "--inside"
TOOLS = {
    "tcpdump": "tcpdump",
    "dumpcap": "wireshark-common",
    "editcap": "wireshark-common",
    "tshark": "tshark",
    "swaks": "swaks",
    "msmtp": "msmtp",
    "curl": "curl",
    "uuenview": "uudeview",
    "binhex": "macutils",
    "ethtool": "ethtool",
    "ip": "iproute2",
    "openssl": "openssl",
    "dpkg-deb": "dpkg",
    "unshare": "util-linux",
}


def main() -> int:
    """Read the command line; record what it names; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="the scenes to record, all without")
    parser.add_argument("--list", action="store_true", help="list the scenes and what they show")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.list:
        for scene in scenes.SCENES.values():
            print(f"{scene.name + scene.tap.suffix:36} {scene.shows}")
        return 0
    try:
        wanted = choose(arguments.names)
        if not arguments.inside:
            enter_namespaces()
        record(wanted)
    except RecordingError as error:
        print(f"record.py: {error}", file=sys.stderr)
        return 1
    return 0


def choose(names: list[str]) -> list[Scene]:
    """Return the scenes of these names, all where there are none."""
    unknown = [name for name in names if name not in scenes.SCENES]
    if unknown:
        raise RecordingError(f"no scene is called {unknown[0]!r}; --list shows them all")
    return [scenes.SCENES[name] for name in names] or list(scenes.SCENES.values())


def enter_namespaces() -> None:
    """Become the first process of new namespaces: when it ends, programs, mounts and links end with it."""
    if os.geteuid() != 0:
        raise RecordingError("recording needs root, for namespaces and for tcpdump")
    if not Path("/etc/debian_version").exists():
        raise RecordingError("recording needs Debian or a child of it, for its packages")
    roots.require_tools(TOOLS)
    for host in roots.PACKAGES:
        roots.download(host)
    spaces = ("--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
    script = 'hostname wire && mount -t tmpfs none "$1" && shift && exec "$@"'
    for folder in (roots.SCRATCH, roots.ROOTS):
        folder.mkdir(parents=True, exist_ok=True)
    command = ["sh", "-c", script, "sh", str(roots.SCRATCH), sys.executable, "-B", *sys.argv, INSIDE]
    sys.stdout.flush()
    os.execvp("unshare", ["unshare", *spaces, *command])


def record(wanted: list[Scene]) -> None:
    """Play the scenes one after the other, each under its tap."""
    switch = network.build()
    farm = Farm()
    lab = Lab(switch, farm)
    farm.root("client")
    failed = []
    for scene in wanted:
        began = time.monotonic()
        try:
            record_one(lab, scene)
        except RecordingError as error:
            failed.append(scene.name)
            print(f"record.py: {scene.name}: {error}", file=sys.stderr)
            continue
        finally:
            lab.reset()
        print(f"{scene.name + scene.tap.suffix:36} {time.monotonic() - began:5.1f} s", flush=True)
    readme.write(FOLDER)
    if failed:
        raise RecordingError(f"not recorded: {', '.join(failed)}")


def record_one(lab: Lab, scene: Scene) -> None:
    """Record one scene and put its capture, and what comes with it, into the folder."""
    for host in scene.servers:
        lab.farm.need(host)
    target = FOLDER / (scene.name + scene.tap.suffix)
    with tempfile.TemporaryDirectory(dir=roots.SCRATCH) as scratch:
        raw = Path(scratch) / ("raw.pcapng" if scene.tap.pcapng else "raw.pcap")
        with Recording(scene.tap, raw):
            scene.play(lab)
        if scene.after:
            scene.after(lab, raw, target)
        finish(raw, scene.tap, target)
    readme.note(FOLDER, scene, target)


if __name__ == "__main__":
    sys.exit(main())
