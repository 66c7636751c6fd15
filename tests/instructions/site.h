/* A bridge file in a folder of its own, with QUERIES_MAX queries that nobody has answered, ids 1
 * and up. */
#ifndef TAILGATE_TESTS_INSTRUCTIONS_SITE_H
#define TAILGATE_TESTS_INSTRUCTIONS_SITE_H

#include "adapters/bridge/place.h"

/* Makes it; its place, valid until site_remove(). */
const struct place *site_make(void);
void site_remove(void);

#endif
