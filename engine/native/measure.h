/* How many bytes rows take in an Arrow IPC message, and which rows of its children an array's rows use. */
#ifndef GRISM_MEASURE_H
#define GRISM_MEASURE_H

#include <stdbool.h>

#include "buffers.h"
#include "layout.h"

/* Rows of an array, counted from its offset. */
struct range {
  int64_t first, rows;
};

/* An IPC writer sends more than the rows need for three layouts, as they stand: every data buffer of a view array
   and, without an offset, the whole children of a dense union and of a list view. A cut (slice.h) has only what its
   rows need. */
enum form { AS_IS, CUT };

/* An upper bound of the body and metadata bytes that `rows` of `array` add to a message; a dictionary travels in a
   message of its own and does not count. */
int64_t measure(const struct layout *layout, const struct ArrowArray *array, struct range rows, enum form form);

/* The rows of child `i` that `rows` of `array` use. */
struct range child_range(const struct layout *layout, const struct ArrowArray *array, struct range rows, int64_t i,
                         enum form form);

/* Whether a cut of a view array copies the strings that it needs (`*used` bytes) instead of sharing all of them. */
bool views_are_copied(const struct ArrowArray *array, struct range rows, int64_t *used);

#endif
