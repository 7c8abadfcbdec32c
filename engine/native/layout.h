/* How a type lies in memory: the Arrow format string, read once for each stream. */
#ifndef GRISM_LAYOUT_H
#define GRISM_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "arrow_abi.h"

enum kind {
  NULLS,        /* no buffers */
  FIXED,        /* values of `width` bits; the indices of a dictionary too */
  BINARY,       /* offsets of `width` bytes, then data */
  VIEW,         /* 16-byte views, then any number of data buffers */
  LIST,         /* offsets of `width` bytes; a map is a list */
  LIST_VIEW,    /* offsets and sizes of `width` bytes */
  FIXED_LIST,   /* `width` items in each list */
  STRUCT,
  SPARSE_UNION,
  DENSE_UNION,  /* `codes[i]` is the type code of child i */
  RUN_END       /* child 0 holds the ends of the runs, `width` bytes each, child 1 their values */
};

struct layout {
  enum kind kind;
  int64_t width;
  int64_t n_children;
  struct layout *children;
  int8_t *codes;
};

/* Fills `layout`, which the caller frees with layout_free whatever comes back: 0, ENOMEM, or ENOTSUP with
   `*unknown` naming a format that is not known (valid as long as the schema). */
int layout_parse(const struct ArrowSchema *schema, struct layout *layout, const char **unknown);
void layout_free(struct layout *layout);

static inline bool layout_has_validity(const struct layout *layout) {
  return layout->kind != NULLS && layout->kind != SPARSE_UNION && layout->kind != DENSE_UNION &&
         layout->kind != RUN_END;
}

#endif
