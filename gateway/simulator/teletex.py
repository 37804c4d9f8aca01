"""The Teletex character set of the classic messages of the BRP (ISO/IEC 6937, T.61): a mark precedes its letter. Pure.

Refuses characters that the set does not have (ValueError); nothing is replaced by something like it.
"""

import unicodedata
from typing import Final

_MARKS: Final = {
    0xC1: "\u0300", 0xC2: "\u0301", 0xC3: "\u0302", 0xC4: "\u0303", 0xC5: "\u0304", 0xC6: "\u0306", 0xC7: "\u0307",
    0xC8: "\u0308", 0xCA: "\u030a", 0xCB: "\u0327", 0xCD: "\u030b", 0xCE: "\u0328", 0xCF: "\u030c",
}  # fmt: skip
_SIGNS: Final = {
    0xA1: "¡", 0xA2: "¢", 0xA3: "£", 0xA4: "$", 0xA5: "¥", 0xA6: "#", 0xA7: "§", 0xA8: "¤", 0xAB: "«", 0xB0: "°",
    0xB1: "±", 0xB2: "²", 0xB3: "³", 0xB4: "×", 0xB5: "µ", 0xB6: "¶", 0xB7: "·", 0xB8: "÷", 0xBB: "»", 0xBC: "¼",
    0xBD: "½", 0xBE: "¾", 0xBF: "¿", 0xE0: "Ω", 0xE1: "Æ", 0xE2: "Đ", 0xE3: "ª", 0xE4: "Ħ", 0xE6: "Ĳ", 0xE7: "Ŀ",
    0xE8: "Ł", 0xE9: "Ø", 0xEA: "Œ", 0xEB: "º", 0xEC: "Þ", 0xED: "Ŧ", 0xEE: "Ŋ", 0xEF: "ŉ", 0xF0: "ĸ", 0xF1: "æ",
    0xF2: "đ", 0xF3: "ð", 0xF4: "ħ", 0xF5: "ı", 0xF6: "ĳ", 0xF7: "ŀ", 0xF8: "ł", 0xF9: "ø", 0xFA: "œ", 0xFB: "ß",
    0xFC: "þ", 0xFD: "ŧ", 0xFE: "ŋ",
}  # fmt: skip
_ABSENT_ASCII: Final = frozenset("#$\\^`{}~")
"""Not at their places of ASCII in T.61; # and $ have places of their own above."""
_BYTES: Final = {sign: byte for byte, sign in _SIGNS.items()}
_MARK_BYTES: Final = {mark: byte for byte, mark in _MARKS.items()}


def decode(content: bytes) -> str:
    """Give the text, composed (NFC). Raises ValueError for a byte without meaning or a mark without a letter."""
    found: list[str] = []
    mark = ""
    for byte in content:
        if byte in _MARKS and not mark:
            mark = _MARKS[byte]
            continue
        letter = _letter(byte)
        found.append(unicodedata.normalize("NFC", letter + mark) if mark else letter)
        mark = ""
    if mark:
        raise ValueError("a mark without a letter")
    return "".join(found)


def _letter(byte: int) -> str:
    if byte < 0x80 and chr(byte) not in _ABSENT_ASCII:
        return chr(byte)
    if byte in _SIGNS:
        return _SIGNS[byte]
    raise ValueError("a byte that Teletex does not have")


def encode(text: str) -> bytes:
    """Give the bytes. Raises ValueError for a character that the set does not have."""
    found = bytearray()
    for character in unicodedata.normalize("NFC", text):
        found += _encoded(character)
    return bytes(found)


def _encoded(character: str) -> bytes:
    if ord(character) < 0x80 and character not in _ABSENT_ASCII:
        return character.encode("ascii")
    if character in _BYTES:
        return bytes([_BYTES[character]])
    parts = unicodedata.normalize("NFD", character)
    letter, marks = parts[0], parts[1:]
    if len(marks) == 1 and marks in _MARK_BYTES and letter.isascii():
        return bytes([_MARK_BYTES[marks], ord(letter)])
    raise ValueError("a character that Teletex does not have")
