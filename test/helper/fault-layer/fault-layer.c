/*
 * A library to be preloaded: calls that a process makes below one folder fail as a control file says. Node and libuv call
 * the C library's functions, so a real process on a real file system meets what a stumbling share or disk answers.
 *
 * FAULT_ROOT     the folder
 * FAULT_CONTROL  a file of sizeof(struct control) bytes, mapped; the test writes it while the process runs
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call { OPEN, CREATE, READ, WRITE, FSYNC, LINK, RENAME, MKDIR, READDIR, UNLINK, CALLS };
enum mode { OFF, EVERY, ALWAYS, HANG };

struct control {
  _Atomic int32_t mode;
  _Atomic int32_t error;    /* errno */
  _Atomic int32_t every;    /* EVERY: each so many-th call of the mask fails */
  _Atomic uint32_t mask;    /* bit i: calls of kind i */
  _Atomic int32_t after;    /* 1: the call is done, and says that it failed */
  int32_t unused;
  _Atomic int64_t until;    /* ALWAYS: up to this time, ms since 1970; 0: for ever */
  _Atomic int64_t counter;  /* calls of the mask so far */
  _Atomic int64_t injected[CALLS];
  char part[256];           /* when not empty: only paths that hold this */
};

static struct control *control;
static const char *root;
static size_t root_length;

__attribute__((constructor)) static void start(void) {
  root = getenv("FAULT_ROOT");
  const char *path = getenv("FAULT_CONTROL");
  if (!root || !path) return;
  root_length = strlen(root);
  int file = ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *memory = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory != MAP_FAILED) control = memory;
}

static int is_below(const char *path) {
  if (!control || !path || strncmp(path, root, root_length) != 0) return 0;
  return path[root_length] == 0 || path[root_length] == '/';
}

/* Whether this call is to fail. Sets errno. */
static int fails(enum call call, const char *path) {
  if (!is_below(path)) return 0;
  int mode = control->mode;
  if (mode == OFF || !(control->mask & (1u << call))) return 0;
  if (control->part[0] && !strstr(path + root_length, control->part)) return 0;
  if (mode == EVERY && (atomic_fetch_add(&control->counter, 1) + 1) % control->every != 0) return 0;
  if (mode == ALWAYS && control->until) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec * 1000ll + now.tv_nsec / 1000000 > control->until) return 0;
  }
  atomic_fetch_add(&control->injected[call], 1);
  while (mode == HANG && control->mode == HANG) usleep(10000);
  if (mode == HANG) return 0;
  errno = control->error;
  return 1;
}

/* The kernel is asked for the path: libuv closes files past us, so their numbers come back as others'. */
static int fails_file(enum call call, int file) {
  if (!control || control->mode == OFF || !(control->mask & (1u << call))) return 0;
  char link[40], path[4096];
  int before = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = before;
  if (length <= 0) return 0;
  path[length] = 0;
  return fails(call, path);
}

#define REAL(name) ((__typeof__(&name))({ static void *f; if (!f) f = dlsym(RTLD_NEXT, #name); f; }))
/* Fails before the call, or after it when the control file says so. */
#define FAULTY(decision, action)                                     \
  if (decision) {                                                    \
    if (!control->after) return -1;                                  \
    __typeof__(action) done = (action);                              \
    if (done >= 0) errno = control->error;                           \
    return -1;                                                       \
  }                                                                  \
  return action;

static int opens(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
  if (fails(flags & O_CREAT ? CREATE : OPEN, path)) {
    if (control->after && (flags & O_CREAT)) {
      int file = real(path, flags, mode);
      if (file >= 0) REAL(close)(file);
      errno = control->error;
    }
    return -1;
  }
  return real(path, flags, mode);
}

#define MODE(flags)                                                  \
  mode_t mode = 0;                                                   \
  if (flags & O_CREAT) {                                             \
    va_list list;                                                    \
    va_start(list, flags);                                           \
    mode = va_arg(list, mode_t);                                     \
    va_end(list);                                                    \
  }

int open(const char *path, int flags, ...) { MODE(flags) return opens(REAL(open), path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opens(REAL(open64), path, flags, mode); }

ssize_t read(int f, void *b, size_t n) { FAULTY(fails_file(READ, f), REAL(read)(f, b, n)) }
ssize_t pread(int f, void *b, size_t n, off_t o) { FAULTY(fails_file(READ, f), REAL(pread)(f, b, n, o)) }
ssize_t pread64(int f, void *b, size_t n, off64_t o) { FAULTY(fails_file(READ, f), REAL(pread64)(f, b, n, o)) }
ssize_t preadv64(int f, const struct iovec *v, int n, off64_t o) { FAULTY(fails_file(READ, f), REAL(preadv64)(f, v, n, o)) }
ssize_t write(int f, const void *b, size_t n) { FAULTY(fails_file(WRITE, f), REAL(write)(f, b, n)) }
ssize_t pwrite(int f, const void *b, size_t n, off_t o) { FAULTY(fails_file(WRITE, f), REAL(pwrite)(f, b, n, o)) }
ssize_t pwrite64(int f, const void *b, size_t n, off64_t o) { FAULTY(fails_file(WRITE, f), REAL(pwrite64)(f, b, n, o)) }
ssize_t pwritev64(int f, const struct iovec *v, int n, off64_t o) { FAULTY(fails_file(WRITE, f), REAL(pwritev64)(f, v, n, o)) }
int fsync(int f) { FAULTY(fails_file(FSYNC, f), REAL(fsync)(f)) }
int fdatasync(int f) { FAULTY(fails_file(FSYNC, f), REAL(fdatasync)(f)) }
int link(const char *a, const char *b) { FAULTY(fails(LINK, b), REAL(link)(a, b)) }
int rename(const char *a, const char *b) { FAULTY(fails(RENAME, b), REAL(rename)(a, b)) }
int mkdir(const char *p, mode_t m) { FAULTY(fails(MKDIR, p), REAL(mkdir)(p, m)) }
int unlink(const char *p) { FAULTY(fails(UNLINK, p), REAL(unlink)(p)) }

/* A share: what is below the folder lies on NFS. */
#define SHARE(name, type)                                            \
  int name(const char *p, struct type *s) {                          \
    int done = REAL(name)(p, s);                                     \
    if (done == 0 && is_below(p)) s->f_type = 0x6969;                \
    return done;                                                     \
  }
SHARE(statfs, statfs)
SHARE(statfs64, statfs64)

/* The C library's own scandir calls its opendir past us. */
typedef struct dirent entry;
typedef struct dirent64 entry64;
int scandir(const char *p, entry ***l, int (*f)(const entry *), int (*c)(const entry **, const entry **)) {
  return fails(READDIR, p) ? -1 : REAL(scandir)(p, l, f, c);
}
int scandir64(const char *p, entry64 ***l, int (*f)(const entry64 *), int (*c)(const entry64 **, const entry64 **)) {
  return fails(READDIR, p) ? -1 : REAL(scandir64)(p, l, f, c);
}
