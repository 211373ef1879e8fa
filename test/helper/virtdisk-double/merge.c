/* MergeVirtualDisk with its progress. The content of files is not merged: the children become invalid, and that is all. */
#include <string.h>
#include "double.h"

static uint32_t chain_length(const disk *leaf) {
  char path[TEXT_MAX];
  uint32_t n = 1;
  int more = leaf->subtype == 4 && leaf->parent_count;
  snprintf(path, sizeof path, "%s", more ? leaf->parents[0] : "");
  while (more && n < 64) {
    disk *d;
    if (load_disk(path, &d)) break;
    n++;
    more = d->subtype == 4 && d->parent_count;
    if (more) snprintf(path, sizeof path, "%s", d->parents[0]);
    free_disk(d);
  }
  return n;
}

EXPORT uint32_t CALL MergeVirtualDisk(HANDLE handle, uint32_t flags, const vd_merge_parameters *p, vd_overlapped *o) {
  handle_entry *e = find_handle(handle, KIND_DISK);
  if (!e) return E_INVALID_HANDLE;
  if (flags || !p || (p->Version != 1 && p->Version != 2)) return E_INVALID_PARAMETER;
  if (e->version == 1 ? !(e->access & ACCESS_METAOPS) : e->info_only || e->read_only) return E_ACCESS_DENIED;
  uint32_t code = planned(e->disk, "MergeVirtualDisk"), length = chain_length(e->disk);
  if (code) return code;
  if (e->disk->subtype != 4) return E_VHD_INVALID_TYPE;
  if (find_attached(e->disk->path) || e->disk->loaded) return E_SHARING_VIOLATION; /* must be detached: documented */
  if (p->Version == 1) {
    if (e->version != 1 || !p->Version1.MergeDepth || p->Version1.MergeDepth >= length) return E_INVALID_PARAMETER;
    if (e->depth <= p->Version1.MergeDepth) return E_INVALID_PARAMETER; /* RWDepth must be greater: documented */
  } else if (e->version < 2 || !p->Version2.MergeSourceDepth || p->Version2.MergeTargetDepth <= p->Version2.MergeSourceDepth ||
             p->Version2.MergeTargetDepth > length) return E_INVALID_PARAMETER;
  if (p->Version == 1 || p->Version2.MergeSourceDepth == 1) code = remember(e->disk, "merged yes");
  if (code || !o || strcmp(assume(e->disk, "merge", "pending"), "pending")) return code;
  e->merging = o;
  e->merge_step = 0;
  return E_IO_PENDING;
}

EXPORT uint32_t CALL GetVirtualDiskOperationProgress(HANDLE handle, vd_overlapped *o, vd_progress *progress) {
  handle_entry *e = find_handle(handle, KIND_DISK);
  if (!e) return E_INVALID_HANDLE;
  if (!o || !progress || e->merging != o) return E_INVALID_PARAMETER;
  uint32_t code = planned(e->disk, "GetVirtualDiskOperationProgress");
  if (code) return code;
  progress->CurrentValue = ++e->merge_step;
  progress->CompletionValue = 3;
  progress->OperationStatus = e->merge_step < 3 ? E_IO_PENDING : planned(e->disk, "MergeVirtualDisk.result");
  if (e->merge_step == 3) e->merging = NULL;
  return E_SUCCESS;
}
