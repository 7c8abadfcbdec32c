/* An Arrow stream around another one: it cuts batches to a size, counts what passes, and stops when it is told to.

   One thread at a time pulls the stream, as the C stream interface has it; any thread may stop it, read its counters
   and release its batches. No call takes a lock. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "slice.h"

#define EXPORT __attribute__((visibility("default")))

/* A message's metadata without its arrays and buffers. */
enum { MESSAGE = 256 };

typedef void (*close_hook)(uint64_t key);

/* What the stream has done so far; instants are nanoseconds of CLOCK_MONOTONIC, 0 where there was none yet. */
struct grism_progress {
  int64_t rows, batches, bytes;
  int64_t first_batch_at, ended_at;
  int32_t finished, failed, stopped;
  int64_t unread_since; /* when the last batch was given out; 0 while the next one is waited for, and after the end */
};

/* Held by its owner and by the ArrowArrayStream that it feeds. */
struct grism_stream {
  atomic_int_fast64_t holders;
  atomic_int_fast64_t rows, batches, bytes, first_batch_at, ended_at, unread_since;
  atomic_bool finished, failed, stopped;

  int64_t max_bytes;
  struct ArrowArrayStream inner;
  struct layout layout;
  close_hook on_close;
  uint64_t key;
  bool keeps_error; /* get_next answers an error as it does the end */

  struct source *source; /* the batch that is being cut, or NULL */
  int64_t next_row;      /* its first row that was not given out */
  int64_t guess;         /* how many rows the next slice may hold */
  struct ArrowArray first; /* the batch that prime() pulled ahead, or released */
  int code;              /* what get_next answers after the end: 0 or the error */
  char *error;
};

static atomic_bool hooks_are_off;

static int64_t now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static void stream_drop(struct grism_stream *stream) {
  if (atomic_fetch_sub(&stream->holders, 1) > 1) return;
  layout_free(&stream->layout);
  free(stream->error);
  free(stream);
}

/* Ends the stream, once: frees what it reads from, then tells the owner. */
static void stream_end(struct grism_stream *stream, int code) {
  if (atomic_load(&stream->ended_at) != 0) return;
  stream->code = code;
  if (stream->source != NULL) source_drop(stream->source);
  stream->source = NULL;
  if (stream->first.release != NULL) stream->first.release(&stream->first);
  stream->first.release = NULL;
  if (stream->inner.release != NULL) stream->inner.release(&stream->inner);
  stream->inner.release = NULL;
  atomic_store(&stream->ended_at, now());
  if (stream->on_close != NULL && !atomic_load(&hooks_are_off)) stream->on_close(stream->key);
}

static int fail(struct grism_stream *stream, int code, const char *message) {
  free(stream->error);
  stream->error = strdup(message == NULL ? strerror(code) : message);
  return code;
}

/* The kernel's kinds of error as the codes that Arrow C++ turns into a status, and Flight into the client's. */
static const struct {
  const char *kind;
  int code;
} kinds[] = {
    {"Conversion Error", EINVAL},     {"Out of Range Error", EINVAL}, {"Invalid Input Error", EINVAL},
    {"Out of Memory Error", ENOMEM},  {"INTERRUPT Error", ECANCELED}, {"Not implemented Error", ENOSYS},
    {"Division by Zero Error", EINVAL}, {"IO Error", EIO},            {"Serialization Error", EIO},
    {"INTERNAL Error", EIO},          {"FATAL Error", EIO},          {"Unknown error: ", EIO},
};

/* The kernel's message ends with an excerpt of its statement, which is none of the reader's business. */
static int fail_as_inner(struct grism_stream *stream, int code) {
  const char *message = stream->inner.get_last_error(&stream->inner);
  for (size_t i = 0; message != NULL && i < sizeof kinds / sizeof *kinds; i++) {
    if (strstr(message, kinds[i].kind) != NULL) {
      code = kinds[i].code;
      break;
    }
  }
  fail(stream, code, message);
  char *excerpt = stream->error == NULL ? NULL : strstr(stream->error, "\n\nLINE ");
  if (excerpt != NULL) *excerpt = '\0';
  return code;
}

static int64_t message_bytes(const struct grism_stream *stream, const struct ArrowArray *batch, struct range rows,
                             enum form form) {
  return MESSAGE + measure(&stream->layout, batch, rows, form);
}

/* Sets `rows->rows` to as many of the `left` rows as fit, at least one, and returns their bytes. Near the limit is
   good enough: a slice of at least 7/8 of it is taken as it is found, and the next guess aims at 15/16. Long slices
   are of whole 64 rows, so that the next one's bitmaps start on a byte and need no copy. */
static int64_t fit(struct grism_stream *stream, const struct ArrowArray *batch, struct range *rows, int64_t left) {
  int64_t limit = stream->max_bytes, low = 0, high = left + 1, low_bytes = 0;
  int64_t tried = stream->guess < left ? stream->guess : left;
  while (high - low > 1) {
    if (tried <= low || tried >= high) tried = low + (high - low) / 2;
    if (tried > 64 && tried < left) tried &= ~INT64_C(63);
    if (tried <= low) break;
    int64_t bytes = message_bytes(stream, batch, (struct range){rows->first, tried}, CUT);
    if (bytes <= limit) {
      low = tried;
      low_bytes = bytes;
      if (bytes >= limit - limit / 8) break;
      tried = high > left ? (low < left / 2 ? 2 * low : left) : 0;
    } else {
      high = tried;
      tried = 0;
    }
  }
  if (low == 0) {
    low = 1;
    low_bytes = message_bytes(stream, batch, (struct range){rows->first, 1}, CUT);
  }
  double aim = (double)low * (double)(limit - limit / 16) / (double)low_bytes;
  stream->guess = aim < 1 ? 1 : aim > 1e18 ? INT64_MAX : (int64_t)aim;
  rows->rows = low;
  return low_bytes;
}

static void pass(struct grism_stream *stream, const struct ArrowArray *out, int64_t bytes) {
  if (atomic_load(&stream->batches) == 0) atomic_store(&stream->first_batch_at, now());
  atomic_fetch_add(&stream->rows, out->length);
  atomic_fetch_add(&stream->bytes, bytes);
  atomic_fetch_add(&stream->batches, 1);
}

static int next_slice(struct grism_stream *stream, struct ArrowArray *out) {
  const struct ArrowArray *batch = source_batch(stream->source);
  int64_t left = batch->length - stream->next_row;
  struct range rows = {stream->next_row, 0};
  int64_t bytes = left == 0 ? message_bytes(stream, batch, rows, CUT) : fit(stream, batch, &rows, left);
  int code = slice(stream->source, &stream->layout, rows, out);
  if (code != 0) return fail(stream, code, "There is no memory left to cut a batch.");
  stream->next_row += rows.rows;
  if (stream->next_row >= batch->length) {
    source_drop(stream->source);
    stream->source = NULL;
  }
  pass(stream, out, bytes);
  return 0;
}

/* Arrow C++ 26 imports an empty array without its buffers but with its offset, and writes a broken message then. */
static bool is_empty_at_an_offset(const struct ArrowArray *array) {
  if (array->length == 0 && array->offset != 0) return true;
  for (int64_t i = 0; i < array->n_children; i++) {
    if (is_empty_at_an_offset(array->children[i])) return true;
  }
  return false;
}

static int next_batch(struct grism_stream *stream, struct ArrowArray *out) {
  struct ArrowArray batch = {.release = NULL};
  int code = stream->inner.get_next(&stream->inner, &batch);
  if (code != 0) return fail_as_inner(stream, code);
  if (batch.release == NULL) return 0;
  int64_t bytes = message_bytes(stream, &batch, (struct range){0, batch.length}, AS_IS);
  if (bytes <= stream->max_bytes && batch.offset == 0 && !is_empty_at_an_offset(&batch)) {
    *out = batch;
    pass(stream, out, bytes);
    return 0;
  }
  stream->source = source_new(&batch);
  if (stream->source == NULL) {
    batch.release(&batch);
    return fail(stream, ENOMEM, "There is no memory left to cut a batch.");
  }
  stream->next_row = 0;
  stream->guess = (int64_t)((double)batch.length * (double)(stream->max_bytes - stream->max_bytes / 16) / (double)bytes);
  return next_slice(stream, out);
}

static int pull(struct grism_stream *stream, struct ArrowArray *out) {
  out->release = NULL;
  if (stream->first.release != NULL && !atomic_load(&stream->stopped)) {
    *out = stream->first;
    stream->first.release = NULL;
    return 0;
  }
  if (atomic_load(&stream->ended_at) != 0) return stream->code;
  int code;
  if (atomic_load(&stream->stopped)) code = fail(stream, ECANCELED, "The stream was stopped.");
  else code = stream->source != NULL ? next_slice(stream, out) : next_batch(stream, out);
  if (code == 0 && out->release != NULL) return 0;
  atomic_store(code == 0 ? &stream->finished : &stream->failed, true);
  stream_end(stream, code);
  return code;
}

static int get_next(struct ArrowArrayStream *self, struct ArrowArray *out) {
  struct grism_stream *stream = self->private_data;
  atomic_store(&stream->unread_since, 0);
  int code = pull(stream, out);
  if (code == 0 && out->release != NULL) atomic_store(&stream->unread_since, now());
  return stream->keeps_error ? 0 : code;
}

static int get_schema(struct ArrowArrayStream *self, struct ArrowSchema *out) {
  struct grism_stream *stream = self->private_data;
  if (stream->inner.release == NULL) return fail(stream, EINVAL, "The stream has ended; ask for its schema before.");
  int code = stream->inner.get_schema(&stream->inner, out);
  return code == 0 ? 0 : fail_as_inner(stream, code);
}

static const char *get_last_error(struct ArrowArrayStream *self) {
  return ((struct grism_stream *)self->private_data)->error;
}

static void release(struct ArrowArrayStream *self) {
  struct grism_stream *stream = self->private_data;
  self->release = NULL;
  atomic_store(&stream->unread_since, 0);
  stream_end(stream, ECANCELED);
  stream_drop(stream);
}

static int read_layout(struct grism_stream *stream) {
  struct ArrowSchema schema = {.release = NULL};
  const char *unknown = NULL;
  int code = stream->inner.get_schema(&stream->inner, &schema);
  if (code != 0) return fail_as_inner(stream, code);
  code = layout_parse(&schema, &stream->layout, &unknown);
  if (code != 0) fail(stream, code, unknown);
  schema.release(&schema);
  return code;
}

/* Wraps `inner`, which it takes over, into `out`. `on_close` is called with `key` exactly once: when the stream ends,
   fails or is released, in that thread. With `keeps_error`, `out` ends where it would fail: whoever reads it has to ask
   grism_stream_failure then. The owner's handle is in `*handle`, to be given to grism_stream_drop.
   Returns 0; or an error, and then `out` is released, `on_close` was called and `message` says why: for ENOTSUP the
   format that is not known. */
EXPORT int grism_stream_open(struct ArrowArrayStream *inner, int64_t max_bytes, bool keeps_error,
                             close_hook on_close, uint64_t key, struct ArrowArrayStream *out,
                             struct grism_stream **handle, char *message, size_t size) {
  out->release = NULL;
  struct grism_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL) {
    inner->release(inner);
    if (on_close != NULL) on_close(key);
    return ENOMEM;
  }
  atomic_init(&stream->holders, 1);
  stream->max_bytes = max_bytes;
  stream->keeps_error = keeps_error;
  stream->inner = *inner;
  inner->release = NULL;
  stream->on_close = on_close;
  stream->key = key;
  int code = read_layout(stream);
  if (code != 0) {
    if (size > 0 && stream->error != NULL) {
      strncpy(message, stream->error, size - 1);
      message[size - 1] = '\0';
    }
    stream_end(stream, code);
    stream_drop(stream);
    return code;
  }
  atomic_fetch_add(&stream->holders, 1);
  *handle = stream;
  *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release, stream};
  return 0;
}

/* Pulls the first batch ahead, before anybody else pulls, so that what fails at once is known at once. Returns 0, at
   the end too, or the error, which `message` then tells. */
EXPORT int grism_stream_prime(struct grism_stream *stream, char *message, size_t size) {
  struct ArrowArray first;
  int code = pull(stream, &first);
  if (code == 0 && first.release != NULL) stream->first = first;
  if (code != 0 && size > 0) {
    strncpy(message, stream->error == NULL ? "" : stream->error, size - 1);
    message[size - 1] = '\0';
  }
  return code;
}

/* The text of the error that the stream ended with, empty where there was no memory left for it; NULL where it has not
   ended so. It lives until the owner drops the stream. */
EXPORT const char *grism_stream_failure(const struct grism_stream *stream) {
  if (!atomic_load(&stream->failed)) return NULL;
  return stream->error == NULL ? "" : stream->error;
}

/* The next get_next fails with ECANCELED. */
EXPORT void grism_stream_stop(struct grism_stream *stream) { atomic_store(&stream->stopped, true); }

EXPORT void grism_stream_progress(struct grism_stream *stream, struct grism_progress *progress) {
  *progress = (struct grism_progress){
      .batches = atomic_load(&stream->batches),
      .rows = atomic_load(&stream->rows),
      .bytes = atomic_load(&stream->bytes),
      .first_batch_at = atomic_load(&stream->first_batch_at),
      .ended_at = atomic_load(&stream->ended_at),
      .finished = atomic_load(&stream->finished),
      .failed = atomic_load(&stream->failed),
      .stopped = atomic_load(&stream->stopped),
      .unread_since = atomic_load(&stream->unread_since),
  };
}

EXPORT void grism_stream_drop(struct grism_stream *stream) { stream_drop(stream); }

/* No `on_close` is called from now on: whoever would answer is going away. */
EXPORT void grism_streams_forget_hooks(void) { atomic_store(&hooks_are_off, true); }
