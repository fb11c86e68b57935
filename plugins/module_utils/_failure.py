# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The base of all that this collection raises."""

import typing as t


class Failure(Exception):
    """Something can't be done.

    Its message is for whoever runs the play: the file, the certificate, the reason and the remedy. Where another
    message goes on from it, the class says what is left out. ``facts`` go into the module's result.
    """

    def __init__(self, message: str = "", **facts: t.Any) -> None:
        super().__init__(message)
        self.facts = facts
