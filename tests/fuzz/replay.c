/* Runs a fuzz target over files: the corpus as a regression test where there is no libFuzzer. Names
 * are files, or folders whose files are taken. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns 1, or 0 when PATH cannot be read. */
static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size = -1;
    int done = 0;

    if (!file)
        return 0;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0)
        data = malloc((size_t)size + (size == 0)); /* exact, so that a sanitizer sees the end */
    if (data && fread(data, 1, (size_t)size, file) == (size_t)size) {
        LLVMFuzzerTestOneInput(data, (size_t)size);
        done = 1;
    }
    free(data);
    fclose(file);
    return done;
}

/* Returns the number of files taken; -1 when one cannot be read. */
static int replay_folder(const char *name, DIR *folder)
{
    const struct dirent *entry;
    int count = 0;
    while ((entry = readdir(folder))) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(path, sizeof path, "%s/%s", name, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof path || !replay_file(path)) {
            fprintf(stderr, "%s/%s cannot be read\n", name, entry->d_name);
            return -1;
        }
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        int count = folder ? replay_folder(argv[i], folder) : replay_file(argv[i]);
        if (folder)
            closedir(folder);
        if (count <= 0) {
            fprintf(stderr, "%s: nothing to replay\n", argv[i]);
            return 1;
        }
        total += count;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 ? 0 : 1;
}
