"""Files that are damaged: bytes, and the structures that formats have."""

import copy
import json
import zlib

ODD_NUMBERS = (0, 1, -1, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63, 10**30)
ODD_VALUES = (
    *ODD_NUMBERS,
    None,
    True,
    "",
    "\x1b\n",
    "x" * 300,
    [],
    {},
    [[]],
    0.5,
    1e308,
)


def damage(content, rng):
    """Change, cut out, double or overwrite some bytes, most of them near the start.

    Parameters
    ----------
    content : bytes
        Of a file.
    rng : random.Random
        Where chance comes from.

    Returns
    -------
    bytes
        Damaged.
    """
    content = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        if not content:
            break
        near = min(600, len(content)) if rng.random() < 0.6 else len(content)
        place = rng.randrange(near)
        kind = rng.randrange(8)
        if kind == 0:
            content[place] = rng.randrange(256)
        elif kind == 1:
            content[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            content[place : place + 4] = rng.randbytes(4)
        elif kind == 3:
            del content[place : place + rng.randint(1, 40)]
        elif kind == 4:
            content[place:place] = content[place : place + rng.randint(1, 40)]
        elif kind == 5:
            number = rng.choice(ODD_NUMBERS) % 2**64
            width = rng.choice((1, 2, 4, 8))
            order = rng.choice(("little", "big"))
            content[place : place + width] = (number % 2 ** (8 * width)).to_bytes(
                width, order
            )
        elif kind == 6:
            del content[place:]
        else:
            content[place : place + 1] = rng.choice((b"\xff", b"\0", b"\x7f", b"9"))
    return bytes(content)


def damage_json(content, rng):
    """Put odd values into a document, take parts of it away, or damage its text.

    Parameters
    ----------
    content : bytes
        JSON.
    rng : random.Random
        Where chance comes from.

    Returns
    -------
    bytes
        Of a document that may be none.
    """
    if rng.random() < 0.3:
        return damage(content, rng)
    document = json.loads(content)
    for _ in range(rng.randint(1, 3)):
        holders = [one for one in _holders(document) if one]
        holder = rng.choice(holders)
        key = rng.choice(
            list(holder) if isinstance(holder, dict) else range(len(holder))
        )
        if rng.random() < 0.2:
            del holder[key]
        elif rng.random() < 0.1 and isinstance(holder, list):
            holder *= 2
        else:
            # A copy: what is put in may be changed next, or put into itself.
            holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))
        if not document:
            break
    return json.dumps(document).encode()


def _holders(value):
    if isinstance(value, (dict, list)):
        yield value
        for one in value.values() if isinstance(value, dict) else value:
            yield from _holders(one)


def damage_png(content, rng):
    """Damage a PNG within a chunk, with its sum put right."""
    place, chunks = 8, []
    while place + 12 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 :][:size]))
        place += size + 12
    number = rng.randrange(len(chunks))
    name, data = chunks[number]
    chunks[number] = (name, damage(data, rng) if data else rng.randbytes(9))
    found = [content[:8]]
    for name, data in chunks:
        check = zlib.crc32(name + data).to_bytes(4, "big")
        found.append(len(data).to_bytes(4, "big") + name + data + check)
    return b"".join(found)
