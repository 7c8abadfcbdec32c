#!/usr/bin/env bash
# nanoarrow 0.9.0 (Python): numbers of a dictionary column in a compressed Arrow IPC stream are other numbers, without an error.
#
# The reader takes LZ4 and ZSTD apart in record batches, and not in the batches that bring dictionaries: there the compressed bytes,
# with the length before them, are taken for the values. Where they are as many as the values need it is silent; a longer
# dictionary, and text, end in sizes that do not fit. The other columns of the stream are right, and so are
# short dictionaries of booleans, which are too small to be compressed. Seen, of 1.5, 2.5, -3.5 and of 10, 20, 30:
#                          plain              dictionary
#   none                   1.5, 2.5, -3.5     1.5, 2.5, -3.5
#   lz4                    1.5, 2.5, -3.5     1.2e-322, 4.5e-205, 9.8e-150         (to expect: as plain)
#   zstd                   1.5, 2.5, -3.5     1.2e-322, 4.9e-305, -1.1e+270
#   none                   10, 20, 30         10, 20, 30
#   lz4                    10, 20, 30         24, 1405756815161762308, 281518496808960
#   zstd                   10, 20, 30         24, 46469901123040552, 8444335201345536
#   1000 .. 2999, lz4      as written         "Expected int64 array buffer 1 to have size >= 16000 bytes"
#   'x', 'y', 'z', zstd    as written         "Expected string array buffer 2 to have size >= 8458272 bytes"
# pyarrow and polars read all of them. Who writes for nanoarrow writes without compression, or casts dictionaries to their
# values. nanoarrow's issue 936, open, says that the decompressor is not handed on to the decoders of dictionaries.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check nanoarrow==0.9.0 pyarrow==26.0.1 polars==2.1.0 >&2
"$folder/venv/bin/python" - <<'PYTHON'
import io

import nanoarrow
import polars
import pyarrow as pa

print("nanoarrow", nanoarrow.__version__, "pyarrow", pa.__version__)


def read(values: list, compression: str | None) -> list | str:
    """What nanoarrow reads of the dictionary; the plain column beside it and the other readers are right."""
    plain = pa.array(values)
    table = pa.table({"plain": plain, "dictionary": plain.dictionary_encode()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    stream = sink.getvalue()
    assert pa.ipc.open_stream(stream).read_all().equals(table)
    assert polars.read_ipc_stream(stream)["dictionary"].cast(polars.from_arrow(plain).dtype).to_list() == values
    try:
        rows = list(nanoarrow.ArrayStream.from_readable(stream).iter_tuples())
    except RuntimeError as error:
        found = str(error).split(": ", 1)[1]
    else:
        assert [row[0] for row in rows] == values
        found = [row[1] for row in rows]
    print(f"{values[:3]}, {compression}:", found[:3] if isinstance(found, list) else found)
    return found


for numbers in ([1.5, 2.5, -3.5], [10, 20, 30]):
    assert read(numbers, None) == numbers
    for codec in ("lz4", "zstd"):
        wrong = read(numbers, codec)
        assert isinstance(wrong, list) and len(wrong) == 3 and not set(wrong) & set(numbers), "dictionaries are right now"
many, text = list(range(1000, 3000)), ["x", "y", "z"]
assert read(many, None) == many and "16000 bytes" in read(many, "lz4")
assert read(text, None) == text and "8458272 bytes" in read(text, "zstd")
PYTHON
