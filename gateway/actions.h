/* What the core wants done, in order. */
#ifndef TAILGATE_GATEWAY_ACTIONS_H
#define TAILGATE_GATEWAY_ACTIONS_H

#include "gateway/dispatch.h"

struct actions;

struct actions *actions_new(void);
void actions_destroy(struct actions **self);
/* Appends an action of KIND, all else zero, to be filled in; valid until it is taken. */
struct action *actions_add(struct actions *self, enum action_kind kind);
/* Appends an action about FLIGHT and, when it is not NULL, WORKER. */
struct action *actions_add_flight(struct actions *self, enum action_kind kind,
                                  const struct flight *flight, const struct worker *worker);
/* Appends an action about WORKER. */
struct action *actions_add_worker(struct actions *self, enum action_kind kind,
                                  const struct worker *worker);
/* As dispatch_take(). */
const struct action *actions_take(struct actions *self);

#endif
