"""Writes the register (DESIGN: the record is the permission). Owns the order of writing; reads nothing back."""

from gateway.register.rows import Closing, Opening, Permission, Receipt, Stale
from gateway.register.session import Schema, Server
from gateway.register.slot import Figures, Pace
from gateway.register.waiting import Rations
from gateway.register.writer import Patience, RegisterWriter, WriterSettings

__all__ = [
    "Closing",
    "Figures",
    "Opening",
    "Pace",
    "Patience",
    "Permission",
    "Rations",
    "Receipt",
    "RegisterWriter",
    "Schema",
    "Server",
    "Stale",
    "WriterSettings",
]
