#include "gateway/bench/bench_machine.h"

#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <zmq.h>

static void look_at_cpu(char *ret_model, size_t room)
{
    static const char key[] = "model name";
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "re");

    *ret_model = '\0';
    while (file && !*ret_model && fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, key, sizeof key - 1) != 0 || !value)
            continue;
        value += 1 + strspn(value + 1, " ");
        snprintf(ret_model, room, "%.*s", (int)strcspn(value, "\n"), value);
    }
    if (file)
        fclose(file);
}

static void look_at_file_system(const char *folder, char *ret_name, size_t room)
{
    static const struct {
        long magic;
        const char *name;
    } known[] = {{0xEF53, "ext4"},          {0x01021994, "tmpfs"},   {0x58465342, "xfs"},
                 {0x9123683E, "btrfs"},     {0x794C7630, "overlay"}, {0x2FC12FC1, "zfs"},
                 {(long)0xF2F52010, "f2fs"}};
    struct statfs status;

    snprintf(ret_name, room, "unknown");
    if (statfs(folder, &status) != 0)
        return;
    snprintf(ret_name, room, "0x%lx", (unsigned long)status.f_type);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].magic == (long)status.f_type)
            snprintf(ret_name, room, "%s", known[i].name);
}

void bench_machine_look(const char *folder, struct bench_machine *ret_machine)
{
    struct utsname kernel;
    cpu_set_t cores;
    int major, minor, patch;

    memset(ret_machine, 0, sizeof *ret_machine);
    look_at_cpu(ret_machine->cpu, sizeof ret_machine->cpu);
    if (sched_getaffinity(0, sizeof cores, &cores) == 0)
        ret_machine->cores = CPU_COUNT(&cores);
    if (uname(&kernel) == 0)
        snprintf(ret_machine->kernel, sizeof ret_machine->kernel, "%s %s", kernel.sysname,
                 kernel.release);
    ret_machine->sqlite = sqlite3_libversion();
    zmq_version(&major, &minor, &patch);
    snprintf(ret_machine->libzmq, sizeof ret_machine->libzmq, "%d.%d.%d", major, minor, patch);
    look_at_file_system(folder, ret_machine->file_system, sizeof ret_machine->file_system);
}
