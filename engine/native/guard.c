/* A stream that fails at the first value that is none of its type, at any depth of its columns. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arrow_abi.h"
#include "buffers.h"
#include "values.h"

#define EXPORT __attribute__((visibility("default")))

/* SKIPPED values are not looked at, nor what is inside of them. Offsets of 32 bits are SHORT, those of 64 bits LONG. */
enum shape { SKIPPED, FIXED, SHORT_BINARY, LONG_BINARY, STRUCT, SHORT_LIST, LONG_LIST, FIXED_LIST };

/* How to look at an array. `size` is the bytes of a FIXED value, or the items of a FIXED_LIST. */
struct look {
  int64_t shape, kind, param, size, n_children;
  struct look *children;
};

struct guard {
  struct ArrowArrayStream inner;
  struct look look; /* a STRUCT of the columns */
  char **refusals;  /* by column: what the stream fails with */
  const char *error;
};

static bool are_good(const struct look *look, const struct ArrowArray *array, int64_t first, int64_t end);

static bool is_good(const struct look *look, const struct ArrowArray *array, int64_t row) {
  int64_t at = array->offset + row;
  int64_t width = look->shape == LONG_BINARY || look->shape == LONG_LIST ? 8 : 4;
  const uint8_t *data;
  if (!is_valid(array, at)) return true;
  switch ((enum shape)look->shape) {
    case SKIPPED: return true;
    case FIXED:
      data = (const uint8_t *)array->buffers[1] + at * look->size;
      return is_value((enum value_kind)look->kind, look->param, (struct bytes){data, data + look->size});
    case SHORT_BINARY:
    case LONG_BINARY: {
      int64_t start = load(array->buffers[1], width, at), end = load(array->buffers[1], width, at + 1);
      data = start == end ? (const uint8_t *)"" : (const uint8_t *)array->buffers[2] + start;
      return is_value((enum value_kind)look->kind, look->param, (struct bytes){data, data + (end - start)});
    }
    case STRUCT:
      for (int64_t i = 0; i < look->n_children; i++) {
        if (look->children[i].shape != SKIPPED && !is_good(&look->children[i], array->children[i], at)) return false;
      }
      return true;
    case SHORT_LIST:
    case LONG_LIST:
      return are_good(look->children, array->children[0], load(array->buffers[1], width, at),
                      load(array->buffers[1], width, at + 1));
    case FIXED_LIST: return are_good(look->children, array->children[0], at * look->size, (at + 1) * look->size);
  }
  return false;
}

/* Whether decimals are in range, those behind NULLs too: a loop that the compiler makes fast. */
static bool all_in_range(const struct look *look, const struct ArrowArray *array, int64_t first, int64_t end) {
  __int128 limit = 1;
  bool outside = false;
  for (int64_t i = 0; i < look->param; i++) limit *= 10;
  for (int64_t row = first; row < end; row++) {
    __int128 number;
    memcpy(&number, (const uint8_t *)array->buffers[1] + (array->offset + row) * look->size, sizeof number);
    outside |= number >= limit || number <= -limit;
  }
  return !outside;
}

static bool are_good(const struct look *look, const struct ArrowArray *array, int64_t first, int64_t end) {
  if (look->shape == FIXED && look->kind == DECIMAL && all_in_range(look, array, first, end)) return true;
  for (int64_t row = first; row < end; row++) {
    if (!is_good(look, array, row)) return false;
  }
  return true;
}

static int get_next(struct ArrowArrayStream *self, struct ArrowArray *out) {
  struct guard *guard = self->private_data;
  int code = guard->inner.get_next(&guard->inner, out);
  guard->error = NULL;
  if (code != 0 || out->release == NULL) return code;
  for (int64_t i = 0; i < guard->look.n_children; i++) {
    const struct look *look = &guard->look.children[i];
    if (look->shape == SKIPPED || are_good(look, out->children[i], out->offset, out->offset + out->length)) continue;
    out->release(out);
    out->release = NULL;
    guard->error = guard->refusals[i];
    return EINVAL;
  }
  return 0;
}

static int get_schema(struct ArrowArrayStream *self, struct ArrowSchema *out) {
  struct guard *guard = self->private_data;
  return guard->inner.get_schema(&guard->inner, out);
}

static const char *get_last_error(struct ArrowArrayStream *self) {
  struct guard *guard = self->private_data;
  return guard->error != NULL ? guard->error : guard->inner.get_last_error(&guard->inner);
}

static void look_free(struct look *look) {
  for (int64_t i = 0; look->children != NULL && i < look->n_children; i++) look_free(&look->children[i]);
  free(look->children);
}

static void guard_free(struct guard *guard) {
  for (int64_t i = 0; guard->refusals != NULL && guard->refusals[i] != NULL; i++) free(guard->refusals[i]);
  free(guard->refusals);
  look_free(&guard->look);
  free(guard);
}

static void release(struct ArrowArrayStream *self) {
  struct guard *guard = self->private_data;
  self->release = NULL;
  guard->inner.release(&guard->inner);
  guard_free(guard);
}

/* Reads a look and what is inside of it from five numbers for each, the outer ones first; false without memory. */
static bool look_read(const int64_t **numbers, struct look *look) {
  const int64_t *n = *numbers;
  *look = (struct look){n[0], n[1], n[2], n[3], n[4], calloc((size_t)n[4] + 1, sizeof *look)};
  *numbers += 5;
  bool whole = look->children != NULL;
  for (int64_t i = 0; whole && i < look->n_children; i++) whole = look_read(numbers, &look->children[i]);
  return whole;
}

/* Whether all of `array`, which it releases, is good: 1 or 0, or -1 without memory. `numbers` are what look_read reads. */
EXPORT int grism_all_good(struct ArrowArray *array, const int64_t *numbers) {
  struct look look;
  int good = look_read(&numbers, &look) ? are_good(&look, array, 0, array->length) : -1;
  look_free(&look);
  array->release(array);
  return good;
}

/* Wraps `inner`, which it takes over, into `out`. `numbers` are what look_read reads, for a struct of the columns, and
   `refusals` has a text for each. Returns 0, or ENOMEM, and then `inner` is released. */
EXPORT int grism_guard_open(struct ArrowArrayStream *inner, const int64_t *numbers, const char *const *refusals,
                            struct ArrowArrayStream *out) {
  struct guard *guard = calloc(1, sizeof *guard);
  bool whole = guard != NULL && look_read(&numbers, &guard->look);
  if (whole) guard->refusals = calloc((size_t)guard->look.n_children + 1, sizeof *guard->refusals);
  whole = whole && guard->refusals != NULL;
  for (int64_t i = 0; whole && i < guard->look.n_children; i++) {
    guard->refusals[i] = strdup(refusals[i]);
    whole = guard->refusals[i] != NULL;
  }
  if (!whole) {
    inner->release(inner);
    if (guard != NULL) guard_free(guard);
    return ENOMEM;
  }
  guard->inner = *inner;
  inner->release = NULL;
  *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release, guard};
  return 0;
}
