#include "gateway/sender.h"

#include <stdio.h>

void sender_name(const struct server *self, const struct gate_sender *sender,
                 struct identity *ret_who)
{
    const struct allow_entry *entry = NULL;

    memset(ret_who, 0, sizeof *ret_who);
    if (sender->local)
        snprintf(ret_who->principal, sizeof ret_who->principal, "uid:%lld", (long long)sender->uid);
    if (sender->curve && sender->fingerprint[0])
        entry = allow_find(self->allow, sender->fingerprint);
    if (!entry)
        return;
    snprintf(ret_who->principal, sizeof ret_who->principal, "key:%s", entry->fingerprint);
    memcpy(ret_who->name, entry->name, sizeof ret_who->name);
}

void sender_identify(const struct server *self, const struct peer *peer, struct identity *ret_who)
{
    struct gate_sender sender = {.local = false};

    if (peer->door < DIAL_DOOR_FIRST)
        gate_sender(self->gate, peer->door, &self->set, &sender);
    sender_name(self, &sender, ret_who);
}
