# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Spans of time as people write them (``30d``, ``1d12h``) and as sentences say them (``3 days``)."""

import re
import typing as t

UNITS = (("w", "week", 7 * 86400), ("d", "day", 86400), ("h", "hour", 3600), ("m", "minute", 60), ("s", "second", 1))
SIZES = {letter: size for letter, _name, size in UNITS}
PART = re.compile(r"([0-9]+)\s*([wdhms])\s*", re.ASCII)
LONGEST = 1000  # characters
MAX_SECONDS = 10000 * 366 * 86400  # no certificate can be valid any longer: GeneralizedTime ends in the year 9999


def seconds(text: "t.Union[str, int]") -> int:
    """Seconds (int) of a span such as ``30d``, ``12h``, ``2w``, ``1d12h``, or of a plain number of seconds.

    Raises ValueError with a sentence for anything else.
    """
    written = str(text).strip()
    if len(written) > LONGEST:
        raise ValueError("%r... is no span of time: it is too long" % written[:50])
    if re.match(r"[0-9]+\Z", written, re.ASCII):
        total = int(written)
    else:
        parts = PART.findall(written)
        if not parts or PART.sub("", written):
            raise ValueError("%r is no span of time: write for example 30d, 12h, 2w or 1d12h (w weeks, d days, "
                             "h hours, m minutes, s seconds), or a plain number of seconds" % written)
        total = sum(int(count) * SIZES[unit] for count, unit in parts)
    if total > MAX_SECONDS:
        raise ValueError("%r is longer than any certificate can be valid" % written)
    return total


def of_option(name: str, text: "t.Union[str, int]") -> int:
    """As ``seconds``; the sentence of the ValueError begins with the option's name."""
    try:
        return seconds(text)
    except ValueError as error:
        raise ValueError("%s: %s" % (name, error))


def spoken(span: float) -> str:
    """A number of seconds for a sentence, in its largest unit up to days, rounded down: ``3 days``, ``1 hour``."""
    for _letter, name, size in UNITS[1:]:
        if span >= size:
            count = int(span // size)
            return "%d %s%s" % (count, name, "" if count == 1 else "s")
    return "less than a second"
