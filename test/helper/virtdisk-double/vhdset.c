/* Snapshots of VHD sets. The handle must be that of the set itself. */
#include <string.h>
#include "double.h"

static uint32_t check(HANDLE handle, const void *parameters, const char *function, handle_entry **out) {
  handle_entry *e = find_handle(handle, KIND_DISK);
  if (!e) return E_INVALID_HANDLE;
  if (!parameters) return E_INVALID_PARAMETER;
  if (e->disk->device != 4) return E_VHD_INVALID_TYPE;
  if (!(e->flags & OPEN_VHDSET_FILE_ONLY)) return E_VHD_INVALID_STATE;
  if (e->info_only || e->read_only) return E_ACCESS_DENIED;
  *out = e;
  return planned(e->disk, function);
}

static snapshot *live(disk *d, const vd_guid *id) {
  for (size_t i = 0; i < d->snapshot_count; i++)
    if (same_guid(&d->snapshots[i].id, id) && !d->snapshots[i].deleted) return &d->snapshots[i];
  return NULL;
}

static uint32_t note(disk *d, const char *what, const vd_guid *id, const char *path) {
  char text[40], line[TEXT_MAX + 80];
  format_guid(id, text);
  snprintf(line, sizeof line, "%s %s%s%s", what, text, path ? " " : "", path ? path : "");
  return remember(d, line);
}

EXPORT uint32_t CALL TakeSnapshotVhdSet(HANDLE handle, const vd_snapshot_parameters *p, uint32_t flags) {
  handle_entry *e;
  uint32_t code = check(handle, p, "TakeSnapshotVhdSet", &e);
  if (code) return code;
  if (p->Version != 1 || flags || live(e->disk, &p->Version1.SnapshotId)) return E_INVALID_PARAMETER;
  return note(e->disk, "snapshot", &p->Version1.SnapshotId, NULL);
}

EXPORT uint32_t CALL DeleteSnapshotVhdSet(HANDLE handle, const vd_snapshot_parameters *p, uint32_t flags) {
  handle_entry *e;
  uint32_t code = check(handle, p, "DeleteSnapshotVhdSet", &e);
  if (code) return code;
  if (p->Version != 1 || flags > 1) return E_INVALID_PARAMETER;
  if (!live(e->disk, &p->Version1.SnapshotId)) return E_NOT_FOUND;
  return note(e->disk, flags ? "snapshot-reference" : "snapshot-deleted", &p->Version1.SnapshotId, NULL);
}

EXPORT uint32_t CALL ApplySnapshotVhdSet(HANDLE handle, const vd_apply_parameters *p, uint32_t flags) {
  handle_entry *e;
  uint32_t code = check(handle, p, "ApplySnapshotVhdSet", &e);
  if (code) return code;
  if (p->Version != 1 || flags > 1) return E_INVALID_PARAMETER;
  if (!live(e->disk, &p->Version1.SnapshotId)) return E_NOT_FOUND;
  static const vd_guid none;
  return same_guid(&p->Version1.LeafSnapshotId, &none) ? E_SUCCESS : note(e->disk, "snapshot", &p->Version1.LeafSnapshotId, NULL);
}

EXPORT uint32_t CALL ModifyVhdSet(HANDLE handle, const vd_modify_parameters *p, uint32_t flags) {
  char path[TEXT_MAX], line[TEXT_MAX + 16];
  handle_entry *e;
  uint32_t code = check(handle, p, "ModifyVhdSet", &e);
  if (code) return code;
  if (flags || p->Version < 1 || p->Version > 3) return E_INVALID_PARAMETER;
  if (p->Version == 2) return live(e->disk, &p->SnapshotId) ? note(e->disk, "snapshot-deleted", &p->SnapshotId, NULL) : E_NOT_FOUND;
  const uint16_t *text = p->Version == 1 ? p->SnapshotPath.SnapshotFilePath : p->DefaultFilePath;
  if (!text || !to_utf8(text, path, sizeof path) || strpbrk(path, "\r\n")) return E_INVALID_PARAMETER;
  if (p->Version == 1) return live(e->disk, &p->SnapshotPath.SnapshotId) ? note(e->disk, "snapshot", &p->SnapshotPath.SnapshotId, path) : E_NOT_FOUND;
  snprintf(line, sizeof line, "default-path %s", path);
  return remember(e->disk, line);
}
