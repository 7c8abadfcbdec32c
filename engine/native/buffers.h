/* What stands in an array's buffers, which may begin at any address. */
#ifndef GRISM_BUFFERS_H
#define GRISM_BUFFERS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "arrow_abi.h"

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

/* Integer `i` of a buffer of integers of `width` bytes. */
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
