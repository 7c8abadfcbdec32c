#include "slice.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

struct source {
  atomic_int_fast64_t holders;
  struct ArrowArray batch;
};

struct source *source_new(struct ArrowArray *batch) {
  struct source *source = malloc(sizeof *source);
  if (source == NULL) return NULL;
  atomic_init(&source->holders, 1);
  source->batch = *batch;
  batch->release = NULL;
  return source;
}

const struct ArrowArray *source_batch(const struct source *source) { return &source->batch; }

void source_drop(struct source *source) {
  if (atomic_fetch_sub(&source->holders, 1) > 1) return;
  source->batch.release(&source->batch);
  free(source);
}

/* Memory that a slice wrote anew. */
struct written {
  struct written *next;
  max_align_t bytes[];
};

/* The arrays of one slice and all they point to. Whoever takes a child out of its parent may keep it longer than the
   parent, so every array holds the block. */
struct block {
  atomic_int_fast64_t holders;
  struct source *source;
  struct written *written;
  struct ArrowArray *next_array;
  struct ArrowArray **next_child;
  const void **next_buffer;
};

static void block_free(struct block *block) {
  for (struct written *next, *written = block->written; written != NULL; written = next) {
    next = written->next;
    free(written);
  }
  source_drop(block->source);
  free(block);
}

static void array_release(struct ArrowArray *array) {
  struct block *block = array->private_data;
  for (int64_t i = 0; i < array->n_children; i++) {
    if (array->children[i]->release != NULL) array->children[i]->release(array->children[i]);
  }
  if (array->dictionary != NULL && array->dictionary->release != NULL) array->dictionary->release(array->dictionary);
  array->release = NULL;
  if (atomic_fetch_sub(&block->holders, 1) == 1) block_free(block);
}

struct sizes {
  int64_t arrays, children, buffers;
};

/* A view array that is copied has four buffers, however many it had. */
static int64_t buffer_places(const struct ArrowArray *array) { return array->n_buffers < 4 ? 4 : array->n_buffers; }

static void count(const struct ArrowArray *array, struct sizes *sizes) {
  sizes->arrays++;
  sizes->children += array->n_children;
  sizes->buffers += buffer_places(array);
  for (int64_t i = 0; i < array->n_children; i++) count(array->children[i], sizes);
  if (array->dictionary != NULL) count(array->dictionary, sizes);
}

static struct block *block_new(struct source *source) {
  struct sizes sizes = {0, 0, 0};
  count(&source->batch, &sizes);
  size_t arrays = (size_t)sizes.arrays * sizeof(struct ArrowArray);
  size_t children = (size_t)sizes.children * sizeof(struct ArrowArray *);
  struct block *block = calloc(1, sizeof *block + arrays + children + (size_t)sizes.buffers * sizeof(void *));
  if (block == NULL) return NULL;
  atomic_init(&block->holders, 1); /* the top-level array, which is the caller's */
  atomic_fetch_add(&source->holders, 1);
  block->source = source;
  block->next_array = (struct ArrowArray *)(block + 1);
  block->next_child = (struct ArrowArray **)((char *)block->next_array + arrays);
  block->next_buffer = (const void **)((char *)block->next_child + children);
  return block;
}

/* Zeroed memory that lives as long as the block. */
static void *block_write(struct block *block, int64_t bytes) {
  struct written *written = calloc(1, sizeof *written + (size_t)bytes);
  if (written == NULL) return NULL;
  written->next = block->written;
  block->written = written;
  return written->bytes;
}

/* Makes `to` an array of the block that is like `from`, with its own places for buffers and children. */
static void array_like(struct block *block, const struct ArrowArray *from, struct ArrowArray *to) {
  *to = *from;
  to->release = array_release;
  to->private_data = block;
  to->buffers = block->next_buffer;
  block->next_buffer += buffer_places(from);
  if (from->n_buffers > 0) memcpy(to->buffers, from->buffers, (size_t)from->n_buffers * sizeof(void *));
  to->children = block->next_child;
  block->next_child += from->n_children;
}

static struct ArrowArray *next_array(struct block *block) {
  atomic_fetch_add_explicit(&block->holders, 1, memory_order_relaxed);
  return block->next_array++;
}

static void share(struct block *block, const struct ArrowArray *from, struct ArrowArray *to) {
  array_like(block, from, to);
  for (int64_t i = 0; i < from->n_children; i++) {
    to->children[i] = next_array(block);
    share(block, from->children[i], to->children[i]);
  }
  if (from->dictionary != NULL) {
    to->dictionary = next_array(block);
    share(block, from->dictionary, to->dictionary);
  }
}

static const void *shift(const void *buffer, int64_t bytes) {
  return buffer == NULL ? NULL : (const char *)buffer + bytes;
}

/* `n` bits of `bits` from bit `at` on, at bit 0; NULL where there is no memory. */
static const void *cut_bits(struct block *block, const uint8_t *bits, int64_t at, int64_t n) {
  int64_t skip = at & 7, bytes = (n + 7) / 8;
  bits += at >> 3;
  if (skip == 0) return bits;
  uint8_t *to = block_write(block, bytes);
  if (to == NULL) return NULL;
  int64_t last = (skip + n - 1) >> 3;
  for (int64_t i = 0; i < bytes; i++) {
    unsigned high = i + 1 <= last ? bits[i + 1] : 0;
    to[i] = (uint8_t)(bits[i] >> skip | high << (8 - skip));
  }
  return to;
}

static int cut_views(struct block *block, const struct ArrowArray *from, struct range rows, struct ArrowArray *to) {
  int64_t used, at = from->offset + rows.first;
  if (!views_are_copied(from, rows, &used)) {
    to->buffers[1] = shift(from->buffers[1], at * (int64_t)sizeof(struct view));
    return 0;
  }
  struct view *views = block_write(block, rows.rows * (int64_t)sizeof *views);
  char *data = block_write(block, used);
  int64_t *size = block_write(block, sizeof *size);
  if (views == NULL || data == NULL || size == NULL) return ENOMEM;
  for (int64_t i = 0; i < rows.rows; i++) {
    if (!is_valid(from, at + i)) continue;
    struct view view = load_view(from->buffers[1], at + i);
    if (view.length > INLINE_VIEW) {
      memcpy(data + *size, (const char *)from->buffers[2 + view.buffer] + view.offset, (size_t)view.length);
      view.buffer = 0;
      view.offset = (int32_t)*size;
      *size += view.length;
    }
    views[i] = view;
  }
  to->n_buffers = 4;
  to->buffers[1] = views;
  to->buffers[2] = data;
  to->buffers[3] = size;
  return 0;
}

static int cut_list(struct block *block, const struct layout *layout, const struct ArrowArray *from,
                    struct range rows, struct ArrowArray *to) {
  if (from->buffers[1] == NULL) return 0;
  int64_t width = layout->width, at = from->offset + rows.first, first = load(from->buffers[1], width, at);
  if (first == 0) {
    to->buffers[1] = shift(from->buffers[1], at * width);
    return 0;
  }
  void *offsets = block_write(block, (rows.rows + 1) * width);
  if (offsets == NULL) return ENOMEM;
  for (int64_t i = 0; i <= rows.rows; i++) store(offsets, width, i, load(from->buffers[1], width, at + i) - first);
  to->buffers[1] = offsets;
  return 0;
}

static int cut_list_view(struct block *block, const struct layout *layout, const struct ArrowArray *from,
                         struct range rows, struct ArrowArray *to) {
  int64_t width = layout->width, at = from->offset + rows.first;
  int64_t first = child_range(layout, from, rows, 0, CUT).first;
  void *offsets = block_write(block, rows.rows * width);
  void *sizes = block_write(block, rows.rows * width);
  if (offsets == NULL || sizes == NULL) return ENOMEM;
  for (int64_t i = 0; i < rows.rows; i++) {
    int64_t size = load(from->buffers[2], width, at + i);
    if (size == 0 || !is_valid(from, at + i)) continue;
    store(offsets, width, i, load(from->buffers[1], width, at + i) - first);
    store(sizes, width, i, size);
  }
  to->buffers[1] = offsets;
  to->buffers[2] = sizes;
  return 0;
}

static int cut_dense_union(struct block *block, const struct layout *layout, const struct ArrowArray *from,
                           struct range rows, struct ArrowArray *to) {
  int64_t at = from->offset + rows.first, first[128] = {0};
  for (int64_t i = 0; i < layout->n_children; i++) {
    first[layout->codes[i]] = child_range(layout, from, rows, i, CUT).first;
  }
  const int8_t *codes = shift(from->buffers[0], at);
  int32_t *offsets = block_write(block, rows.rows * (int64_t)sizeof *offsets);
  if (offsets == NULL) return ENOMEM;
  for (int64_t i = 0; i < rows.rows; i++) {
    offsets[i] = (int32_t)(load(from->buffers[1], 4, at + i) - first[codes[i]]);
  }
  to->buffers[0] = codes;
  to->buffers[1] = offsets;
  return 0;
}

/* The ends of the runs in `to`, counted from the new start; the last run ends with the rows. */
static int cut_run_ends(struct block *block, const struct layout *layout, int64_t at, struct ArrowArray *to) {
  struct ArrowArray *ends = to->children[0];
  void *values = block_write(block, ends->length * layout->width);
  if (values == NULL) return ENOMEM;
  for (int64_t i = 0; i < ends->length; i++) {
    int64_t end = load(ends->buffers[1], layout->width, i) - at;
    store(values, layout->width, i, end < to->length ? end : to->length);
  }
  ends->buffers[1] = values;
  return 0;
}

static int cut_buffers(struct block *block, const struct layout *layout, const struct ArrowArray *from,
                       struct range rows, struct ArrowArray *to) {
  int64_t at = from->offset + rows.first;
  switch (layout->kind) {
    case FIXED:
      if (layout->width != 1) to->buffers[1] = shift(from->buffers[1], at * (layout->width / 8));
      else if (rows.rows > 0) to->buffers[1] = cut_bits(block, from->buffers[1], at, rows.rows);
      return to->buffers[1] == NULL && from->buffers[1] != NULL ? ENOMEM : 0;
    case BINARY: to->buffers[1] = shift(from->buffers[1], at * layout->width); return 0;
    case VIEW: return cut_views(block, from, rows, to);
    case LIST: return cut_list(block, layout, from, rows, to);
    case LIST_VIEW: return cut_list_view(block, layout, from, rows, to);
    case SPARSE_UNION: to->buffers[0] = shift(from->buffers[0], at); return 0;
    case DENSE_UNION: return cut_dense_union(block, layout, from, rows, to);
    default: return 0;
  }
}

static int cut(struct block *block, const struct layout *layout, const struct ArrowArray *from, struct range rows,
               struct ArrowArray *to);

static int cut_children(struct block *block, const struct layout *layout, const struct ArrowArray *from,
                        struct range rows, struct ArrowArray *to) {
  int code = 0;
  for (int64_t i = 0; code == 0 && i < from->n_children; i++) {
    struct range used = child_range(layout, from, rows, i, CUT);
    to->children[i] = next_array(block);
    code = cut(block, &layout->children[i], from->children[i], used, to->children[i]);
  }
  if (code == 0 && layout->kind == RUN_END) code = cut_run_ends(block, layout, from->offset + rows.first, to);
  return code;
}

/* Makes `to` the array of `rows` of `from`, at offset 0. */
static int cut(struct block *block, const struct layout *layout, const struct ArrowArray *from, struct range rows,
               struct ArrowArray *to) {
  array_like(block, from, to);
  to->offset = 0;
  to->length = rows.rows;
  if (layout->kind == NULLS) to->null_count = rows.rows;
  if (layout_has_validity(layout)) {
    bool nulls = rows.rows > 0 && may_have_nulls(from);
    to->null_count = nulls ? -1 : 0;
    to->buffers[0] = nulls ? cut_bits(block, from->buffers[0], from->offset + rows.first, rows.rows) : NULL;
    if (nulls && to->buffers[0] == NULL) return ENOMEM;
  }
  if (from->dictionary != NULL) {
    to->dictionary = next_array(block);
    share(block, from->dictionary, to->dictionary);
  }
  int code = cut_buffers(block, layout, from, rows, to);
  return code == 0 ? cut_children(block, layout, from, rows, to) : code;
}

int slice(struct source *source, const struct layout *layout, struct range rows, struct ArrowArray *out) {
  struct block *block = block_new(source);
  if (block == NULL) return ENOMEM;
  int code = cut(block, layout, &source->batch, rows, out);
  if (code != 0) {
    block_free(block);
    out->release = NULL;
  }
  return code;
}
