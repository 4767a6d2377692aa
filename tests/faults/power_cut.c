/* A disk that keeps only what was synced, loaded with LD_PRELOAD.
 *
 * Whenever a file in the watched folder is synced, its content at that moment is copied to a second folder: what a
 * machine would find after the power went, if nothing survives that was not synced. The process can be ended right
 * before its k-th sync, and the disk can lie: say that it synced, and keep nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char live[PATH_MAX], disk[PATH_MAX];
static long left;
static int lies;

void power_watch(const char *live_folder, const char *disk_folder, long cut_before, int lying) {
    snprintf(live, sizeof live, "%s/", live_folder);
    snprintf(disk, sizeof disk, "%s/", disk_folder);
    left = cut_before;
    lies = lying;
}

static void keep(const char *path) {
    char target[2 * PATH_MAX], draft[2 * PATH_MAX + 8], buffer[65536];
    snprintf(target, sizeof target, "%s%s", disk, path + strlen(live));
    snprintf(draft, sizeof draft, "%s.draft", target);
    int from = open(path, O_RDONLY), to = open(draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t count;
    while (from >= 0 && to >= 0 && (count = read(from, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, count) != count) _exit(97);
    close(from);
    close(to);
    if (rename(draft, target)) _exit(98);
}

static int synced(int descriptor, const char *name) {
    char link[64], path[PATH_MAX];
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = live[0] ? readlink(link, path, sizeof path - 1) : -1;
    if (length < 0) return real(descriptor);
    path[length] = 0;
    if (strncmp(path, live, strlen(live)) || strstr(path, " (deleted)")) return real(descriptor);
    if (left > 0 && --left == 0) kill(getpid(), SIGKILL);
    int result = real(descriptor);
    if (result == 0 && !lies) keep(path);
    return result;
}

int fsync(int descriptor) { return synced(descriptor, "fsync"); }
int fdatasync(int descriptor) { return synced(descriptor, "fdatasync"); }
