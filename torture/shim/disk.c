/*
 * Stands between a program and its disk: records what is written and synced below one folder, and
 * fails such calls on demand. Preloaded into the program under test; not part of the product.
 *
 *   DISK_SHIM_FOLDER   the folder, absolute and without symbolic links
 *   DISK_SHIM_RECORD   folder, outside of the watched one, for a file of records per process, which are
 *                      numbered in the order of their starts; none: nothing is recorded
 *   DISK_SHIM_CONTROL  file of `struct control`, shared with whoever decides about faults; none: no faults
 *
 * Order. A change and its record are made under one mutex, so records are in the order in which the
 * changes happened. The record of a change comes before it, so that a killed process leaves no
 * change without a record; what then did not happen, or not as a whole, is taken back by a second
 * record. A sync has two records and no mutex between them: what was recorded before the first is
 * on the disk once the second, without an error, is there.
 *
 * Seen is what goes through the C library. Writes through a shared mapping are not seen; the mapping
 * itself is, and so are calls that this file knows but cannot record, as `UNSUPPORTED`.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------ what the harness reads and writes */

enum kind {
    PROCESS = 1,     /* a process begins; first = its id */
    OPENED = 2,      /* a file that may be written; name, second = 1 if it is new */
    DIRECTORY = 3,   /* a directory was made; name */
    WRITE = 4,       /* data at first */
    RESIZE = 5,      /* first = new length */
    ALLOCATE = 6,    /* room was made; first = offset, second = length */
    ZERO = 7,        /* zeros; first = offset, second = length */
    RENAME = 8,      /* name = old NUL new */
    REMOVE = 9,      /* a name of a file or an empty directory; name */
    LINK = 10,       /* name = old NUL new */
    SYNC_BEGINS = 11,/* first = ticket */
    SYNC_ENDS = 12,  /* first = ticket, second = error number or 0 */
    MAPPED = 13,     /* may be written through memory from here on */
    CORRECTION = 14, /* the record before it: only first bytes were written; nothing happened if it is no WRITE */
    UNSUPPORTED = 15 /* a call that cannot be recorded; name = the call */
};

struct record {
    uint32_t magic;
    uint32_t kind;
    uint64_t inode;
    uint64_t first;
    uint64_t second;
    uint32_t name_length;
    uint32_t data_length;
};

_Static_assert(sizeof(struct record) == 40, "src/power/record.rs reads it");

#define RECORD_MAGIC 0x4b534944u /* "DISK" */
#define CONTROL_MAGIC 0x4c525443u /* "CTRL" */
#define RULES 8
#define SUFFIX 32

enum operation { ON_WRITE = 1, ON_SYNC = 2, ON_READ = 4, ON_OPEN = 8, ON_RESIZE = 16, ON_NAME = 32 };
#define OPERATIONS 6

enum action {
    FAIL = 1,   /* nothing happens, `number` is the error */
    SHORT = 2,  /* half of a write happens and is reported as such */
    TORN = 3,   /* half of a write happens, `number` is the error */
    DELAY = 4   /* waits `number` milliseconds, then does it */
};

struct rule {
    _Atomic uint64_t enabled;
    uint64_t operations; /* bits of enum operation */
    uint64_t action;
    uint64_t number;
    _Atomic uint64_t skip;  /* so many calls pass first */
    _Atomic uint64_t times; /* then so many are hit */
    char suffix[SUFFIX];    /* only of names that end like this; NUL-terminated */
};

struct control {
    uint64_t magic;
    /* Whether `room` counts. */
    _Atomic uint64_t limited;
    /* How many bytes may still find a place on the disk, all together. */
    _Atomic uint64_t room;
    /* Told by the shim: calls seen and calls failed, per operation in the order of their bits. */
    _Atomic uint64_t seen[OPERATIONS];
    _Atomic uint64_t hit[OPERATIONS];
    struct rule rules[RULES];
};

_Static_assert(sizeof(struct rule) == 80 && sizeof(struct control) == 760, "src/shim.rs writes them");

/* ------------------------------------------------------------------ state */

#define DESCRIPTORS 65536
#define NAME_END 48

/* What is known about a descriptor. The name's end is kept for rules. */
struct file {
    _Atomic uint64_t inode; /* 0: not below the folder */
    bool syncs_itself;      /* O_SYNC or O_DSYNC */
    char name_end[NAME_END];
};

static struct file files[DESCRIPTORS];
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_length;
static int record_descriptor = -1;
static struct control *control;
static _Atomic uint64_t tickets;

/* The real calls. */
#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__)
REAL(int, open, const char *, int, ...);
REAL(int, openat, int, const char *, int, ...);
REAL(int, close, int);
REAL(int, dup, int);
REAL(int, dup2, int, int);
REAL(int, dup3, int, int, int);
REAL(int, fcntl, int, int, ...);
REAL(ssize_t, read, int, void *, size_t);
REAL(ssize_t, pread, int, void *, size_t, off_t);
REAL(ssize_t, readv, int, const struct iovec *, int);
REAL(ssize_t, preadv, int, const struct iovec *, int, off_t);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
REAL(ssize_t, writev, int, const struct iovec *, int);
REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t);
REAL(ssize_t, sendfile, int, int, off_t *, size_t);
REAL(ssize_t, copy_file_range, int, off_t *, int, off_t *, size_t, unsigned);
REAL(int, ftruncate, int, off_t);
REAL(int, truncate, const char *, off_t);
REAL(int, fallocate, int, int, off_t, off_t);
REAL(int, posix_fallocate, int, off_t, off_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, unlink, const char *);
REAL(int, unlinkat, int, const char *, int);
REAL(int, rmdir, const char *);
REAL(int, mkdir, const char *, mode_t);
REAL(int, mkdirat, int, const char *, mode_t);
REAL(int, rename, const char *, const char *);
REAL(int, renameat, int, const char *, int, const char *);
REAL(int, renameat2, int, const char *, int, const char *, unsigned);
REAL(int, link, const char *, const char *);
REAL(int, linkat, int, const char *, int, const char *, int);
REAL(void *, mmap, void *, size_t, int, int, int, off_t);

static void say(const char *what) {
    if (real_write != NULL) {
        ssize_t ignored = real_write(2, what, strlen(what));
        (void)ignored;
    }
}

/* Without the real call nothing can go on. */
static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        say("disk shim: this C library lacks ");
        say(name);
        say("\n");
        abort();
    }
    return found;
}

static _Atomic bool is_ready;

static void find_real_calls(void) {
    if (atomic_load(&is_ready)) return;
#define FIND(name, symbol) real_##name = (__typeof__(real_##name))next(symbol)
    FIND(write, "write");
    FIND(open, "open64");
    FIND(openat, "openat64");
    FIND(close, "close");
    FIND(dup, "dup");
    FIND(dup2, "dup2");
    FIND(dup3, "dup3");
    FIND(fcntl, "fcntl64");
    FIND(read, "read");
    FIND(pread, "pread64");
    FIND(readv, "readv");
    FIND(preadv, "preadv64");
    FIND(pwrite, "pwrite64");
    FIND(writev, "writev");
    FIND(pwritev, "pwritev64");
    FIND(sendfile, "sendfile64");
    FIND(copy_file_range, "copy_file_range");
    FIND(ftruncate, "ftruncate64");
    FIND(truncate, "truncate64");
    FIND(fallocate, "fallocate64");
    FIND(posix_fallocate, "posix_fallocate64");
    FIND(fsync, "fsync");
    FIND(fdatasync, "fdatasync");
    FIND(unlink, "unlink");
    FIND(unlinkat, "unlinkat");
    FIND(rmdir, "rmdir");
    FIND(mkdir, "mkdir");
    FIND(mkdirat, "mkdirat");
    FIND(rename, "rename");
    FIND(renameat, "renameat");
    FIND(renameat2, "renameat2");
    FIND(link, "link");
    FIND(linkat, "linkat");
    FIND(mmap, "mmap64");
    atomic_store(&is_ready, true);
}

/* ------------------------------------------------------------------ records */

/* More is of no use to anybody, and the disk is not ours. */
#define LONGEST_RECORD (2ull << 30)
static _Atomic uint64_t recorded;

/* One record, by one call. */
static void record(enum kind kind, uint64_t inode, uint64_t first, uint64_t second, const char *name,
                   size_t name_length, const struct iovec *data, int pieces) {
    if (record_descriptor < 0) return;
    size_t data_length = 0;
    for (int i = 0; i < pieces; i++) data_length += data[i].iov_len;
    struct record head = {RECORD_MAGIC, kind, inode, first, second, (uint32_t)name_length,
                          (uint32_t)data_length};
    if (pieces > IOV_MAX - 2) {
        say("disk shim: too many pieces in one write\n");
        abort();
    }
    struct iovec parts[IOV_MAX];
    int count = 0;
    parts[count++] = (struct iovec){&head, sizeof head};
    if (name_length > 0) parts[count++] = (struct iovec){(void *)name, name_length};
    for (int i = 0; i < pieces; i++) parts[count++] = data[i];
    ssize_t want = (ssize_t)(sizeof head + name_length + data_length);
    uint64_t before = atomic_fetch_add(&recorded, (uint64_t)want);
    if (before > LONGEST_RECORD) return;
    if (before + (uint64_t)want > LONGEST_RECORD) {
        /* The last one says that it is not the last. */
        static const char words[] = "the disk for more than 2 GiB";
        head = (struct record){RECORD_MAGIC, UNSUPPORTED, 0, 0, 0, sizeof words - 1, 0};
        parts[1] = (struct iovec){(void *)words, sizeof words - 1};
        count = 2;
        want = (ssize_t)(sizeof head + sizeof words - 1);
    }
    if (real_writev(record_descriptor, parts, count) != want) {
        /* A hole in the record would make every conclusion wrong. */
        say("disk shim: the record cannot be written\n");
        abort();
    }
}

static void record_name(enum kind kind, uint64_t inode, uint64_t second, const char *name) {
    record(kind, inode, 0, second, name, strlen(name), NULL, 0);
}

static void correct(uint64_t inode, ssize_t done) {
    record(CORRECTION, inode, done < 0 ? 0 : (uint64_t)done, 0, NULL, 0, NULL, 0);
}

static void lock(void) { pthread_mutex_lock(&order); }

static void unlock(void) {
    int saved = errno;
    pthread_mutex_unlock(&order);
    errno = saved;
}

/* ------------------------------------------------------------------ names and descriptors */

/* Writes the absolute form of a path; `.` and `..` are not resolved, because nobody here uses them. */
static bool absolute(int directory, const char *path, char *out, size_t size) {
    if (path == NULL) return false;
    if (path[0] == '/') return (size_t)snprintf(out, size, "%s", path) < size;
    char base[PATH_MAX];
    if (directory == AT_FDCWD) {
        if (getcwd(base, sizeof base) == NULL) return false;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length < 0) return false;
        base[length] = 0;
    }
    return (size_t)snprintf(out, size, "%s/%s", base, path) < size;
}

/* The part of an absolute path below the folder, "" for the folder itself, NULL for others. */
static const char *below(const char *path) {
    if (folder_length == 0 || strncmp(path, folder, folder_length) != 0) return NULL;
    if (path[folder_length] == 0) return path + folder_length;
    if (path[folder_length] != '/') return NULL;
    path += folder_length;
    while (*path == '/') path++;
    return path;
}

/* Like `below`, for what a call was given; `room` must outlive the answer. */
static const char *watched(int directory, const char *path, char room[PATH_MAX]) {
    if (folder_length == 0) return NULL;
    int saved = errno;
    bool is_known = absolute(directory, path, room, PATH_MAX);
    errno = saved;
    return is_known ? below(room) : NULL;
}

static struct file *file_of(int descriptor) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS) return NULL;
    struct file *file = &files[descriptor];
    return atomic_load(&file->inode) == 0 ? NULL : file;
}

static void forget(int descriptor) {
    if (descriptor >= 0 && descriptor < DESCRIPTORS) atomic_store(&files[descriptor].inode, 0);
}

static void keep(int descriptor, uint64_t inode, bool syncs_itself, const char *name) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS) return;
    struct file *file = &files[descriptor];
    size_t length = strlen(name), from = length < NAME_END ? 0 : length - (NAME_END - 1);
    memcpy(file->name_end, name + from, length - from + 1);
    file->syncs_itself = syncs_itself;
    atomic_store(&file->inode, inode);
}

static void copy_entry(int from, int to) {
    forget(to);
    struct file *file = file_of(from);
    if (file != NULL && to >= 0) keep(to, atomic_load(&file->inode), file->syncs_itself, file->name_end);
}

/* ------------------------------------------------------------------ faults */

static void count(_Atomic uint64_t *counters, enum operation operation) {
    int bit = __builtin_ctz((unsigned)operation);
    atomic_fetch_add(&counters[bit], 1);
}

static bool ends_with(const char *name, const char *suffix) {
    size_t length = strlen(name), tail = strnlen(suffix, SUFFIX);
    return tail <= length && memcmp(name + length - tail, suffix, tail) == 0;
}

/* Takes one from a counter unless it is zero. */
static bool take(_Atomic uint64_t *counter) {
    uint64_t now = atomic_load(counter);
    while (now > 0)
        if (atomic_compare_exchange_weak(counter, &now, now - 1)) return true;
    return false;
}

/* What is to happen to a call: 0 nothing, else an action, and its number. Delays are served here. */
static int fate(enum operation operation, const char *name, uint64_t *number) {
    if (control == NULL) return 0;
    count(control->seen, operation);
    for (int i = 0; i < RULES; i++) {
        struct rule *rule = &control->rules[i];
        if (!atomic_load(&rule->enabled) || !(rule->operations & operation)) continue;
        if (!ends_with(name, rule->suffix) || take(&rule->skip) || !take(&rule->times)) continue;
        count(control->hit, operation);
        *number = rule->number;
        if (rule->action != DELAY) return (int)rule->action;
        struct timespec pause = {(time_t)(rule->number / 1000), (long)(rule->number % 1000) * 1000000};
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* Whether a call fails as a whole; sets errno. */
static bool fails(enum operation operation, const char *name) {
    uint64_t number = 0;
    int action = fate(operation, name, &number);
    if (action == 0) return false;
    errno = (int)number;
    return true;
}

/* How many of `wanted` bytes of growth there is room for, which are then taken. */
static uint64_t grow(uint64_t wanted) {
    if (control == NULL || wanted == 0 || !atomic_load(&control->limited)) return wanted;
    uint64_t room = atomic_load(&control->room), granted;
    do {
        granted = room < wanted ? room : wanted;
    } while (!atomic_compare_exchange_weak(&control->room, &room, room - granted));
    if (granted < wanted) count(control->hit, ON_WRITE);
    return granted;
}

static uint64_t length_of(int descriptor) {
    struct stat64 found;
    return fstat64(descriptor, &found) == 0 ? (uint64_t)found.st_size : 0;
}

/* How many of these bytes have no place on the disk yet: those beyond the end, and those in holes that
 * a change of length left; 0 while nobody asks. */
static uint64_t without_place(int descriptor, uint64_t at, uint64_t bytes) {
    struct stat64 found;
    if (control == NULL || !atomic_load(&control->limited)) return 0;
    if (fstat64(descriptor, &found) != 0) return bytes;
    if ((uint64_t)found.st_blocks * 512 >= at + bytes) return 0;
    /* Through a descriptor of its own, since others may use the position of this one. */
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int own = real_open(link, O_RDONLY | O_CLOEXEC);
    if (own < 0) return bytes;
    off64_t hole = lseek64(own, (off64_t)at, SEEK_HOLE);
    real_close(own);
    uint64_t placed = hole > (off64_t)at ? (uint64_t)hole - at : 0;
    return placed < bytes ? bytes - placed : 0;
}

/* ------------------------------------------------------------------ set-up */

__attribute__((constructor)) static void begin(void) {
    find_real_calls();
    const char *path = getenv("DISK_SHIM_CONTROL");
    if (path != NULL) {
        int descriptor = real_open(path, O_RDWR | O_CLOEXEC);
        void *shared = descriptor < 0 ? MAP_FAILED
                                      : real_mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE,
                                                  MAP_SHARED, descriptor, 0);
        if (shared == MAP_FAILED || length_of(descriptor) < sizeof(struct control) ||
            ((struct control *)shared)->magic != CONTROL_MAGIC) {
            say("disk shim: DISK_SHIM_CONTROL cannot be used\n");
            abort();
        }
        control = shared;
        real_close(descriptor);
    }
    path = getenv("DISK_SHIM_RECORD");
    if (path != NULL) {
        char name[PATH_MAX + 16];
        int descriptor = -1;
        for (int number = 0; number < 100000 && descriptor < 0; number++) {
            snprintf(name, sizeof name, "%s/%05d", path, number);
            descriptor = real_open(name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
            if (descriptor < 0 && errno != EEXIST) break;
        }
        /* High, where no descriptor of the program comes. */
        record_descriptor = descriptor < 0 ? -1 : real_fcntl(descriptor, F_DUPFD_CLOEXEC, 900);
        if (record_descriptor < 0) {
            say("disk shim: DISK_SHIM_RECORD cannot be used\n");
            abort();
        }
        real_close(descriptor);
    }
    path = getenv("DISK_SHIM_FOLDER");
    if (path != NULL && strlen(path) < sizeof folder) {
        strcpy(folder, path);
        folder_length = strlen(folder);
    }
    record(PROCESS, 0, (uint64_t)getpid(), 0, NULL, 0, NULL, 0);
}

/* ------------------------------------------------------------------ opening and closing */

static int open_watched(int directory, const char *path, int flags, mode_t mode) {
    find_real_calls();
    char room[PATH_MAX];
    const char *name = watched(directory, path, room);
    if (name == NULL) {
        int descriptor = real_openat(directory, path, flags, mode);
        forget(descriptor);
        return descriptor;
    }
    if (fails(ON_OPEN, name)) return -1;
    lock();
    struct stat64 found;
    bool is_new = fstatat64(directory, path, &found, 0) != 0;
    int descriptor = real_openat(directory, path, flags, mode);
    if (descriptor >= 0 && fstat64(descriptor, &found) == 0) {
        bool can_write = (flags & O_ACCMODE) != O_RDONLY;
        keep(descriptor, found.st_ino, (flags & O_DSYNC) != 0, name);
        if ((flags & O_TMPFILE) == O_TMPFILE) record_name(UNSUPPORTED, found.st_ino, 0, "O_TMPFILE");
        if (is_new || can_write) record_name(OPENED, found.st_ino, is_new, name);
        if ((flags & O_TRUNC) && can_write && !is_new)
            record(RESIZE, found.st_ino, 0, 0, NULL, 0, NULL, 0);
    } else {
        forget(descriptor);
    }
    unlock();
    return descriptor;
}

#define MODE_OF(flags, last)                                       \
    mode_t mode = 0;                                               \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list rest;                                              \
        va_start(rest, last);                                      \
        mode = va_arg(rest, mode_t);                               \
        va_end(rest);                                              \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_watched(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_watched(AT_FDCWD, path, flags, mode);
}
int openat(int directory, const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_watched(directory, path, flags, mode);
}
int openat64(int directory, const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_watched(directory, path, flags, mode);
}
int creat(const char *path, mode_t mode) {
    return open_watched(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int descriptor) {
    find_real_calls();
    if (descriptor == record_descriptor && descriptor >= 0) {
        errno = EBADF;
        return -1;
    }
    forget(descriptor);
    return real_close(descriptor);
}

int dup(int from) {
    find_real_calls();
    int to = real_dup(from);
    copy_entry(from, to);
    return to;
}
int dup2(int from, int to) {
    find_real_calls();
    int got = real_dup2(from, to);
    if (got >= 0 && from != to) copy_entry(from, to);
    return got;
}
int dup3(int from, int to, int flags) {
    find_real_calls();
    int got = real_dup3(from, to, flags);
    if (got >= 0) copy_entry(from, to);
    return got;
}

static int fcntl_watched(int descriptor, int command, void *argument) {
    find_real_calls();
    int result = real_fcntl(descriptor, command, argument);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) copy_entry(descriptor, result);
    return result;
}
#define ARGUMENT_AFTER(last)              \
    va_list rest;                         \
    va_start(rest, last);                 \
    void *argument = va_arg(rest, void *); \
    va_end(rest);
int fcntl(int descriptor, int command, ...) {
    ARGUMENT_AFTER(command)
    return fcntl_watched(descriptor, command, argument);
}
int fcntl64(int descriptor, int command, ...) {
    ARGUMENT_AFTER(command)
    return fcntl_watched(descriptor, command, argument);
}

/* ------------------------------------------------------------------ reading */

#define READING(descriptor)                                                     \
    find_real_calls();                                                          \
    struct file *file = file_of(descriptor);                                    \
    if (file != NULL && fails(ON_READ, file->name_end)) return -1;

ssize_t read(int descriptor, void *buffer, size_t length) {
    READING(descriptor)
    return real_read(descriptor, buffer, length);
}
ssize_t pread(int descriptor, void *buffer, size_t length, off_t offset) {
    READING(descriptor)
    return real_pread(descriptor, buffer, length, offset);
}
ssize_t pread64(int descriptor, void *buffer, size_t length, off64_t offset) {
    return pread(descriptor, buffer, length, offset);
}
ssize_t readv(int descriptor, const struct iovec *pieces, int many) {
    READING(descriptor)
    return real_readv(descriptor, pieces, many);
}
ssize_t preadv(int descriptor, const struct iovec *pieces, int many, off_t offset) {
    READING(descriptor)
    return real_preadv(descriptor, pieces, many, offset);
}
ssize_t preadv64(int descriptor, const struct iovec *pieces, int many, off64_t offset) {
    return preadv(descriptor, pieces, many, offset);
}

/* ------------------------------------------------------------------ writing */

#define NO_OFFSET ((off_t)-1)

static uint64_t bytes_of(const struct iovec *pieces, int many) {
    uint64_t sum = 0;
    for (int i = 0; i < many; i++) sum += pieces[i].iov_len;
    return sum;
}

/* Shortens a list of pieces to so many bytes, into `out`; answers how many pieces are left. */
static int shortened(const struct iovec *pieces, int many, uint64_t bytes, struct iovec *out) {
    int count = 0;
    for (int i = 0; i < many && bytes > 0; i++) {
        out[count] = pieces[i];
        if (out[count].iov_len > bytes) out[count].iov_len = bytes;
        bytes -= out[count++].iov_len;
    }
    return count;
}

static ssize_t write_watched(struct file *file, int descriptor, const struct iovec *pieces, int many,
                             off_t offset) {
    if (many < 0 || many > IOV_MAX) {
        errno = EINVAL;
        return -1;
    }
    uint64_t inode = atomic_load(&file->inode), wanted = bytes_of(pieces, many), number = 0;
    int action = fate(ON_WRITE, file->name_end, &number);
    if (action == FAIL) {
        errno = (int)number;
        return -1;
    }
    uint64_t bytes = action == 0 ? wanted : wanted / 2;
    lock();
    int flags = real_fcntl(descriptor, F_GETFL);
    off_t at = offset;
    if (flags >= 0 && (flags & O_APPEND))
        at = (off_t)length_of(descriptor);
    else if (offset == NO_OFFSET)
        at = lseek64(descriptor, 0, SEEK_CUR);
    uint64_t growth = without_place(descriptor, (uint64_t)at, bytes), granted = grow(growth);
    bytes -= growth - granted;
    if (bytes == 0 && wanted > 0) {
        unlock();
        errno = action == 0 ? ENOSPC : action == TORN ? (int)number : EIO;
        return -1;
    }
    struct iovec left[IOV_MAX];
    int count = shortened(pieces, many, bytes, left);
    record(WRITE, inode, (uint64_t)at, bytes, NULL, 0, left, count);
    ssize_t done = offset == NO_OFFSET ? real_writev(descriptor, left, count)
                                       : real_pwritev(descriptor, left, count, offset);
    if (done < 0 || (uint64_t)done < bytes) {
        int saved = errno;
        correct(inode, done);
        errno = saved;
    } else if (file->syncs_itself) {
        uint64_t ticket = atomic_fetch_add(&tickets, 1);
        record(SYNC_BEGINS, inode, ticket, 0, NULL, 0, NULL, 0);
        record(SYNC_ENDS, inode, ticket, 0, NULL, 0, NULL, 0);
    }
    unlock();
    if (action == TORN) {
        errno = (int)number;
        return -1;
    }
    return done;
}

ssize_t write(int descriptor, const void *buffer, size_t length) {
    find_real_calls();
    struct file *file = file_of(descriptor);
    if (file == NULL) return real_write(descriptor, buffer, length);
    struct iovec piece = {(void *)buffer, length};
    return write_watched(file, descriptor, &piece, 1, NO_OFFSET);
}
ssize_t pwrite(int descriptor, const void *buffer, size_t length, off_t offset) {
    find_real_calls();
    struct file *file = file_of(descriptor);
    if (file == NULL) return real_pwrite(descriptor, buffer, length, offset);
    struct iovec piece = {(void *)buffer, length};
    return write_watched(file, descriptor, &piece, 1, offset);
}
ssize_t pwrite64(int descriptor, const void *buffer, size_t length, off64_t offset) {
    return pwrite(descriptor, buffer, length, offset);
}
ssize_t writev(int descriptor, const struct iovec *pieces, int many) {
    find_real_calls();
    struct file *file = file_of(descriptor);
    if (file == NULL) return real_writev(descriptor, pieces, many);
    return write_watched(file, descriptor, pieces, many, NO_OFFSET);
}
ssize_t pwritev(int descriptor, const struct iovec *pieces, int many, off_t offset) {
    find_real_calls();
    struct file *file = file_of(descriptor);
    if (file == NULL) return real_pwritev(descriptor, pieces, many, offset);
    return write_watched(file, descriptor, pieces, many, offset);
}
ssize_t pwritev64(int descriptor, const struct iovec *pieces, int many, off64_t offset) {
    return pwritev(descriptor, pieces, many, offset);
}

/* Programs fall back to plain writes when the kernel cannot do these. */
ssize_t sendfile(int to, int from, off_t *offset, size_t length) {
    find_real_calls();
    if (file_of(to) == NULL) return real_sendfile(to, from, offset, length);
    errno = EINVAL;
    return -1;
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) {
    return sendfile(to, from, offset, length);
}
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length,
                        unsigned flags) {
    find_real_calls();
    if (file_of(to) == NULL) return real_copy_file_range(from, from_at, to, to_at, length, flags);
    errno = EXDEV;
    return -1;
}

/* ------------------------------------------------------------------ lengths */

int ftruncate(int descriptor, off_t length) {
    find_real_calls();
    struct file *file = file_of(descriptor);
    if (file == NULL) return real_ftruncate(descriptor, length);
    if (fails(ON_RESIZE, file->name_end)) return -1;
    uint64_t inode = atomic_load(&file->inode);
    lock();
    record(RESIZE, inode, (uint64_t)length, 0, NULL, 0, NULL, 0);
    int result = real_ftruncate(descriptor, length);
    if (result != 0) {
        int saved = errno;
        correct(inode, -1);
        errno = saved;
    }
    unlock();
    return result;
}
int ftruncate64(int descriptor, off64_t length) { return ftruncate(descriptor, length); }

int truncate(const char *path, off_t length) {
    int descriptor = open_watched(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    int result = ftruncate(descriptor, length), saved = errno;
    close(descriptor);
    errno = saved;
    return result;
}
int truncate64(const char *path, off64_t length) { return truncate(path, length); }

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    find_real_calls();
    struct file *file = file_of(descriptor);
    if (file == NULL) return real_fallocate(descriptor, mode, offset, length);
    if (fails(ON_RESIZE, file->name_end)) return -1;
    uint64_t inode = atomic_load(&file->inode);
    bool is_zeroing = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
    lock();
    uint64_t now = length_of(descriptor), end = (uint64_t)(offset + length);
    if (!(mode & FALLOC_FL_KEEP_SIZE) && end > now && grow(end - now) < end - now) {
        unlock();
        errno = ENOSPC;
        return -1;
    }
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        record_name(UNSUPPORTED, inode, 0, "fallocate");
    else if (is_zeroing) {
        /* Zeros beyond the end do not make the file longer when the length is to be kept. */
        uint64_t upto = (mode & FALLOC_FL_KEEP_SIZE) && end > now ? now : end;
        uint64_t bytes = upto > (uint64_t)offset ? upto - (uint64_t)offset : 0;
        record(ZERO, inode, (uint64_t)offset, bytes, NULL, 0, NULL, 0);
    } else if (!(mode & FALLOC_FL_KEEP_SIZE))
        record(ALLOCATE, inode, (uint64_t)offset, (uint64_t)length, NULL, 0, NULL, 0);
    else
        record(ALLOCATE, inode, 0, 0, NULL, 0, NULL, 0);
    int result = real_fallocate(descriptor, mode, offset, length);
    if (result != 0) {
        int saved = errno;
        correct(inode, -1);
        errno = saved;
    }
    unlock();
    return result;
}
int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
    return fallocate(descriptor, mode, offset, length);
}
int posix_fallocate(int descriptor, off_t offset, off_t length) {
    find_real_calls();
    if (file_of(descriptor) == NULL) return real_posix_fallocate(descriptor, offset, length);
    int saved = errno, result = fallocate(descriptor, 0, offset, length) == 0 ? 0 : errno;
    errno = saved;
    return result;
}
int posix_fallocate64(int descriptor, off64_t offset, off64_t length) {
    return posix_fallocate(descriptor, offset, length);
}

/* ------------------------------------------------------------------ syncing */

static int sync_watched(int descriptor, int (*real)(int)) {
    struct file *file = file_of(descriptor);
    if (file == NULL) return real(descriptor);
    uint64_t inode = atomic_load(&file->inode), ticket = atomic_fetch_add(&tickets, 1);
    lock();
    record(SYNC_BEGINS, inode, ticket, 0, NULL, 0, NULL, 0);
    unlock();
    int result = fails(ON_SYNC, file->name_end) ? -1 : real(descriptor);
    int saved = errno;
    lock();
    record(SYNC_ENDS, inode, ticket, result == 0 ? 0 : (uint64_t)saved, NULL, 0, NULL, 0);
    unlock();
    errno = saved;
    return result;
}

int fsync(int descriptor) {
    find_real_calls();
    return sync_watched(descriptor, real_fsync);
}
int fdatasync(int descriptor) {
    find_real_calls();
    return sync_watched(descriptor, real_fdatasync);
}

/* ------------------------------------------------------------------ names */

static uint64_t inode_at(int directory, const char *path) {
    struct stat64 found;
    return fstatat64(directory, path, &found, AT_SYMLINK_NOFOLLOW) == 0 ? found.st_ino : 0;
}

static int make_directory(int directory, const char *path, mode_t mode) {
    find_real_calls();
    char room[PATH_MAX];
    const char *name = watched(directory, path, room);
    if (name == NULL) return real_mkdirat(directory, path, mode);
    if (fails(ON_NAME, name)) return -1;
    lock();
    int result = real_mkdirat(directory, path, mode);
    if (result == 0) record_name(DIRECTORY, inode_at(directory, path), 0, name);
    unlock();
    return result;
}
int mkdir(const char *path, mode_t mode) { return make_directory(AT_FDCWD, path, mode); }
int mkdirat(int directory, const char *path, mode_t mode) { return make_directory(directory, path, mode); }

static int remove_name(int directory, const char *path, int flags) {
    find_real_calls();
    char room[PATH_MAX];
    const char *name = watched(directory, path, room);
    if (name == NULL) return real_unlinkat(directory, path, flags);
    if (fails(ON_NAME, name)) return -1;
    lock();
    uint64_t inode = inode_at(directory, path);
    int result = real_unlinkat(directory, path, flags);
    if (result == 0) record_name(REMOVE, inode, 0, name);
    unlock();
    return result;
}
int unlink(const char *path) { return remove_name(AT_FDCWD, path, 0); }
int unlinkat(int directory, const char *path, int flags) { return remove_name(directory, path, flags); }
int rmdir(const char *path) { return remove_name(AT_FDCWD, path, AT_REMOVEDIR); }

/* A record with two names; one outside the folder is something that nobody here does. */
static void record_two(enum kind kind, uint64_t inode, const char *from, const char *to) {
    char both[2 * PATH_MAX];
    if (from == NULL || to == NULL) {
        record_name(UNSUPPORTED, inode, 0, "a name moved into or out of the folder");
        return;
    }
    size_t first = strlen(from) + 1, second = strlen(to);
    memcpy(both, from, first);
    memcpy(both + first, to, second);
    record(kind, inode, 0, 0, both, first + second, NULL, 0);
}

static int move(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    find_real_calls();
    char from_room[PATH_MAX], to_room[PATH_MAX];
    const char *old = watched(from_directory, from, from_room), *new = watched(to_directory, to, to_room);
    if (old == NULL && new == NULL)
        return flags == 0 ? real_renameat(from_directory, from, to_directory, to)
                          : real_renameat2(from_directory, from, to_directory, to, flags);
    if (fails(ON_NAME, new == NULL ? old : new)) return -1;
    lock();
    uint64_t inode = inode_at(from_directory, from);
    int result = flags == 0 ? real_renameat(from_directory, from, to_directory, to)
                            : real_renameat2(from_directory, from, to_directory, to, flags);
    if (result == 0) {
        if (flags & RENAME_EXCHANGE) record_name(UNSUPPORTED, inode, 0, "RENAME_EXCHANGE");
        else record_two(RENAME, inode, old, new);
    }
    unlock();
    return result;
}
int rename(const char *from, const char *to) { return move(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    return move(from_directory, from, to_directory, to, 0);
}
int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    return move(from_directory, from, to_directory, to, flags);
}

static int make_link(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    find_real_calls();
    char from_room[PATH_MAX], to_room[PATH_MAX];
    const char *old = watched(from_directory, from, from_room), *new = watched(to_directory, to, to_room);
    if (new == NULL) return real_linkat(from_directory, from, to_directory, to, flags);
    if (fails(ON_NAME, new)) return -1;
    lock();
    int result = real_linkat(from_directory, from, to_directory, to, flags);
    if (result == 0) record_two(LINK, inode_at(to_directory, to), old, new);
    unlock();
    return result;
}
int link(const char *from, const char *to) { return make_link(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    return make_link(from_directory, from, to_directory, to, flags);
}

/* ------------------------------------------------------------------ mappings */

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
    find_real_calls();
    struct file *file = descriptor >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE)
                            ? file_of(descriptor) : NULL;
    if (file != NULL) {
        lock();
        record(MAPPED, atomic_load(&file->inode), 0, 0, NULL, 0, NULL, 0);
        unlock();
    }
    return real_mmap(address, length, protection, flags, descriptor, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off64_t offset) {
    return mmap(address, length, protection, flags, descriptor, offset);
}
