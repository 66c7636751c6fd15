#include "adapters/host/process.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define UNLIMITED (INT64_C(1) << 60) /* version 1 of control groups says it by a number beyond */

const char *process_root = "";

static FILE *open_part(long pid, const char *part)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/proc/%ld/%s", process_root, pid, part);
    return fopen(path, "re");
}

/* The file that PID runs when its first argument names one: relative to where it stands. */
static void add_script(long pid, struct process *process)
{
    FILE *file = open_part(pid, "cmdline");
    char text[PATH_MAX] = "", path[PATH_MAX + 64];
    struct stat status;
    size_t size, room = strlen(process->command);
    if (!file)
        return;
    size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    const char *script = memchr(text, '\0', size);
    if (!script || ++script >= text + size || *script == '-' || !*script)
        return;
    if (*script == '/')
        snprintf(path, sizeof path, "/proc/%ld/root%s", pid, script);
    else
        snprintf(path, sizeof path, "/proc/%ld/cwd/%s", pid, script);
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
        snprintf(process->command + room, sizeof process->command - room, " %s", script);
}

int process_look(long pid, struct process *ret_process)
{
    struct process process = {.uid = -1};
    FILE *file = open_part(pid, "status");
    char line[256];
    if (!file)
        return -errno;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "Name:\t", 6) == 0)
            snprintf(process.command, 64, "%.*s", (int)strcspn(line + 6, "\n"), line + 6);
        (void)sscanf(line, "State: %c", &process.state);
        (void)sscanf(line, "Uid: %*d %" SCNd64, &process.uid);
    }
    fclose(file);
    add_script(pid, &process);
    *ret_process = process;
    return 0;
}

static int64_t limit_of(const char *word)
{
    return strcmp(word, "unlimited") == 0 ? INT64_MAX : strtoll(word, NULL, 10);
}

int process_limit(long pid, const char *name, int64_t *ret_soft, int64_t *ret_hard)
{
    FILE *file = open_part(pid, "limits");
    char line[256], soft[32], hard[32];
    size_t size = strlen(name);
    int result = -ENODATA;
    if (!file)
        return -errno;
    while (result && fgets(line, sizeof line, file)) {
        if (strncmp(line, name, size) != 0 || sscanf(line + size, " %31s %31s", soft, hard) != 2)
            continue;
        *ret_soft = limit_of(soft);
        *ret_hard = limit_of(hard);
        result = 0;
    }
    fclose(file);
    return result;
}

int64_t process_descriptors(long pid)
{
    char path[64];
    int64_t count = 0;
    snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    DIR *folder = opendir(path);
    if (!folder)
        return -errno;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* The number in the file NAME of the group at PATH; -1: none, or "max". */
static int64_t read_group(const char *path, const char *name)
{
    char file_name[PATH_MAX + 64], word[32] = "";
    snprintf(file_name, sizeof file_name, "%s/%s", path, name);
    FILE *file = fopen(file_name, "re");
    if (!file)
        return -1;
    if (fscanf(file, "%31s", word) != 1 || strcmp(word, "max") == 0)
        strcpy(word, "-1");
    fclose(file);
    return strtoll(word, NULL, 10);
}

/* A version of control groups: the line of /proc/PID/cgroup begins with or has MARK before the
 * group's path, which is below FOLDER. */
static const struct hierarchy {
    const char *mark, *folder, *limit, *used;
} hierarchies[] = {
    {"0::", "/sys/fs/cgroup", "memory.max", "memory.current"},
    {":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"},
};

/* The group of PID: its folder. */
static int find_group(long pid, const struct hierarchy *hierarchy, char ret_path[PATH_MAX])
{
    FILE *file = open_part(pid, "cgroup");
    char line[PATH_MAX];
    int result = -ENODATA;
    if (!file)
        return result;
    while (result && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        const char *mark = strstr(line, hierarchy->mark);
        if (mark && snprintf(ret_path, PATH_MAX, "%s%s%s", process_root, hierarchy->folder,
                             mark + strlen(hierarchy->mark)) < PATH_MAX)
            result = 0;
    }
    fclose(file);
    return result;
}

/* Narrows *LEAST to the strictest limit of the group at PATH and those above it. */
static void narrow(const struct hierarchy *hierarchy, char *path, int64_t *least, int64_t *used)
{
    size_t top = strlen(process_root) + strlen(hierarchy->folder);
    while (strlen(path) >= top) {
        int64_t limit = read_group(path, hierarchy->limit);
        if (limit >= 0 && limit < *least) {
            *least = limit;
            *used = read_group(path, hierarchy->used);
        }
        *strrchr(path, '/') = '\0';
    }
}

int process_memory(long pid, int64_t *ret_limit, int64_t *ret_used)
{
    int64_t least = UNLIMITED, used = 0;
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof hierarchies / sizeof hierarchies[0]; i++)
        if (find_group(pid, &hierarchies[i], path) == 0)
            narrow(&hierarchies[i], path, &least, &used);
    if (least == UNLIMITED)
        return -ENODATA;
    *ret_limit = least;
    *ret_used = used;
    return 0;
}
