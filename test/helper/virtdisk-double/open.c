/* OpenVirtualDisk, and GetVirtualDiskInformation / SetVirtualDiskInformation. */
#include <stdlib.h>
#include <string.h>
#include "double.h"

static int known_extension(const char *path) {
  static const char *known[] = {".vhd", ".avhd", ".vhdx", ".avhdx", ".vhds", ".iso"};
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++) {
    size_t n = 0;
    while (known[i][n] && (dot[n] | 0x20) == (known[i][n] | 0x20)) n++;
    if (!known[i][n] && !dot[n]) return 1;
  }
  return 0;
}

static uint32_t check_parameters(const vd_open_parameters *p, uint32_t access, uint32_t flags) {
  if (flags & ~OPEN_FLAGS_KNOWN || access & ~ACCESS_ALL) return E_INVALID_PARAMETER;
  if (!p || p->Version == 1) return E_SUCCESS;
  if (p->Version != 2 && p->Version != 3) return E_INVALID_PARAMETER;
  /* Microsoft's samples: NONE is the only mask that a version 2 open accepts */
  if (access) return E_INVALID_PARAMETER;
  if ((p->Version2.GetInfoOnly | p->Version2.ReadOnly) & ~1) return E_INVALID_PARAMETER;
  return E_SUCCESS;
}

static uint32_t check_parents(const disk *d) {
  char path[TEXT_MAX];
  snprintf(path, sizeof path, "%s", d->parents[0]);
  FILE *file = open_file(path, "rb");
  if (!file) return E_PARENT_NOT_FOUND;
  fclose(file);
  return E_SUCCESS;
}

static uint32_t check_snapshot(const disk *d, const vd_guid *id) {
  static const vd_guid none;
  if (same_guid(id, &none)) return E_SUCCESS;
  if (d->device != 4) return E_VHD_INVALID_TYPE;
  for (size_t i = 0; i < d->snapshot_count; i++)
    if (same_guid(&d->snapshots[i].id, id) && !d->snapshots[i].deleted) return E_SUCCESS;
  return E_NOT_FOUND;
}

EXPORT uint32_t CALL OpenVirtualDisk(vd_storage_type *type, const uint16_t *path, uint32_t access, uint32_t flags,
                                     vd_open_parameters *parameters, HANDLE *out) {
  char name[TEXT_MAX];
  disk *d;
  if (!type || !path || !out) return E_INVALID_PARAMETER;
  *out = (HANDLE)(uintptr_t)0xDEADBEEF; /* undefined on failure: whoever closes it is caught */
  uint32_t code = check_parameters(parameters, access, flags);
  if (code) return code;
  if (type->DeviceId > 4) return E_PROVIDER_NOT_FOUND;
  if (!to_utf8(path, name, sizeof name)) return E_INVALID_NAME;
  if (type->DeviceId == 0 && !known_extension(name)) return E_PROVIDER_NOT_FOUND;
  if ((code = load_disk(name, &d))) return code;
  code = planned(d, "OpenVirtualDisk");
  if (!code && type->DeviceId && type->DeviceId != d->device) code = E_FILE_CORRUPT;
  if (!code && flags & OPEN_VHDSET_FILE_ONLY && d->device != 4) code = E_VHD_INVALID_TYPE;
  if (!code && d->merged) code = E_VHD_INVALID_STATE;
  if (!code && d->subtype == 4 && !(flags & OPEN_NO_PARENTS)) code = check_parents(d);
  if (!code && parameters && parameters->Version == 3) code = check_snapshot(d, &parameters->Version3.SnapshotId);
  uint32_t version = parameters ? parameters->Version : 1;
  int info_only = version > 1 && parameters->Version2.GetInfoOnly, read_only = version > 1 && parameters->Version2.ReadOnly;
  int writes = version > 1 ? !info_only && !read_only : (access & (ACCESS_METAOPS | ACCESS_ATTACH_RW)) != 0;
  if (!code && writes && (d->loaded || find_attached(name) || open_for_writing(name, NULL))) code = E_SHARING_VIOLATION;
  if (!code && !writes && !info_only && open_for_writing(name, NULL)) code = E_SHARING_VIOLATION;
  handle_entry *entry;
  HANDLE handle = code ? NULL : new_handle(KIND_DISK, &entry);
  if (!handle) return free_disk(d), code ? code : E_NOT_ENOUGH_MEMORY;
  entry->disk = d;
  entry->version = version;
  entry->access = access;
  entry->flags = flags;
  entry->info_only = info_only;
  entry->read_only = read_only;
  entry->depth = version == 1 && parameters ? parameters->Version1.RWDepth : 1;
  *out = handle;
  return E_SUCCESS;
}

/* Bytes that this kind of information takes, or 0 when the disk has none of it. */
static uint32_t needed(const disk *d, uint32_t version, uint32_t *code) {
  size_t text = 0;
  *code = E_SUCCESS;
  switch (version) {
    case 1: return 32;
    case 2: return 24;
    case 6: return 28;
    case 7: case 10: case 13: return 12;
    case 14: if (!d->has_disk_id) *code = E_NOT_SUPPORTED; return 24;
    case 3:
      if (d->subtype != 4) *code = E_VHD_INVALID_TYPE;
      for (int i = 0; i < d->parent_count; i++) text += utf16_length(d->parents[i]) + 1;
      return (uint32_t)(12 + 2 * (text + 1));
    case 4: if (d->subtype != 4) *code = E_VHD_INVALID_TYPE; return 24;
    case 15:
      if (d->device < 3) *code = E_NOT_SUPPORTED;
      return (uint32_t)(16 + 2 * (utf16_length(d->most_recent) + 1));
    default: *code = E_INVALID_PARAMETER; return 0;
  }
}

static void fill(const disk *d, uint32_t version, vd_get_info *info) {
  uint16_t *text;
  switch (version) {
    case 1:
      info->Size.VirtualSize = d->size;
      info->Size.PhysicalSize = d->physical;
      info->Size.BlockSize = d->block;
      info->Size.SectorSize = d->sector;
      break;
    case 2: info->Guid = d->identifier; break;
    case 4: info->Guid = d->parent_id; break;
    case 14: info->Guid = d->disk_id; break;
    case 6:
      info->VirtualStorageType.DeviceId = d->device;
      parse_guid("EC984AEC-A0F9-47e9-901F-71415A66345B", &info->VirtualStorageType.VendorId);
      break;
    case 7: info->Number = d->subtype; break;
    case 10: info->Number = d->physical_sector; break;
    case 13: info->Number = (uint32_t)(d->loaded || find_attached(d->path)); break;
    case 3:
      info->ParentLocation.ParentResolved = check_parents(d) == E_SUCCESS;
      text = info->ParentLocation.ParentLocationBuffer;
      for (int i = 0; i < (info->ParentLocation.ParentResolved ? 1 : d->parent_count); i++) text += to_utf16(d->parents[i], text) + 1;
      if (!info->ParentLocation.ParentResolved) *text = 0;
      break;
    case 15:
      info->ChangeTrackingState.Enabled = d->tracking;
      info->ChangeTrackingState.NewerChanges = d->newer;
      to_utf16(d->most_recent, info->ChangeTrackingState.MostRecentId);
      break;
  }
}

EXPORT uint32_t CALL GetVirtualDiskInformation(HANDLE handle, uint32_t *size, vd_get_info *info, uint32_t *used) {
  handle_entry *e = find_handle(handle, KIND_DISK);
  uint32_t code;
  if (!e) return E_INVALID_HANDLE;
  if (!size || !info) return E_INVALID_PARAMETER;
  if (e->version == 1 && !(e->access & ACCESS_GET_INFO)) return E_ACCESS_DENIED;
  /* smaller than the declared structure: refused, whatever is asked for (assumed) */
  if (*size < sizeof(vd_get_info) && !strcmp(assume(e->disk, "small-structure", "refused"), "refused")) return E_INVALID_PARAMETER;
  uint32_t version = info->Version, need = needed(e->disk, version, &code);
  uint32_t plan = planned(e->disk, "GetVirtualDiskInformation");
  if (plan || code) return plan ? plan : code;
  if (*size < need) {
    if (!strcmp(assume(e->disk, "needed-size", "told"), "told")) *size = need;
    return E_INSUFFICIENT_BUFFER;
  }
  fill(e->disk, version, info);
  if (used) *used = need;
  return E_SUCCESS;
}

EXPORT uint32_t CALL SetVirtualDiskInformation(HANDLE handle, const vd_set_info *info) {
  handle_entry *e = find_handle(handle, KIND_DISK);
  if (!e) return E_INVALID_HANDLE;
  if (!info || info->Version < 1 || info->Version > 7) return E_INVALID_PARAMETER;
  if (e->version == 1 ? !(e->access & ACCESS_METAOPS) : e->info_only || e->read_only) return E_ACCESS_DENIED;
  uint32_t code = planned(e->disk, "SetVirtualDiskInformation");
  if (code) return code;
  if (info->Version != 6) return E_NOT_SUPPORTED; /* not needed by anybody here */
  if (e->disk->device < 3) return E_VHD_INVALID_TYPE;
  e->disk->tracking = info->ChangeTrackingEnabled != 0;
  return remember(e->disk, e->disk->tracking ? "tracking on" : "tracking off");
}
