/* The files of the page, embedded at build time (embed_page.cmake). */
#ifndef TAILGATE_ADAPTERS_HTTP_PAGE_FILES_H
#define TAILGATE_ADAPTERS_HTTP_PAGE_FILES_H

#include <stddef.h>

struct page_file {
    const char *name; /* "page.js"; NULL ends the table */
    const char *type; /* Content-Type */
    const char *etag; /* with its quotes; another one when a byte changes */
    const unsigned char *data;
    size_t size;
};

extern const struct page_file page_files[];

#endif
