#!/usr/bin/env bash
# pytest-xdist 3.8.0 with pytest 9.2.0: `--dist loadgroup` keeps no group together, and says nothing.
#
# Tests that are marked xdist_group("one") are to run in one process. xdist tells its scheduler the group by adding it to
# the private attribute `_nodeid` of each test, which pytest 9.2 does not read any more: a test's id is kept elsewhere. So
# every test is a group of its own. With pytest 9.1.1 the groups hold. A scheduler of one's own, by the hook
# pytest_xdist_make_scheduler, does keep groups together.
#
# Seen: pytest 9.1.1: 1 process; pytest 9.2.0: 2 processes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > test_group.py <<'TESTS'
import time

import pytest

pytestmark = pytest.mark.xdist_group("one")


@pytest.mark.parametrize("number", range(8))
def test_part(number, worker_id):
    time.sleep(0.2)
    with open("seen.txt", "a") as seen:
        seen.write(worker_id + "\n")
TESTS
cat > pytest.ini <<'INI'
[pytest]
INI

processes() {
    python3 -m venv "venv-$1"
    "venv-$1/bin/pip" install --quiet --disable-pip-version-check "pytest==$1" pytest-xdist==3.8.0
    rm -f seen.txt
    "venv-$1/bin/python" -m pytest -q -n 2 --dist loadgroup test_group.py > "log-$1" 2>&1 || { cat "log-$1"; exit 1; }
    sort -u seen.txt | wc -l | tr -d ' '
}

before=$(processes 9.1.1)
after=$(processes 9.2.0)
echo "processes that ran the group: pytest 9.1.1: $before, pytest 9.2.0: $after"
[ "$before" = 1 ] && [ "$after" = 2 ] || { echo "this has changed" >&2; exit 1; }
