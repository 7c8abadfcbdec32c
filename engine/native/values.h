/* Values that the kernel takes for what they say they are: it does not look itself, so they are looked at here. */
#ifndef GRISM_VALUES_H
#define GRISM_VALUES_H

#include <stdbool.h>
#include <stdint.h>

enum value_kind { JSON, WKB, BIT, BIGNUM, TIME_TZ, DECIMAL, TIME, INSTANT, KERNEL_JSON };

struct bytes {
  const uint8_t *at, *end;
};

/* Whether the bytes are a value of the kind: texts in UTF-8, numbers of 4, 8 or 16 bytes in this machine's order. What
   `param` is, values.c tells at the kinds that have one. */
bool is_value(enum value_kind kind, int64_t param, struct bytes value);

#endif
