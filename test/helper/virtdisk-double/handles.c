/*
 * Handles. Values look like Windows' (multiples of 4) and are never given twice while the process lives, so that a closed
 * handle is always noticed. On Windows each is a real event: kernel32's CloseHandle must accept it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "double.h"

#define HANDLES_MAX 65536

#ifdef _WIN32
static SRWLOCK mutex = SRWLOCK_INIT;
#define LOCK() AcquireSRWLockExclusive(&mutex)
#define UNLOCK() ReleaseSRWLockExclusive(&mutex)
#else
#include <pthread.h>
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
#define LOCK() pthread_mutex_lock(&mutex)
#define UNLOCK() pthread_mutex_unlock(&mutex)
#endif

static handle_entry *entries[HANDLES_MAX];
static HANDLE values[HANDLES_MAX];
static size_t used;

void set_error(uint32_t code) {
#ifdef _WIN32
  SetLastError(code);
#else
  errno = (int)code; /* what .NET's Marshal.GetLastWin32Error reads here */
#endif
}

HANDLE new_handle(enum kind kind, handle_entry **out) {
  handle_entry *entry = calloc(1, sizeof *entry);
  HANDLE value = NULL;
  LOCK();
  if (entry && used < HANDLES_MAX) {
    entry->kind = kind;
#ifdef _WIN32
    value = CreateEventW(NULL, TRUE, FALSE, NULL);
#else
    value = (HANDLE)(uintptr_t)(0x1000 + 4 * used);
#endif
    entries[used] = entry;
    values[used++] = value;
    *out = entry;
  }
  UNLOCK();
  return value;
}

static size_t index_of(HANDLE value) {
  for (size_t i = used; i-- > 0;)
    if (values[i] == value) return i;
  return HANDLES_MAX;
}

handle_entry *find_handle(HANDLE value, enum kind kind) {
  LOCK();
  size_t at = index_of(value);
  handle_entry *found = at < HANDLES_MAX && entries[at] && entries[at]->kind == kind ? entries[at] : NULL;
  UNLOCK();
  return found;
}

handle_entry *find_attached(const char *path) {
  handle_entry *found = NULL;
  LOCK();
  for (size_t i = 0; i < used && !found; i++)
    if (entries[i] && entries[i]->kind == KIND_DISK && entries[i]->attached && !strcmp(entries[i]->disk->path, path)) found = entries[i];
  UNLOCK();
  return found;
}

int open_for_writing(const char *path, const handle_entry *except) {
  int found = 0;
  LOCK();
  for (size_t i = 0; i < used; i++) {
    handle_entry *e = entries[i];
    if (!e || e == except || e->kind != KIND_DISK || strcmp(e->disk->path, path)) continue;
    if (!e->info_only && !e->read_only && (e->version > 1 || (e->access & (ACCESS_METAOPS | ACCESS_ATTACH_RW)))) found = 1;
  }
  UNLOCK();
  return found;
}

int release_handle(HANDLE value) {
  LOCK();
  size_t at = index_of(value);
  handle_entry *entry = at < HANDLES_MAX ? entries[at] : NULL;
  if (entry) entries[at] = NULL;
  UNLOCK();
  if (!entry) return 0;
  if (entry->disk) free_disk(entry->disk);
  free(entry);
  return 1;
}
