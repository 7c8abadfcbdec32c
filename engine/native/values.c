#include "values.h"

#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { JSON_DEPTH = 512, WKB_DEPTH = 16 };

/* JSON as RFC 8259 has it, in UTF-8 that was checked before; `kernels` adds what the kernel's JSON has besides: NaN and
   Infinity, and a comma before a closing bracket. Each reader returns where it stopped, or NULL. */

static const uint8_t *skip_space(const uint8_t *p, const uint8_t *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  return p;
}

static const uint8_t *skip_digits(const uint8_t *p, const uint8_t *end) {
  const uint8_t *first = p;
  while (p < end && *p >= '0' && *p <= '9') p++;
  return p == first ? NULL : p;
}

/* The four hexadecimal digits of an escape, or -1. */
static int32_t code_unit(const uint8_t *p, const uint8_t *end) {
  int32_t unit = 0;
  if (end - p < 4) return -1;
  for (int i = 0; i < 4; i++) {
    uint8_t low = p[i] | 32;
    if (p[i] >= '0' && p[i] <= '9') unit = unit * 16 + p[i] - '0';
    else if (low >= 'a' && low <= 'f') unit = unit * 16 + low - 'a' + 10;
    else return -1;
  }
  return unit;
}

/* An escape, from behind its backslash on; surrogates come in pairs. */
static const uint8_t *skip_escape(const uint8_t *p, const uint8_t *end) {
  if (p == end) return NULL;
  if (*p != 'u') return memchr("\"\\/bfnrt", *p, 8) != NULL ? p + 1 : NULL;
  int32_t unit = code_unit(p + 1, end);
  if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) return NULL;
  p += 5;
  if (unit < 0xD800 || unit > 0xDBFF) return p;
  if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return NULL;
  unit = code_unit(p + 2, end);
  return unit >= 0xDC00 && unit <= 0xDFFF ? p + 6 : NULL;
}

static const uint8_t *skip_string(const uint8_t *p, const uint8_t *end) {
  if (p == end || *p++ != '"') return NULL;
  while (p != NULL && p < end) {
    if (*p == '"') return p + 1;
    if (*p < 0x20) return NULL;
    p = *p == '\\' ? skip_escape(p + 1, end) : p + 1;
  }
  return NULL;
}

static const uint8_t *skip_number(const uint8_t *p, const uint8_t *end) {
  if (p < end && *p == '-') p++;
  p = p < end && *p == '0' ? p + 1 : skip_digits(p, end);
  if (p != NULL && p < end && *p == '.') p = skip_digits(p + 1, end);
  if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
    p++;
    if (p < end && (*p == '+' || *p == '-')) p++;
    p = skip_digits(p, end);
  }
  return p;
}

static const uint8_t *skip_word(const uint8_t *p, const uint8_t *end, const char *word) {
  size_t length = strlen(word);
  return (size_t)(end - p) >= length && memcmp(p, word, length) == 0 ? p + length : NULL;
}

/* A word in any case, of which `word` is the lower one. */
static const uint8_t *skip_any_case(const uint8_t *p, const uint8_t *end, const char *word) {
  for (; *word != '\0'; p++, word++) {
    if (p == end || (*p | 32) != *word) return NULL;
  }
  return p;
}

static const uint8_t *skip_no_number(const uint8_t *p, const uint8_t *end) {
  if (p < end && *p == '-') p++;
  const uint8_t *nan = skip_any_case(p, end, "nan"), *whole = skip_any_case(p, end, "infinity");
  if (nan != NULL || whole != NULL) return nan != NULL ? nan : whole;
  return skip_any_case(p, end, "inf");
}

static const uint8_t *skip_scalar(const uint8_t *p, const uint8_t *end, bool kernels) {
  const uint8_t *found;
  switch (*p) {
    case '"': return skip_string(p, end);
    case 't': return skip_word(p, end, "true");
    case 'f': return skip_word(p, end, "false");
    case 'n': found = skip_word(p, end, "null"); break;
    default: found = skip_number(p, end);
  }
  return found == NULL && kernels ? skip_no_number(p, end) : found;
}

static const uint8_t *skip_key(const uint8_t *p, const uint8_t *end) {
  p = skip_string(skip_space(p, end), end);
  if (p == NULL) return NULL;
  p = skip_space(p, end);
  return p < end && *p == ':' ? p + 1 : NULL;
}

static bool is_json(struct bytes text, bool kernels) {
  const uint8_t *p = text.at, *end = text.end;
  uint8_t closing[JSON_DEPTH];
  int depth = 0;
  for (;;) {
    p = skip_space(p, end);
    if (p == end) return false;
    if (*p == '{' || *p == '[') {
      if (depth == JSON_DEPTH) return false;
      uint8_t close = *p == '{' ? '}' : ']';
      closing[depth++] = close;
      p = skip_space(p + 1, end);
      if (p == end) return false;
      if (*p != close) {
        if (close == '}' && (p = skip_key(p, end)) == NULL) return false;
        continue;
      }
    } else {
      p = skip_scalar(p, end, kernels);
      if (p == NULL) return false;
      p = skip_space(p, end);
    }
    bool last;
    do {
      while (depth > 0 && p < end && *p == closing[depth - 1]) {
        p = skip_space(p + 1, end);
        depth--;
      }
      if (depth == 0) return p == end;
      if (p == end || *p++ != ',') return false;
      const uint8_t *next = skip_space(p, end);
      last = kernels && next < end && *next == closing[depth - 1];
      if (last) p = next;
    } while (last);
    if (closing[depth - 1] == '}' && (p = skip_key(p, end)) == NULL) return false;
  }
}

/* Well-known binary as the kernel reads it, without a SRID, which it would drop. */

static bool take_count(struct bytes *from, bool big, uint32_t *number) {
  if (from->end - from->at < 4) return false;
  const uint8_t *b = from->at;
  *number = big ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]
                : (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
  from->at += 4;
  return true;
}

static bool take_points(struct bytes *from, uint32_t points, int numbers) {
  uint64_t size = (uint64_t)points * (uint64_t)numbers * sizeof(double);
  if (size > (uint64_t)(from->end - from->at)) return false;
  from->at += size;
  return true;
}

/* Takes one geometry. `parent` is the type that it stands in, or 0; `flags` are the dimensions of the outermost. */
static bool take_geometry(struct bytes *from, int depth, uint32_t parent, int *flags) {
  if (from->at == from->end || *from->at > 1 || depth > WKB_DEPTH) return false;
  bool big = *from->at++ == 0;
  uint32_t code, count = 1, points;
  if (!take_count(from, big, &code) || (code & UINT32_C(0x20000000)) != 0) return false;
  uint32_t plain = code & UINT32_C(0x3FFFFFFF), type = plain % 1000, more = plain / 1000;
  bool z = more == 1 || more == 3 || (code & UINT32_C(0x80000000)) != 0;
  bool m = more == 2 || more == 3 || (code & UINT32_C(0x40000000)) != 0;
  if (more > 3 || type < 1 || type > 7 || (more != 0 && (code & UINT32_C(0xC0000000)) != 0)) return false;
  if (*flags >= 0 && *flags != (z | m << 1)) return false;
  if (parent >= 4 && parent <= 6 && type != parent - 3) return false;
  *flags = z | m << 1;
  int numbers = 2 + z + m;
  if (type == 1) return take_points(from, 1, numbers);
  if (!take_count(from, big, &count)) return false;
  if (type == 2) return take_points(from, count, numbers);
  for (uint32_t i = 0; i < count; i++) {
    if (type == 3 ? !take_count(from, big, &points) || !take_points(from, points, numbers)
                  : !take_geometry(from, depth + 1, type, flags)) {
      return false;
    }
  }
  return true;
}

static bool is_wkb(struct bytes value) {
  int flags = -1;
  return take_geometry(&value, 1, 0, &flags) && value.at == value.end;
}

/* The count of unused bits at the front, then the bits; those that are not used are set. */
static bool is_bit(struct bytes value) {
  if (value.end - value.at < 2 || value.at[0] > 7) return false;
  unsigned unused = value.at[0];
  return (unsigned)value.at[1] >> (8 - unused) == (1u << unused) - 1;
}

/* Three bytes of sign and length, then the digits, with no leading zero; all bits are turned where it is negative. */
static bool is_bignum(struct bytes value) {
  int64_t size = value.end - value.at - 3;
  if (size < 1) return false;
  uint8_t turned = value.at[0] & 0x80 ? 0 : 0xFF;
  const uint8_t *b = value.at;
  int64_t length = (int64_t)((b[0] ^ turned) & 0x7F) << 16 | (int64_t)(b[1] ^ turned) << 8 | (b[2] ^ turned);
  uint8_t first = b[3] ^ turned;
  return length == size && (first != 0 || (size == 1 && turned == 0));
}

/* Microseconds of the day, and below them the seconds by which the least offset is more than this one. */
static bool is_time_tz(struct bytes value) {
  uint64_t bits;
  memcpy(&bits, value.at, sizeof bits);
  return bits >> 24 <= UINT64_C(86400000000) && (bits & 0xFFFFFF) <= 2 * 57599;
}

/* Integers of `param` decimal digits at most. */
static bool is_decimal(struct bytes value, int64_t param) {
  __int128 number, limit = 1;
  memcpy(&number, value.at, sizeof number);
  for (int64_t i = 0; i < param; i++) limit *= 10;
  return number < limit && number > -limit;
}

static int64_t integer(struct bytes value) {
  int32_t narrow;
  int64_t wide;
  if (value.end - value.at == 8) {
    memcpy(&wide, value.at, sizeof wide);
    return wide;
  }
  memcpy(&narrow, value.at, sizeof narrow);
  return narrow;
}

/* From midnight to the next one, of which the kernel has both; a day has `param` units. */
static bool is_time(struct bytes value, int64_t param) {
  int64_t number = integer(value);
  return number >= 0 && number <= param;
}

/* At most `param` units before and after the epoch, or infinite. */
static bool is_instant(struct bytes value, int64_t param) {
  int64_t number = integer(value);
  return (number >= -param && number <= param) || number == INT64_MAX || number == -INT64_MAX;
}

bool is_value(enum value_kind kind, int64_t param, struct bytes value) {
  switch (kind) {
    case JSON: return is_json(value, false);
    case KERNEL_JSON: return is_json(value, true);
    case WKB: return is_wkb(value);
    case BIT: return is_bit(value);
    case BIGNUM: return is_bignum(value);
    case TIME_TZ: return is_time_tz(value);
    case DECIMAL: return is_decimal(value, param);
    case TIME: return is_time(value, param);
    case INSTANT: return is_instant(value, param);
  }
  return false;
}
