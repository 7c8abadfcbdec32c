/* How many bytes rows take in an Arrow IPC message, and which rows of its children an array's rows use. */
#ifndef GRISM_MEASURE_H
#define GRISM_MEASURE_H

#include <string.h>

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

/* One 16-byte entry of a view array. Strings of up to 12 bytes are inside of it. */
struct view {
  int32_t length;
  char prefix[4];
  int32_t buffer;
  int32_t offset;
};
enum { INLINE_VIEW = 12 };

static inline struct view load_view(const void *views, int64_t i) {
  struct view view;
  memcpy(&view, (const char *)views + i * (int64_t)sizeof view, sizeof view);
  return view;
}

/* Integer `i` of a buffer of integers of `width` bytes: foreign buffers need not be aligned. */
static inline int64_t load(const void *buffer, int64_t width, int64_t i) {
  const char *at = (const char *)buffer + i * width;
  switch (width) {
    case 2: { int16_t v; memcpy(&v, at, 2); return v; }
    case 4: { int32_t v; memcpy(&v, at, 4); return v; }
    default: { int64_t v; memcpy(&v, at, 8); return v; }
  }
}

static inline void store(void *buffer, int64_t width, int64_t i, int64_t value) {
  char *at = (char *)buffer + i * width;
  switch (width) {
    case 2: { int16_t v = (int16_t)value; memcpy(at, &v, 2); return; }
    case 4: { int32_t v = (int32_t)value; memcpy(at, &v, 4); return; }
    default: memcpy(at, &value, 8);
  }
}

static inline bool may_have_nulls(const struct ArrowArray *array) {
  return array->null_count != 0 && array->n_buffers > 0 && array->buffers[0] != NULL;
}

/* `i` counts from the start of the buffers. */
static inline bool is_valid(const struct ArrowArray *array, int64_t i) {
  return !may_have_nulls(array) || (((const uint8_t *)array->buffers[0])[i >> 3] >> (i & 7) & 1);
}

#endif
