/* Rows of a batch as a batch of its own, which shares the values of the batch that it is cut from. */
#ifndef GRISM_SLICE_H
#define GRISM_SLICE_H

#include "measure.h"

/* A batch that several slices share; freed with its last holder, in whichever thread. */
struct source;

/* Takes the batch over; NULL where there is no memory, and then the batch stays with the caller. */
struct source *source_new(struct ArrowArray *batch);
const struct ArrowArray *source_batch(const struct source *source);
void source_drop(struct source *source);

/* Fills `out` with the columns of `rows`. Each array of `out`, at every level, starts at offset 0 and holds exactly the
   rows it needs, so an IPC writer sends nothing else. Values are shared; what has to be counted from the new start is
   written anew: offsets of lists, dense unions and runs, bits that do not start on a byte, and the strings of a view
   array where most of its data is for other rows. Returns 0 or ENOMEM. */
int slice(struct source *source, const struct layout *layout, struct range rows, struct ArrowArray *out);

#endif
