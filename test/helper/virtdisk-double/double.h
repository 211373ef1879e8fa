/* The double's own state: descriptions of disks, and open handles. */
#ifndef DOUBLE_H
#define DOUBLE_H

#include <stddef.h>
#include <stdio.h>
#include "windows-types.h"

#define TEXT_MAX 4096

typedef struct { char *id; uint32_t error; vd_range *ranges; size_t count, room; } tracking_id;
typedef struct { char function[48]; uint32_t code; uint64_t after, seen; } planned_failure;
typedef struct { char name[48], value[64]; } assumption;
typedef struct { vd_guid id; char path[TEXT_MAX]; int deleted, reference; } snapshot;

/* What README.md calls a description: everything that is known of one disk file. */
typedef struct {
  char path[TEXT_MAX];
  uint32_t device, subtype, block, sector, physical_sector;
  uint64_t size, physical;
  vd_guid identifier, disk_id, parent_id;
  int has_disk_id, tracking, newer, merged, loaded;
  char most_recent[512];
  char parents[8][TEXT_MAX];
  int parent_count;
  char content[TEXT_MAX];
  uint64_t max_processed, max_ranges;
  tracking_id *ids;
  size_t id_count;
  planned_failure *failures;
  size_t failure_count;
  assumption *assumptions;
  size_t assumption_count;
  snapshot *snapshots;
  size_t snapshot_count;
} disk;

enum kind { KIND_FREE = 0, KIND_DISK, KIND_EVENT };

typedef struct {
  enum kind kind;
  disk *disk;
  uint32_t version, access, flags, depth;
  int info_only, read_only, attached, attach_flags;
  vd_overlapped *merging;
  uint64_t merge_step;
  int signalled;
} handle_entry;

/* description.c */
uint32_t load_disk(const char *path, disk **out);
void free_disk(disk *d);
/* Appends a line: what a call changes outlives its handle. */
uint32_t remember(const disk *d, const char *line);
/* The value of an assumed behaviour: of the description, else of the environment (HVB_VIRTDISK_NAME), else the default. */
const char *assume(const disk *d, const char *name, const char *otherwise);
/* The code that the description plans for this call, or success. */
uint32_t planned(disk *d, const char *function);
int parse_guid(const char *text, vd_guid *out);
void format_guid(const vd_guid *id, char *out);
int same_guid(const vd_guid *a, const vd_guid *b);

/* handles.c */
HANDLE new_handle(enum kind kind, handle_entry **out);
handle_entry *find_handle(HANDLE value, enum kind kind);
/* Another open handle that attached this file, or NULL. */
handle_entry *find_attached(const char *path);
/* Whether a handle other than this one has the file open for writing. */
int open_for_writing(const char *path, const handle_entry *except);
int release_handle(HANDLE value);
void set_error(uint32_t code);

/* text.c */
int to_utf8(const uint16_t *text, char *out, size_t room);
size_t utf16_length(const char *text);
size_t to_utf16(const char *text, uint16_t *out);
FILE *open_file(const char *path, const char *mode);

#endif
