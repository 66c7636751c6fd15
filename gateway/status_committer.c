#include "adapters/bridge/db.h"
#include "gateway/checkpoints.h"
#include "gateway/status_parts.h"

/* Checkpoints by how they ended. */
static json_t *checkpoints_part(const struct committer_measures *measures)
{
    json_t *part = json_object();

    for (int how = 0; how < STORE_CHECKPOINTED; how++)
        json_object_set_new(part, checkpoints_end_name((enum store_checkpointed)how),
                            json_integer((json_int_t)measures->checkpoints[how]));
    return part;
}

json_t *status_committer(const struct server *server, const struct committer_measures *measures,
                         int64_t now_us)
{
    struct committer_view view;
    json_t *part = json_object();

    committer_look(server->committer, &view);
    json_object_set_new(part, "state", json_string(committer_state_name(view.state)));
    json_object_set_new(part, "queued", json_integer((json_int_t)view.queued));
    json_object_set_new(part, "committed", json_integer((json_int_t)view.jobs));
    json_object_set_new(part, "groups", json_integer((json_int_t)view.groups));
    json_object_set_new(part, "busy", json_integer((json_int_t)view.busy));
    json_object_set_new(part, "failures", json_integer((json_int_t)view.failures));
    json_object_set_new(part, "checkpoints", json_integer((json_int_t)view.checkpoints));
    json_object_set_new(part, "checkpoints_partial",
                        json_integer((json_int_t)view.checkpoints_partial));
    json_object_set_new(part, "checkpoint_results", checkpoints_part(measures));
    json_object_set_new(part, "groups_split", json_integer((json_int_t)measures->split));
    json_object_set_new(part, "lock_held_seconds", status_seconds(view.held_us));
    json_object_set_new(part, "lock_duty", json_real(duty_share(&measures->lock, now_us)));
    json_object_set_new(part, "wal_frames", json_integer(view.wal_frames));
    json_object_set_new(part, "wal_bytes", json_integer((json_int_t)db_wal_size(server->place.db)));
    /* who is in the way, while somebody is */
    json_object_set_new(part, "lock_holder",
                        view.state == COMMITTER_LOCKED
                            ? json_integer((json_int_t)db_lock_holder(&server->place))
                            : json_null());
    json_object_set_new(part, "state_seconds",
                        view.state == COMMITTER_OK ? json_null()
                                                   : status_seconds(now_us - view.state_since_us));
    return part;
}
