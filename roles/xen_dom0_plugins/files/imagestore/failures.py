# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What callers are told: a code and a sentence."""

BAD_REQUEST = "IMAGESTORE_BAD_REQUEST"
BAD_IMAGE = "IMAGESTORE_BAD_IMAGE"
BAD_DIGEST = "IMAGESTORE_BAD_DIGEST"
SOURCE = "IMAGESTORE_SOURCE"
NO_SPACE = "IMAGESTORE_NO_SPACE"
SR = "IMAGESTORE_SR"
CANCELLED = "IMAGESTORE_CANCELLED"
FAILED = "IMAGESTORE_FAILED"


class Failure(Exception):
    """A failure as XAPI passes it on; the last detail is the sentence."""

    def __init__(self, code, *details):
        Exception.__init__(self, details[-1])
        self.code = code
        self.details = details
        self.sentence = details[-1]


class Terminated(BaseException):
    """The host wants this process to end: what is staged is removed first."""


def bad_image(sentence):
    return Failure(BAD_IMAGE, sentence)


def bad_request(sentence):
    return Failure(BAD_REQUEST, sentence)
