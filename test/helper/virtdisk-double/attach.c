/* AttachVirtualDisk and what follows it: detaching, the physical path, reading through the handle. */
#include <stdlib.h>
#include <string.h>
#include "double.h"

EXPORT uint32_t CALL AttachVirtualDisk(HANDLE handle, void *security, uint32_t flags, uint32_t provider_flags,
                                       const vd_attach_parameters *parameters, vd_overlapped *overlapped) {
  (void)security;
  handle_entry *e = find_handle(handle, KIND_DISK);
  if (!e || flags & ~ATTACH_FLAGS_KNOWN || provider_flags) return E_INVALID_PARAMETER; /* documented for a bad handle too */
  if (parameters && parameters->Version != 1 && parameters->Version != 2) return E_INVALID_PARAMETER;
  if (overlapped) return E_NOT_SUPPORTED;
  if (e->info_only) return E_ACCESS_DENIED;
  if (e->version == 1 && !(e->access & (flags & ATTACH_READ_ONLY ? ACCESS_ATTACH_RO | ACCESS_ATTACH_RW : ACCESS_ATTACH_RW))) return E_ACCESS_DENIED;
  if (e->version > 1 && e->read_only && !(flags & ATTACH_READ_ONLY)) return E_ACCESS_DENIED;
  uint32_t code = planned(e->disk, "AttachVirtualDisk");
  if (code) return code;
  if (e->disk->loaded || find_attached(e->disk->path)) return E_SHARING_VIOLATION;
  e->attached = 1;
  e->attach_flags = (int)flags;
  return E_SUCCESS;
}

EXPORT uint32_t CALL DetachVirtualDisk(HANDLE handle, uint32_t flags, uint32_t provider_flags) {
  handle_entry *e = find_handle(handle, KIND_DISK);
  if (!e || flags || provider_flags) return E_INVALID_PARAMETER;
  if (e->version == 1 && !(e->access & ACCESS_DETACH)) return E_ACCESS_DENIED;
  uint32_t code = planned(e->disk, "DetachVirtualDisk");
  if (code) return code;
  handle_entry *attached = find_attached(e->disk->path);
  if (!attached) return E_NOT_FOUND;
  attached->attached = 0;
  return E_SUCCESS;
}

EXPORT uint32_t CALL GetVirtualDiskPhysicalPath(HANDLE handle, uint32_t *size, uint16_t *path) {
  static const char text[] = "\\\\.\\PhysicalDrive7";
  handle_entry *e = find_handle(handle, KIND_DISK);
  if (!e) return E_INVALID_HANDLE;
  if (!size) return E_INVALID_PARAMETER;
  if (e->version == 1 && !(e->access & ACCESS_GET_INFO)) return E_ACCESS_DENIED;
  uint32_t code = planned(e->disk, "GetVirtualDiskPhysicalPath");
  if (code) return code;
  handle_entry *attached = find_attached(e->disk->path);
  if (!attached) return E_NOT_FOUND;
  /* a disk that this host does not see has no place in its list of disks (assumed) */
  if (attached->attach_flags & (int)ATTACH_NO_LOCAL_HOST) return E_NOT_FOUND;
  uint32_t need = (uint32_t)(2 * (utf16_length(text) + 1));
  if (*size < need || !path) {
    if (!strcmp(assume(e->disk, "needed-size", "told"), "told")) *size = need;
    return E_INSUFFICIENT_BUFFER;
  }
  to_utf16(text, path);
  return E_SUCCESS;
}

#ifndef _WIN32
/* kernel32's part: on Windows a handle of the double is an event, so nothing can be read through it. */

EXPORT int32_t CloseHandle(HANDLE handle) {
  if (release_handle(handle)) return TRUE;
  set_error(E_INVALID_HANDLE);
  return FALSE;
}

EXPORT HANDLE CreateEventW(void *attributes, int32_t manual, int32_t initial, const uint16_t *name) {
  handle_entry *entry;
  (void)attributes, (void)manual, (void)name;
  HANDLE handle = new_handle(KIND_EVENT, &entry);
  if (handle) entry->signalled = initial != 0;
  return handle;
}

static int fail(uint32_t code) {
  set_error(code);
  return FALSE;
}

/* The operation's own outcome is kept in the OVERLAPPED, as Windows does: status in Internal, bytes in InternalHigh. */
EXPORT int32_t ReadFile(HANDLE handle, void *buffer, uint32_t length, uint32_t *got, vd_overlapped *o) {
  handle_entry *e = find_handle(handle, KIND_DISK);
  if (!e) return fail(E_INVALID_HANDLE);
  if (!e->attached || !(e->attach_flags & (int)ATTACH_NO_LOCAL_HOST)) return fail(E_INVALID_FUNCTION);
  if (!o || got || !find_handle(o->hEvent, KIND_EVENT)) return fail(E_INVALID_PARAMETER);
  disk *d = e->disk;
  uint64_t offset = (uint64_t)o->OffsetHigh << 32 | o->Offset;
  if (offset % d->sector || length % d->sector || !length || (uintptr_t)buffer % d->sector) return fail(E_INVALID_PARAMETER);
  uint32_t code = planned(d, "ReadFile");
  if (code) return fail(code);
  if (offset >= d->size) return fail(E_HANDLE_EOF);
  if (length > d->size - offset) length = (uint32_t)(d->size - offset);
  FILE *file = d->content[0] ? open_file(d->content, "rb") : NULL;
  if (!file) return fail(E_NOT_SUPPORTED);
  memset(buffer, 0, length);
  if (!fseeko(file, (off_t)offset, SEEK_SET)) (void)!fread(buffer, 1, length, file);
  fclose(file);
  uint64_t most = strtoull(assume(d, "max-read", "0"), NULL, 0);
  o->InternalHigh = most && most < length ? most : length;
  o->Internal = planned(d, "ReadFile.result");
  if (!strcmp(assume(d, "read", "pending"), "pending")) return fail(E_IO_PENDING);
  return o->Internal ? fail((uint32_t)o->Internal) : TRUE;
}

EXPORT int32_t GetOverlappedResult(HANDLE handle, vd_overlapped *o, uint32_t *bytes, int32_t wait) {
  handle_entry *e = find_handle(handle, KIND_DISK);
  if (!e || !o || !bytes) return fail(e ? E_INVALID_PARAMETER : E_INVALID_HANDLE);
  if (e->merging == o && !wait) return fail(E_IO_INCOMPLETE);
  *bytes = (uint32_t)o->InternalHigh;
  return o->Internal ? fail((uint32_t)o->Internal) : TRUE;
}
#endif
