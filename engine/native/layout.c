#include "layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int64_t temporal_bits(const char *format) {
  switch (format[1]) {
    case 'd': return format[2] == 'D' ? 32 : 64;                      /* date in days, in milliseconds */
    case 't': return format[2] == 's' || format[2] == 'm' ? 32 : 64;  /* time of day */
    case 's':                                                         /* timestamp */
    case 'D': return 64;                                              /* duration */
    case 'i': return format[2] == 'M' ? 32 : format[2] == 'D' ? 64 : format[2] == 'n' ? 128 : -1;
    default: return -1;
  }
}

/* "d:precision,scale" is 128 bits wide, "d:precision,scale,bits" says so itself. */
static int64_t decimal_bits(const char *format) {
  const char *scale = strchr(format, ',');
  const char *bits = scale == NULL ? NULL : strchr(scale + 1, ',');
  return bits == NULL ? 128 : strtoll(bits + 1, NULL, 10);
}

/* The bits of one value, or -1 where the format is not of a fixed-width type. */
static int64_t fixed_bits(const char *format) {
  switch (format[0]) {
    case 'b': return 1;
    case 'c': case 'C': return 8;
    case 's': case 'S': case 'e': return 16;
    case 'i': case 'I': case 'f': return 32;
    case 'l': case 'L': case 'g': return 64;
    case 'd': return decimal_bits(format);
    case 'w': return format[1] == ':' ? 8 * strtoll(format + 2, NULL, 10) : -1;
    case 't': return temporal_bits(format);
    default: return -1;
  }
}

static int parse_codes(const char *codes, struct layout *layout) {
  layout->codes = malloc((size_t)layout->n_children + 1);
  if (layout->codes == NULL) return ENOMEM;
  for (int64_t i = 0; i < layout->n_children; i++) {
    char *end;
    layout->codes[i] = (int8_t)strtol(codes, &end, 10);
    codes = *end == ',' ? end + 1 : end;
  }
  return 0;
}

static bool set(struct layout *layout, enum kind kind, int64_t width) {
  layout->kind = kind;
  layout->width = width;
  return true;
}

/* `format` begins after the plus sign. */
static bool parse_nested(const char *format, struct layout *layout) {
  switch (format[0]) {
    case 'l':
    case 'm': return set(layout, LIST, 4);
    case 'L': return set(layout, LIST, 8);
    case 'v': return set(layout, LIST_VIEW, format[1] == 'l' ? 4 : 8);
    case 'w': return format[1] == ':' && set(layout, FIXED_LIST, strtoll(format + 2, NULL, 10));
    case 's': return set(layout, STRUCT, 0);
    case 'u': return set(layout, format[1] == 'd' ? DENSE_UNION : SPARSE_UNION, 0);
    case 'r': return set(layout, RUN_END, 0);
    default: return false;
  }
}

static bool parse_format(const char *format, struct layout *layout) {
  switch (format[0]) {
    case 'n': return set(layout, NULLS, 0);
    case 'z':
    case 'u': return set(layout, BINARY, 4);
    case 'Z':
    case 'U': return set(layout, BINARY, 8);
    case 'v': return (format[1] == 'z' || format[1] == 'u') && set(layout, VIEW, 0);
    case '+': return parse_nested(format + 1, layout);
    default: return set(layout, FIXED, fixed_bits(format)) && layout->width >= 0;
  }
}

static int parse_children(const struct ArrowSchema *schema, struct layout *layout, const char **unknown) {
  layout->children = calloc((size_t)schema->n_children + 1, sizeof *layout->children);
  if (layout->children == NULL) return ENOMEM;
  layout->n_children = schema->n_children;
  for (int64_t i = 0; i < schema->n_children; i++) {
    int code = layout_parse(schema->children[i], &layout->children[i], unknown);
    if (code != 0) return code;
  }
  return 0;
}

int layout_parse(const struct ArrowSchema *schema, struct layout *layout, const char **unknown) {
  memset(layout, 0, sizeof *layout);
  if (!parse_format(schema->format, layout)) {
    *unknown = schema->format;
    return ENOTSUP;
  }
  int code = parse_children(schema, layout, unknown);
  if (code == 0 && layout->kind == RUN_END) layout->width = layout->children[0].width / 8;
  if (code == 0 && layout->kind == DENSE_UNION) code = parse_codes(schema->format + 4, layout);
  return code;
}

void layout_free(struct layout *layout) {
  for (int64_t i = 0; i < layout->n_children; i++) layout_free(&layout->children[i]);
  free(layout->children);
  free(layout->codes);
  memset(layout, 0, sizeof *layout);
}
