"""PostgreSQL servers that can be stopped, frozen, filled, copied, followed and promoted. Durable ones: fsync is on.

Owns the directories and processes of its nodes. What embedded.py makes is one server that is never durable; here its
programs and its watcher serve several, which outlive being stopped and never their maker.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway import embedded
from gateway.demo.ground import free_port
from migrations.command import migrate
from tests.databases import ROLES
from tests.faults.nodes import NAME, PASSWORD, Node


@dataclass(slots=True)
class Rack:
    """Where nodes are made. `programs` are PostgreSQL's, where the user that it runs as can reach them."""

    directory: Path
    place: embedded._Place
    nodes: list[Node] = field(default_factory=list)
    mounts: list[Path] = field(default_factory=list)

    def run(self, program: str, *arguments: str | Path, **more: Any) -> str:
        """Run one of PostgreSQL's programs as the user of the nodes; raises with what it said."""
        done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
            [self.place.programs / program, *arguments], cwd="/", capture_output=True, text=True, check=False, timeout=60,
            env={"PGPASSWORD": PASSWORD, **embedded._ENVIRONMENT}, **self.place.identity(), **more,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr[-2000:]}")
        return done.stdout

    def make_directory(self, name: str) -> Path:
        directory = self.directory / name
        directory.mkdir(mode=0o700)
        self.own(directory)
        return directory

    def own(self, path: Path) -> None:
        if self.place.account is not None:
            os.chown(path, self.place.account.pw_uid, self.place.account.pw_gid)

    def node(self, name: str, **settings: str) -> Node:
        """A place for a node without data yet."""
        place = embedded._Place(self.make_directory(name), self.place.programs, self.place.account)
        node = Node(place, free_port(), settings)
        self.nodes.append(node)
        return node

    def empty(self, name: str, *, epoch: int = 0, **settings: str) -> Node:
        """A running server with nothing in it, whose transactions have numbers of this epoch."""
        node = self.node(name, **settings)
        embedded._make_cluster(node.place, PASSWORD)
        if epoch:
            self.run("pg_resetwal", f"--epoch={epoch}", node.data)
        # Followers and base backups come in as the superuser.
        with (node.data / "pg_hba.conf").open("a") as file:
            file.write("host replication postgres 127.0.0.1/32 scram-sha-256\n")
        node.start()
        return node

    def migrated(
        self, name: str, stock: Path, disks: Mapping[str, int] | None = None, *, epoch: int = 0, **settings: str
    ) -> Node:
        """A running server with the migrated database and a user per role, copied from the stock.

        `disks` gives directories of it (`data`, `wal`) a disk of their own, of so many MB. `epoch` makes it an old one:
        its transactions have had so many times 2³² numbers.
        """
        node = self.node(name, **settings)
        for directory, size in (disks or {}).items():
            self._mount(node.place.directory / directory, size)
        shutil.copytree(stock, node.data, dirs_exist_ok=True, ignore=shutil.ignore_patterns("pg_wal"))
        wal = node.place.directory / "wal"
        shutil.copytree(stock / "pg_wal", wal, dirs_exist_ok=True)
        (node.data / "pg_wal").symlink_to(wal)
        for path in (node.data, *node.data.rglob("*"), wal, *wal.rglob("*")):
            self.own(path)
        node.data.chmod(0o700)
        if epoch:
            self.run("pg_resetwal", f"--epoch={epoch}", node.data)
        node.start()
        return node

    def _mount(self, directory: Path, megabytes: int) -> None:
        """Give a directory a disk of its own, in memory. Skips the test where that is not allowed."""
        directory.mkdir(mode=0o700)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", directory],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"A small disk cannot be mounted here, so none can be filled: {done.stderr.strip()}")
        self.mounts.append(directory)

    def follower(self, name: str, main: Node, **settings: str) -> Node:
        """A running standby of another node; `name` is what the main server knows it by."""
        node = self.node(name, **settings)
        self.rebuild(node, main)
        return node

    def rebuild(self, node: Node, main: Node) -> None:
        """Make a node, whatever it was, a running standby of another."""
        shutil.rmtree(node.data, ignore_errors=True)
        source = conninfo_of(main, node.place.directory.name)
        self.run("pg_basebackup", "-d", source, "-D", node.data, "--checkpoint=fast", "--write-recovery-conf")
        node.start()

    def restore(self, node: Node, backup: Path, archive: Path | None = None) -> None:
        """Start a node from a base backup; with an archive of the log, up to the last commit in it."""
        shutil.copytree(backup, node.data)
        if archive is not None:
            (node.data / "recovery.signal").touch()
            with (node.data / "postgresql.auto.conf").open("a") as file:
                file.write(f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_action = promote\n")
        for path in (node.data, *node.data.rglob("*")):
            self.own(path)
        node.data.chmod(0o700)
        node.start()


def conninfo_of(main: Node, name: str) -> str:
    """How a follower, or a base backup, reaches a node."""
    return f"host=127.0.0.1 port={main.port} user=postgres password={PASSWORD} application_name={name}"


@contextlib.contextmanager
def rack(parent: str | None) -> Iterator[Rack]:
    """A rack without nodes, gone with all of them afterwards."""
    account = embedded._unprivileged_account() if os.geteuid() == 0 else None
    directory = embedded._private_directory(account, parent)
    made = Rack(directory, embedded._Place(directory, Path(), account))
    try:
        programs = embedded._programs(directory, account, copy_programs=False)
        made.place = embedded._Place(directory, programs, account)
        yield made
    finally:
        for node in made.nodes:
            node.end()
        for mount in made.mounts:
            # Lazily: what the kernel has not let go of yet must not keep the disk for ever.
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)


def fill_stock(rack: Rack) -> Path:
    """The data of a stopped server with the migrated database and a user per role: what every test's node begins as."""
    node = rack.empty("stock", fsync="off")
    node.execute(f"CREATE DATABASE {NAME}")
    migrate(node.postgres.url(NAME))
    for role in ROLES:
        node.execute(f"CREATE ROLE test_{role} LOGIN PASSWORD '{PASSWORD}' IN ROLE koppelpunt_{role}")
    node.stop()
    return node.data


def url_of(role: str, *nodes: Node) -> str:
    """One URL that names several nodes, in this order."""
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    return f"postgresql://test_{role}:{PASSWORD}@{hosts}/{NAME}"
