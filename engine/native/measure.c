#include "measure.h"

/* Metadata of one array and of one buffer in a message (FieldNode and Buffer in Arrow's Message.fbs). */
enum { NODE = 16, BUFFER = 16 };

/* A buffer's bytes in a message: writers may send it padded to 64. */
static int64_t buffer_bytes(int64_t bytes) { return BUFFER + ((bytes + 63) & ~INT64_C(63)); }

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* The bytes of all data buffers; a view array's last buffer holds their sizes. */
static int64_t shared_view_bytes(const struct ArrowArray *array) {
  int64_t total = 0, last = array->n_buffers - 1;
  for (int64_t i = 2; i < last; i++) total += buffer_bytes(load(array->buffers[last], 8, i - 2));
  return total;
}

static int64_t used_view_bytes(const struct ArrowArray *array, struct range rows) {
  int64_t total = 0, at = array->offset + rows.first;
  for (int64_t i = at; i < at + rows.rows; i++) {
    struct view view = load_view(array->buffers[1], i);
    if (view.length > INLINE_VIEW && is_valid(array, i)) total += view.length;
  }
  return total;
}

bool views_are_copied(const struct ArrowArray *array, struct range rows, int64_t *used) {
  int64_t shared = shared_view_bytes(array);
  if (shared == 0) return false;
  *used = used_view_bytes(array, rows);
  /* Views hold 32-bit offsets into a buffer. */
  return buffer_bytes(*used) < shared && *used <= INT32_MAX;
}

static int64_t view_data_bytes(const struct ArrowArray *array, struct range rows, enum form form) {
  int64_t used;
  return form == CUT && views_are_copied(array, rows, &used) ? buffer_bytes(used) : shared_view_bytes(array);
}

static struct range list_range(const struct layout *layout, const struct ArrowArray *array, struct range rows) {
  if (rows.rows == 0) return (struct range){0, 0};
  int64_t at = array->offset + rows.first;
  int64_t first = load(array->buffers[1], layout->width, at);
  return (struct range){first, load(array->buffers[1], layout->width, at + rows.rows) - first};
}

static struct range list_view_range(const struct layout *layout, const struct ArrowArray *array, struct range rows,
                                    enum form form) {
  int64_t at = array->offset + rows.first, items = array->children[0]->length;
  if (form == AS_IS && at == 0) return (struct range){0, items};
  int64_t first = INT64_MAX, end = 0;
  for (int64_t i = at; i < at + rows.rows; i++) {
    int64_t size = load(array->buffers[2], layout->width, i);
    if (form == CUT && (size == 0 || !is_valid(array, i))) continue;
    int64_t offset = load(array->buffers[1], layout->width, i);
    first = min64(first, offset);
    end = max64(end, offset + size);
  }
  if (first == INT64_MAX) return (struct range){0, 0};
  /* Arrow C++ 26 sends `end` items from `first` on. */
  return (struct range){first, form == CUT ? end - first : min64(end, items - first)};
}

static struct range dense_union_range(const struct layout *layout, const struct ArrowArray *array, struct range rows,
                                      int64_t child, enum form form) {
  int64_t at = array->offset + rows.first;
  if (form == AS_IS && at == 0) return (struct range){0, array->children[child]->length};
  const int8_t *codes = array->buffers[0];
  int64_t first = INT64_MAX, end = 0;
  for (int64_t i = at; i < at + rows.rows; i++) {
    if (codes[i] != layout->codes[child]) continue;
    int64_t offset = load(array->buffers[1], 4, i);
    first = min64(first, offset);
    end = max64(end, offset + 1);
  }
  return first == INT64_MAX ? (struct range){0, 0} : (struct range){first, end - first};
}

/* The first run, from run `from` on, that ends after `row`. */
static int64_t run_of(const struct layout *layout, const struct ArrowArray *ends, int64_t from, int64_t row) {
  int64_t low = from, high = ends->length;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (load(ends->buffers[1], layout->width, ends->offset + middle) > row) high = middle;
    else low = middle + 1;
  }
  return low;
}

static struct range run_range(const struct layout *layout, const struct ArrowArray *array, struct range rows) {
  if (rows.rows == 0) return (struct range){0, 0};
  int64_t at = array->offset + rows.first;
  int64_t first = run_of(layout, array->children[0], 0, at);
  int64_t last = run_of(layout, array->children[0], first, at + rows.rows - 1);
  return (struct range){first, last + 1 - first};
}

struct range child_range(const struct layout *layout, const struct ArrowArray *array, struct range rows, int64_t i,
                         enum form form) {
  int64_t at = array->offset + rows.first;
  switch (layout->kind) {
    case LIST: return list_range(layout, array, rows);
    case LIST_VIEW: return list_view_range(layout, array, rows, form);
    case FIXED_LIST: return (struct range){at * layout->width, rows.rows * layout->width};
    case DENSE_UNION: return dense_union_range(layout, array, rows, i, form);
    case RUN_END: return run_range(layout, array, rows);
    default: return (struct range){at, rows.rows};
  }
}

/* The bytes of an array's buffers after validity, without its children. */
static int64_t own_bytes(const struct layout *layout, const struct ArrowArray *array, struct range rows,
                         enum form form) {
  int64_t n = rows.rows, width = layout->width;
  switch (layout->kind) {
    case FIXED: return buffer_bytes((n * width + 7) / 8);
    case BINARY: return buffer_bytes((n + 1) * width) + buffer_bytes(list_range(layout, array, rows).rows);
    case VIEW: return 8 + buffer_bytes(n * 16) + view_data_bytes(array, rows, form);
    case LIST: return buffer_bytes((n + 1) * width);
    case LIST_VIEW: return 2 * buffer_bytes(n * width);
    case SPARSE_UNION: return buffer_bytes(n);
    case DENSE_UNION: return buffer_bytes(n) + buffer_bytes(n * 4);
    default: return 0;
  }
}

int64_t measure(const struct layout *layout, const struct ArrowArray *array, struct range rows, enum form form) {
  int64_t total = NODE + own_bytes(layout, array, rows, form);
  if (layout_has_validity(layout)) total += buffer_bytes(may_have_nulls(array) ? (rows.rows + 7) / 8 : 0);
  for (int64_t i = 0; i < layout->n_children; i++) {
    struct range used = child_range(layout, array, rows, i, form);
    total += measure(&layout->children[i], array->children[i], used, form);
  }
  return total;
}
