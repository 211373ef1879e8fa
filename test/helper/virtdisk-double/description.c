/* Reads the description of a disk: see README.md for its lines. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "double.h"

#define SUFFIX ".rct.txt"

int parse_guid(const char *text, vd_guid *out) {
  unsigned int v[11];
  if (*text == '{') text++;
  if (sscanf(text, "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9], &v[10]) != 11) return 0;
  out->a = v[0];
  out->b = (uint16_t)v[1];
  out->c = (uint16_t)v[2];
  for (int i = 0; i < 8; i++) out->d[i] = (uint8_t)v[3 + i];
  return 1;
}

void format_guid(const vd_guid *g, char *out) {
  sprintf(out, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", g->a, g->b, g->c, g->d[0], g->d[1], g->d[2], g->d[3], g->d[4], g->d[5], g->d[6], g->d[7]);
}

int same_guid(const vd_guid *a, const vd_guid *b) { return !memcmp(a, b, sizeof *a); }

static void *grow(void *list, size_t count, size_t item) {
  void *more = realloc(list, (count + 1) * item);
  if (!more) abort();
  memset((char *)more + count * item, 0, item);
  return more;
}

static int add_range(tracking_id *id, uint64_t offset, uint64_t length) {
  if (id->count == id->room) {
    id->room = id->room ? id->room * 2 : 1024;
    id->ranges = realloc(id->ranges, id->room * sizeof *id->ranges);
    if (!id->ranges) abort();
  }
  id->ranges[id->count++] = (vd_range){offset, length, 0};
  return 1;
}

static tracking_id *add_id(disk *d, const char *text) {
  d->ids = grow(d->ids, d->id_count, sizeof *d->ids);
  d->ids[d->id_count].id = strdup(text);
  return &d->ids[d->id_count++];
}

static int yes(const char *value) { return !strcmp(value, "yes") || !strcmp(value, "on"); }

static int read_ranges(disk *d, const char *key, char *value) {
  unsigned long long a, b, c, n;
  if (!d->id_count) return 0;
  tracking_id *id = &d->ids[d->id_count - 1];
  if (!strcmp(key, "range")) return sscanf(value, "%llu %llu", &a, &b) == 2 && add_range(id, a, b);
  if (sscanf(value, "%llu %llu %llu %llu", &a, &b, &c, &n) != 4) return 0;
  for (unsigned long long i = 0; i < n; i++) add_range(id, a + i * b, c);
  return 1;
}

static int read_event(disk *d, const char *key, char *value) {
  if (!strcmp(key, "id-error")) {
    char *code = strrchr(value, ' ');
    if (!code) return 0;
    *code++ = 0;
    add_id(d, value)->error = (uint32_t)strtoul(code, NULL, 0);
    return 1;
  }
  if (!strcmp(key, "fail")) {
    d->failures = grow(d->failures, d->failure_count, sizeof *d->failures);
    planned_failure *f = &d->failures[d->failure_count++];
    char code[32];
    unsigned long long after = 0;
    int n = sscanf(value, "%47s %31s %llu", f->function, code, &after);
    f->code = (uint32_t)strtoul(code, NULL, 0);
    f->after = after;
    return n >= 2;
  }
  if (!strcmp(key, "assume")) {
    d->assumptions = grow(d->assumptions, d->assumption_count, sizeof *d->assumptions);
    assumption *a = &d->assumptions[d->assumption_count++];
    return sscanf(value, "%47s %63s", a->name, a->value) == 2;
  }
  return 0;
}

static snapshot *find_snapshot(disk *d, const char *value) {
  vd_guid id;
  if (!parse_guid(value, &id)) return NULL;
  for (size_t i = 0; i < d->snapshot_count; i++)
    if (same_guid(&d->snapshots[i].id, &id)) return &d->snapshots[i];
  return NULL;
}

static int read_snapshot(disk *d, const char *key, char *value) {
  snapshot *known = find_snapshot(d, value);
  if (!strcmp(key, "snapshot")) {
    if (!known) {
      d->snapshots = grow(d->snapshots, d->snapshot_count, sizeof *d->snapshots);
      known = &d->snapshots[d->snapshot_count++];
      if (!parse_guid(value, &known->id)) return 0;
    }
    known->deleted = known->reference = 0;
    const char *path = strchr(value, ' ');
    if (path) snprintf(known->path, sizeof known->path, "%s", path + 1);
    return 1;
  }
  if (!known) return 0;
  known->deleted = 1;
  known->reference = !strcmp(key, "snapshot-reference");
  return 1;
}

static int read_line(disk *d, const char *key, char *value) {
  static const char *devices[] = {"", "iso", "vhd", "vhdx", "vhdset"}, *types[] = {"", "", "fixed", "dynamic", "differencing"};
  if (!strcmp(key, "format")) { for (uint32_t i = 1; i < 5; i++) if (!strcmp(value, devices[i])) d->device = i; return d->device != 0; }
  if (!strcmp(key, "subtype")) { for (uint32_t i = 2; i < 5; i++) if (!strcmp(value, types[i])) d->subtype = i; return 1; }
  if (!strcmp(key, "size")) return (d->size = strtoull(value, NULL, 0)) != 0;
  if (!strcmp(key, "physical")) return d->physical = strtoull(value, NULL, 0), 1;
  if (!strcmp(key, "block")) return d->block = (uint32_t)strtoul(value, NULL, 0), 1;
  if (!strcmp(key, "sector")) return d->sector = (uint32_t)strtoul(value, NULL, 0), 1;
  if (!strcmp(key, "physical-sector")) return d->physical_sector = (uint32_t)strtoul(value, NULL, 0), 1;
  if (!strcmp(key, "identifier")) return parse_guid(value, &d->identifier);
  if (!strcmp(key, "disk-id")) return d->has_disk_id = parse_guid(value, &d->disk_id);
  if (!strcmp(key, "parent-id")) return parse_guid(value, &d->parent_id);
  if (!strcmp(key, "parent")) {
    if (d->parent_count == 8) return 0;
    snprintf(d->parents[d->parent_count++], TEXT_MAX, "%s", value);
    return 1;
  }
  if (!strcmp(key, "tracking")) return d->tracking = yes(value), 1;
  if (!strcmp(key, "most-recent")) return snprintf(d->most_recent, sizeof d->most_recent, "%s", value), 1;
  if (!strcmp(key, "newer-changes")) return d->newer = yes(value), 1;
  if (!strcmp(key, "merged")) return d->merged = yes(value), 1;
  if (!strcmp(key, "loaded")) return d->loaded = yes(value), 1;
  if (!strcmp(key, "content")) return snprintf(d->content, sizeof d->content, "%s", value), 1;
  if (!strcmp(key, "max-processed")) return d->max_processed = strtoull(value, NULL, 0), 1;
  if (!strcmp(key, "max-ranges")) return d->max_ranges = strtoull(value, NULL, 0), 1;
  if (!strcmp(key, "default-path")) return 1;
  if (!strcmp(key, "id")) return add_id(d, value), 1;
  if (!strncmp(key, "range", 5)) return read_ranges(d, key, value);
  if (!strncmp(key, "snapshot", 8)) return read_snapshot(d, key, value);
  return read_event(d, key, value);
}

uint32_t load_disk(const char *path, disk **out) {
  char name[TEXT_MAX + 16], line[2 * TEXT_MAX];
  FILE *file = open_file(path, "rb");
  if (!file) return E_FILE_NOT_FOUND;
  fclose(file);
  snprintf(name, sizeof name, "%s" SUFFIX, path);
  if (!(file = open_file(name, "rb"))) return E_NOT_VIRTUAL_DISK;
  disk *d = calloc(1, sizeof *d);
  if (!d) abort();
  snprintf(d->path, sizeof d->path, "%s", path);
  d->device = 3;
  d->subtype = 3;
  d->block = 33554432;
  d->sector = 512;
  d->physical_sector = 4096;
  int good = 1;
  for (int number = 1; good && fgets(line, sizeof line, file); number++) {
    line[strcspn(line, "\r\n")] = 0;
    if (!line[0] || line[0] == '#') continue;
    char *value = strchr(line, ' ');
    if (value) *value++ = 0;
    good = read_line(d, line, value ? value : line + strlen(line));
    if (!good) fprintf(stderr, "virtdisk double: %s:%d: %s\n", name, number, line);
  }
  fclose(file);
  if (good && d->size) return *out = d, E_SUCCESS;
  free_disk(d);
  return E_FILE_CORRUPT;
}

void free_disk(disk *d) {
  for (size_t i = 0; i < d->id_count; i++) { free(d->ids[i].id); free(d->ids[i].ranges); }
  free(d->ids);
  free(d->failures);
  free(d->assumptions);
  free(d->snapshots);
  free(d);
}

uint32_t remember(const disk *d, const char *line) {
  char name[TEXT_MAX + 16];
  snprintf(name, sizeof name, "%s" SUFFIX, d->path);
  FILE *file = open_file(name, "ab");
  if (!file) return E_ACCESS_DENIED;
  fprintf(file, "%s\n", line);
  return fclose(file) ? E_ACCESS_DENIED : E_SUCCESS;
}

const char *assume(const disk *d, const char *name, const char *otherwise) {
  for (size_t i = d->assumption_count; i-- > 0;)
    if (!strcmp(d->assumptions[i].name, name)) return d->assumptions[i].value;
  char variable[80] = "HVB_VIRTDISK_";
  size_t n = strlen(variable);
  for (; *name && n < sizeof variable - 1; name++) variable[n++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
  variable[n] = 0;
  const char *value = getenv(variable);
  return value && *value ? value : otherwise;
}

uint32_t planned(disk *d, const char *function) {
  for (size_t i = 0; i < d->failure_count; i++) {
    planned_failure *f = &d->failures[i];
    if (!strcmp(f->function, function) && f->seen++ >= f->after) return f->code;
  }
  return E_SUCCESS;
}
