/*
 * Runs a fuzz target over files, so that every input that once mattered is tried by `make test`
 * without libFuzzer: replay DIR-OR-FILE...
 *
 * Each input is given in a block of exactly its size, so that a read past its end is seen by ASan.
 */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { REPLAY_BYTES_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Optional in a target, as with libFuzzer. */
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static unsigned long replay_count;

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return 1;
    }
    struct stat st;
    if (fstat(fileno(f), &st) != 0 || st.st_size > REPLAY_BYTES_MAX) {
        fprintf(stderr, "%s: cannot be read, or is over %d bytes\n", path, REPLAY_BYTES_MAX);
        fclose(f);
        return 1;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, f) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        fclose(f);
        free(data);
        return 1;
    }
    fclose(f);
    /* Said before, so that the last line names the input that crashed. */
    printf("%s\n", path);
    fflush(stdout);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    replay_count++;
    return 0;
}

static int replay_dir(const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        perror(dir);
        return 1;
    }
    int bad = 0;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        int n = snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (n < 0 || (size_t)n >= sizeof path) {
            fprintf(stderr, "%s: name too long\n", dir);
            bad = 1;
            continue;
        }
        bad |= replay_file(path);
    }
    closedir(d);
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0;

    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            bad |= replay_dir(argv[i]);
        else
            bad |= replay_file(argv[i]);
    }
    printf("replayed %lu\n", replay_count);
    if (replay_count == 0) {
        fprintf(stderr, "nothing to replay: put at least one input into the corpus\n");
        bad = 1;
    }
    return bad;
}
