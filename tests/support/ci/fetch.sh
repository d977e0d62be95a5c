#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# fetch.sh <command> ...: runs what fetches from the package index; where that fails for want of trust, one sentence says so.
set -euo pipefail

code=0
said=$("$@" 2>&1 >/dev/null) || code=$?
if [ "$code" != 0 ] && grep -qiE 'UnknownIssuer|certificate verify failed|CERTIFICATE_VERIFY_FAILED|invalid peer certificate' <<<"$said"; then
    echo "Cannot fetch packages: the certificate of the package index, or of the proxy in front of it, is signed by an authority that this machine does not trust." \
        "Add the authority to the machine's (Debian: update-ca-certificates), or name a file with it: SSL_CERT_FILE=/path/to/authorities.crt." >&2
elif [ -n "$said" ]; then
    printf '%s\n' "$said" >&2
fi
exit "$code"
