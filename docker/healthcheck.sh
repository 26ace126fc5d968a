#!/usr/bin/env bash
# Whether a URL answers with success: healthcheck.sh URL. Python asks, since the image has no curl.
set -euo pipefail
url="${1:?"must be a URL"}"
tree="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
exec "$tree/.venv/bin/python" -S -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=4)' "$url"
