/* QueryChangesVirtualDisk. */
#include <stdlib.h>
#include <string.h>
#include "double.h"

static const tracking_id *find_id(const disk *d, const char *id) {
  for (size_t i = d->id_count; i-- > 0;)
    if (!strcmp(d->ids[i].id, id)) return &d->ids[i];
  return NULL;
}

static uint64_t limit(const disk *d, const char *name, uint64_t of_description) {
  return of_description ? of_description : strtoull(assume(d, name, "0"), NULL, 0);
}

/*
 * Fills one page. What of the area is processed when the page is full is documented only as "how much was captured": up to the
 * last range's end, or up to the next range (assumed, page-end).
 */
static uint64_t take(const disk *d, const tracking_id *id, uint64_t from, uint64_t to, vd_range *out, uint32_t room, uint32_t *count) {
  int up_to_next = !strcmp(assume(d, "page-end", "range"), "next");
  uint64_t end = from;
  for (size_t i = 0; i < id->count; i++) {
    uint64_t start = id->ranges[i].ByteOffset, stop = start + id->ranges[i].ByteLength;
    if (stop <= from || start >= to) continue;
    if (start < from) start = from;
    if (stop > to) stop = to;
    if (*count == room) return up_to_next && start > end ? start - from : end - from;
    out[(*count)++] = (vd_range){start, stop - start, 0};
    end = stop;
  }
  return to - from;
}

EXPORT uint32_t CALL QueryChangesVirtualDisk(HANDLE handle, const uint16_t *id, uint64_t offset, uint64_t length, uint32_t flags,
                                             vd_range *ranges, uint32_t *count, uint64_t *processed) {
  char text[TEXT_MAX];
  handle_entry *e = find_handle(handle, KIND_DISK);
  if (!e) return E_INVALID_HANDLE;
  if (!id || !ranges || !count || !processed || flags || !*count || !length) return E_INVALID_PARAMETER;
  if (e->version == 1 ? !(e->access & ACCESS_GET_INFO) : e->info_only) return E_ACCESS_DENIED;
  disk *d = e->disk;
  if (offset > d->size || length > d->size - offset) return E_INVALID_PARAMETER;
  if (length == d->size && !strcmp(assume(d, "full-length", "accepted"), "refused")) return E_INVALID_PARAMETER;
  uint32_t code = planned(d, "QueryChangesVirtualDisk");
  if (code && code != 0xFFFFFFFF) return code;
  if (d->device < 3) return E_VHD_INVALID_TYPE;
  if (!d->tracking) return E_TRACKING_DISABLED;
  if (!to_utf8(id, text, sizeof text)) return E_INVALID_TRACKING_ID;
  const tracking_id *known = find_id(d, text);
  if (!known) return (uint32_t)strtoul(assume(d, "unknown-id", "0xC03A0030"), NULL, 0);
  if (known->error) return known->error;
  uint64_t most = limit(d, "max-processed", d->max_processed), few = limit(d, "max-ranges", d->max_ranges);
  uint64_t to = offset + (most && most < length ? most : length);
  uint32_t room = few && few < *count ? (uint32_t)few : *count;
  *count = 0;
  *processed = take(d, known, offset, to, ranges, room, count);
  /* what no Windows should do, for the client's checks: see README */
  const char *odd = assume(d, "odd", "no");
  if (code == 0xFFFFFFFF || !strcmp(odd, "nothing-processed")) { *processed = 0; *count = 0; }
  if (!strcmp(odd, "too-much-processed")) *processed = length + 4096;
  if (!strcmp(odd, "too-many-ranges")) *count = room + 1;
  if (!strcmp(odd, "range-behind-end") && *count) ranges[0].ByteOffset = d->size;
  if (!strcmp(odd, "reversed"))
    for (uint32_t i = 0; i < *count / 2; i++) {
      vd_range swap = ranges[i];
      ranges[i] = ranges[*count - 1 - i];
      ranges[*count - 1 - i] = swap;
    }
  int partial = *processed < length;
  return partial ? (uint32_t)strtoul(assume(d, "page-code", "0"), NULL, 0) : E_SUCCESS;
}
