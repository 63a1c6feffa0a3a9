/* What tools/embed has made of web/: the files of the console, and its pages.
 *
 * Owns: nothing; everything is constant and in the binary.  Threads: any. */
#ifndef CONSOLE_FILES_H
#define CONSOLE_FILES_H

#include <stddef.h>

struct console_file {
    const char *path; /* "/assets/app-3f2a91c0.js" */
    const char *bytes, *bytes_end;
    const char *zip, *zip_end; /* the same through gzip; NULL when that is no smaller */
    const char *etag; /* with its quotes */
};

extern const struct console_file console_files[]; /* by path, in the order of strcmp */
extern const size_t console_files_n;
/* Patterns of the pages, web/pages.txt: a segment that begins with ':' is any. The last is NULL. */
extern const char *const console_pages[];

#endif
