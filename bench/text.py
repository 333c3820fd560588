"""Text as people's tools write it: any encoding, any line ends, with or without a byte-order mark."""

import codecs

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which is how it begins
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded(content: bytes, guess: bool = True) -> str:
    """Return the text that a file's bytes are; lines end with a line feed.

    Without a mark it is UTF-8, or UTF-16 where every other byte is zero, or else, where that is to `guess`,
    Windows' Latin 1. Raises ValueError where it is none of them.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not encoding:
        even, odd = content[:400:2], content[1:400:2]
        zeros = even.count(0), odd.count(0)
        encoding = "utf-8" if not any(zeros) else "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8" or not guess:
            raise
        text = content.decode("cp1252")
    if "\0" in text:
        raise ValueError("it contains bytes that are no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")
