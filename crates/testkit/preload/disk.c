/* A disk that fails on request: preloaded into the real process, it stands between the program and the C library and
 * lets chosen writes, syncs and truncations of files below one folder fail. It must never touch any other file, and
 * does nothing at all until it is armed.
 *
 *   CHAOS_FOLDER   absolute path; only files below it are watched
 *   CHAOS_CONTROL  a file of sizeof(struct control) bytes, shared with the test, which arms it and reads the counts
 *
 * Every call below is one that SQLite's unix VFS may make for the database or its log. The log's index (-shm) is
 * mapped memory, which no call announces, so it is left out.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call { WRITE, SYNC, TRUNCATE, ALLOCATE, CALLS };
enum file { DATABASE, LOG, OTHER, FILES };

/* The layout is also in tests/chaos/disk.rs. Every field has 8 bytes. */
struct control {
    uint64_t magic;
    uint64_t armed;         /* 0: everything succeeds */
    uint64_t error;         /* errno of a failing call; 0: the write is cut short and says so */
    uint64_t torn;          /* a failing write leaves its first half on the disk */
    uint64_t calls;         /* bit per enum call */
    uint64_t files;         /* bit per enum file */
    uint64_t first;         /* matching calls from this one, counted from 1 since the counter was reset ... */
    uint64_t last;          /* ... to this one fail */
    uint64_t matched;       /* matching calls since then */
    uint64_t failed;        /* those that were made to fail */
    uint64_t attached;      /* processes that this library was loaded into */
    int64_t wall_shift_s;   /* added to the wall clock */
    int64_t timer_shift_s;  /* added to the clock that timers run by */
    uint64_t seen[CALLS][FILES];
};

#define MAGIC 0x74726972656d6531ULL

static struct control *control;
static char folder[PATH_MAX];
static size_t folder_length;

static void attach(void) __attribute__((constructor));
static void attach(void)
{
    const char *path = getenv("CHAOS_CONTROL"), *below = getenv("CHAOS_FOLDER");
    if (path == NULL || below == NULL || strlen(below) >= sizeof folder)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *memory = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED || ((struct control *)memory)->magic != MAGIC)
        return;
    strcpy(folder, below);
    folder_length = strlen(folder);
    control = memory;
    __atomic_add_fetch(&control->attached, 1, __ATOMIC_SEQ_CST);
}

static int ends_with(const char *text, size_t length, const char *end)
{
    size_t size = strlen(end);
    return length >= size && memcmp(text + length - size, end, size) == 0;
}

/* Which kind of file below the folder this is, or -1. */
static int file_of(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= (ssize_t)folder_length || memcmp(path, folder, folder_length) != 0 || path[folder_length] != '/')
        return -1;
    if (ends_with(path, length, ".db"))
        return DATABASE;
    if (ends_with(path, length, ".db-wal") || ends_with(path, length, ".db-journal"))
        return LOG;
    return ends_with(path, length, "-shm") ? -1 : OTHER;
}

/* Whether this call is one that has to fail. */
static int fails(enum call call, int fd)
{
    if (control == NULL)
        return 0;
    int before = errno, file = file_of(fd);
    errno = before;
    if (file < 0)
        return 0;
    __atomic_add_fetch(&control->seen[call][file], 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&control->armed, __ATOMIC_SEQ_CST))
        return 0;
    if (!(control->calls >> call & 1) || !(control->files >> file & 1))
        return 0;
    uint64_t number = __atomic_add_fetch(&control->matched, 1, __ATOMIC_SEQ_CST);
    if (number < control->first || number > control->last)
        return 0;
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size)
{
    static __typeof__(&write) real;
    if (real == NULL)
        real = REAL(write);
    if (!fails(WRITE, fd))
        return real(fd, data, size);
    if (control->error == 0)
        return real(fd, data, size > 1 ? size / 2 : size);
    int error = (int)control->error;
    if (control->torn && size > 1)
        (void)!real(fd, data, size / 2);
    errno = error;
    return -1;
}

static ssize_t write_at(__typeof__(&pwrite64) real, int fd, const void *data, size_t size, off64_t offset)
{
    if (!fails(WRITE, fd))
        return real(fd, data, size, offset);
    if (control->error == 0)
        return real(fd, data, size > 1 ? size / 2 : size, offset);
    int error = (int)control->error;
    if (control->torn && size > 1)
        (void)!real(fd, data, size / 2, offset);
    errno = error;
    return -1;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    static __typeof__(&pwrite64) real;
    if (real == NULL)
        real = REAL(pwrite64);
    return write_at(real, fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    static __typeof__(&pwrite64) real;
    if (real == NULL)
        real = REAL(pwrite64);
    return write_at(real, fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    static __typeof__(&writev) real;
    if (real == NULL)
        real = REAL(writev);
    if (!fails(WRITE, fd))
        return real(fd, parts, count);
    errno = control->error ? (int)control->error : EIO;
    return -1;
}

/* A call that writes no data of its own: cutting it short has no meaning, so it fails as a disk would. */
static int refuses(enum call call, int fd)
{
    if (!fails(call, fd))
        return 0;
    errno = control->error ? (int)control->error : EIO;
    return 1;
}

int fsync(int fd)
{
    static __typeof__(&fsync) real;
    if (real == NULL)
        real = REAL(fsync);
    return refuses(SYNC, fd) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    static __typeof__(&fdatasync) real;
    if (real == NULL)
        real = REAL(fdatasync);
    return refuses(SYNC, fd) ? -1 : real(fd);
}

int ftruncate(int fd, off_t size)
{
    static __typeof__(&ftruncate64) real;
    if (real == NULL)
        real = REAL(ftruncate64);
    return refuses(TRUNCATE, fd) ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    static __typeof__(&ftruncate64) real;
    if (real == NULL)
        real = REAL(ftruncate64);
    return refuses(TRUNCATE, fd) ? -1 : real(fd, size);
}

int posix_fallocate(int fd, off_t offset, off_t size)
{
    static __typeof__(&posix_fallocate64) real;
    if (real == NULL)
        real = REAL(posix_fallocate64);
    /* This one gives its error instead of setting errno. */
    return refuses(ALLOCATE, fd) ? errno : real(fd, offset, size);
}

int posix_fallocate64(int fd, off64_t offset, off64_t size)
{
    static __typeof__(&posix_fallocate64) real;
    if (real == NULL)
        real = REAL(posix_fallocate64);
    return refuses(ALLOCATE, fd) ? errno : real(fd, offset, size);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static __typeof__(&clock_gettime) real;
    if (real == NULL)
        real = REAL(clock_gettime);
    int done = real(clock, now);
    if (done == 0 && control != NULL && clock == CLOCK_REALTIME)
        now->tv_sec += __atomic_load_n(&control->wall_shift_s, __ATOMIC_SEQ_CST);
    if (done == 0 && control != NULL && clock == CLOCK_MONOTONIC)
        now->tv_sec += __atomic_load_n(&control->timer_shift_s, __ATOMIC_SEQ_CST);
    return done;
}
