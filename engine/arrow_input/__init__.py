"""What Arrow data may enter: an allow-list of types, and of their values.

The kernel and the storages believe what a schema says, and some values that Arrow calls valid end them. So data of
others goes through an `Entrance`: it refuses by the column's name what is not known to be safe, undoes encodings that
are none of a value (dictionaries, runs, views), and looks at the values of the types that nobody else looks at.

>>> entrance = Entrance(pa.schema({"x": pa.dictionary(pa.int32(), pa.string())}))
>>> entrance.schema.field("x").type
DataType(string)
"""

from engine.arrow_input.entrance import Entrance
from engine.arrow_input.guard import Look, StreamGuard, all_good, look_of, stored_value_error
from engine.arrow_input.types import check_stored, entering_field, entering_schema, extension_name, has_extension
from engine.arrow_input.values import check_values

__all__ = [
    "Entrance",
    "Look",
    "StreamGuard",
    "all_good",
    "check_stored",
    "check_values",
    "entering_field",
    "entering_schema",
    "extension_name",
    "has_extension",
    "look_of",
    "stored_value_error",
]
