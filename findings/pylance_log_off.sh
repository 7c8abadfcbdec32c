#!/usr/bin/env bash
# pylance 14.0.2: with LANCE_LOG=off, the way to silence its native code, `import lance` raises.
#
# The variable is read twice: by the native logger, whose filters are those of Rust's env_logger (a level of which `off` is one, a
# module, `module=level`), and by Python, which takes the first entry without an equals sign for one of its own levels and knows
# neither `off` nor the name of a module. Seen:
#   LANCE_LOG=off, LANCE_LOG=lance_io         : ValueError: Unknown level: 'OFF', 'LANCE_IO'
#   LANCE_LOG=error,off                       : imports, and is silent
#   LANCE_LOG=lance=off, LANCE_LOG=trace      : imports
# (to expect: all import.) Who wants silence says `error,off`: Python takes the first entry, the native logger the last.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 >&2
cat > "$folder/warn.py" <<'PYTHON'
import sys

import lance
import pyarrow as pa

# the next format of files is not stable yet, of which the native code warns
lance.write_dataset(pa.table({"x": [1]}), sys.argv[1], data_storage_version="2.3", mode="overwrite")
PYTHON

told() {
    printf 'LANCE_LOG=%s: ' "$1"
    LANCE_LOG=$1 "$folder/venv/bin/python" "$folder/warn.py" "$folder/t.lance" > "$folder/told" 2>&1 || true
    grep -o -e "ValueError: .*" -e "WARN" "$folder/told" || echo silent
}

"$folder/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep pylance
told warn | tee "$folder/warn"
told off | tee "$folder/off"
told lance_io | tee "$folder/module"
told lance=off | tee "$folder/filter"
told error,off | tee "$folder/both"
grep -q "WARN" "$folder/warn"
grep -q "ValueError: Unknown level: 'OFF'" "$folder/off" || { echo "off imports now"; exit 1; }
grep -q "ValueError: Unknown level: 'LANCE_IO'" "$folder/module" || { echo "a module imports now"; exit 1; }
grep -q "silent" "$folder/both"
