#include "adapters/worker/agent_process.h"

#include <stdio.h>

#include "proto/jtext.h"

#define MODEL_SIZE 200 /* bytes of a model's name, as JSON */

void agent_process_init(struct agent_process *self, const struct adapter_setup *setup)
{
    *self = (struct agent_process){.format = agent_format_find(setup->target),
                                   .command = setup->command,
                                   .restart_after = setup->restart_after,
                                   .restart_every_us = setup->restart_every_us};
    agent_sessions_init(&self->sessions);
    dialog_init(&self->dialog);
    buffer_init(&self->model);
}

void agent_process_done(struct agent_process *self)
{
    dialog_done(&self->dialog);
    agent_sessions_done(&self->sessions);
    buffer_done(&self->model);
}

int agent_process_start(struct agent_process *self, int64_t now_us)
{
    const struct agent_session *old = agent_sessions_find(&self->sessions, self->topic);
    char **argv = agent_command_new(self->format, self->command, old ? old->name : NULL);
    int code = dialog_start(&self->dialog, argv);
    agent_command_free(&argv);
    snprintf(self->session, sizeof self->session, "%s", old ? old->name : "");
    self->cost = old ? old->cost : 0;
    self->resumed = old != NULL;
    self->begun = false;
    self->replacing = false;
    self->served = 0;
    self->started_us = now_us;
    buffer_reset(&self->model);
    return code;
}

const char *agent_process_name(const struct agent_process *self)
{
    return self->command[0] ? self->command[0] : self->format->name;
}

bool agent_process_suits(const struct agent_process *self, const char *conversation)
{
    if (conversation[0] != '\0' && strcmp(self->topic, conversation) == 0)
        return true;
    bool told_nothing = !self->resumed && self->served == 0;
    return told_nothing && !agent_sessions_find(&self->sessions, conversation);
}

int64_t agent_process_old_us(const struct agent_process *self)
{
    return self->restart_every_us > 0 ? self->started_us + self->restart_every_us : INT64_MAX;
}

void agent_process_replace(struct agent_process *self, int64_t now_us)
{
    /* The end of its stdin would be an empty question to one that was told nothing. */
    if (self->served > 0)
        dialog_leave(&self->dialog, now_us);
    else
        dialog_stop(&self->dialog, now_us, false);
    self->replacing = true;
}

static bool refused(const struct agent_process *self)
{
    return self->resumed && !self->begun;
}

void agent_process_abandon(struct agent_process *self, int64_t now_us)
{
    if (refused(self))
        agent_sessions_forget(&self->sessions, self->topic);
    dialog_stop(&self->dialog, now_us, false);
    self->replacing = true;
}

/* Who was killed has refused nothing. */
void agent_process_ended(struct agent_process *self)
{
    if (refused(self) && self->dialog.exited)
        agent_sessions_forget(&self->sessions, self->topic);
}

/* A name that can stand on a command line. */
static bool plain(const char *name)
{
    for (const char *at = name; *at; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f)
            return false;
    }
    return name[0] != '-' && name[0] != '\0';
}

void agent_process_begun(struct agent_process *self, const struct agent_event *event)
{
    self->begun = true;
    if (event->session.size == 0 ||
        jtext_copy(event->session, self->session, sizeof self->session) < 0 ||
        !plain(self->session))
        self->session[0] = '\0';
    buffer_reset(&self->model);
    if (event->model.size <= MODEL_SIZE)
        buffer_add(&self->model, event->model);
}

/* The agent tells what the whole session has cost. One that was resumed may count from 0 again. */
static double cost_since(double before, double cost)
{
    return cost >= before ? cost - before : cost;
}

double agent_process_settle(struct agent_process *self, const struct agent_event *event,
                            int64_t now_us)
{
    double cost = event->cost < 0 ? -1 : cost_since(self->cost, event->cost);
    bool keep = self->topic[0] != '\0' && self->begun && self->session[0] != '\0';
    if (event->cost >= 0)
        self->cost = event->cost;
    if (keep)
        agent_sessions_put(&self->sessions, self->topic, self->session, self->cost);
    else
        agent_sessions_forget(&self->sessions, self->topic);
    self->served++;
    if (self->format->once || !keep ||
        (self->restart_after > 0 && self->served >= self->restart_after))
        agent_process_replace(self, now_us);
    return cost;
}
